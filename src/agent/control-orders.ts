/** Orders to the control leader, wherever it is: passed on, decided upon, and answered once. */
import { nameOf } from '../core/control/state.ts';
import type { NodeId } from '../core/scalars.ts';
import type { OrderResult } from '../doors/orders.ts';
import { Asks, refused } from './asks.ts';
import type { ControlGroup } from './control/control-group.ts';
import { timeForPeopleMs } from './journal.ts';
import { toControlLeader } from './to-control-leader.ts';
import { commandOf, type Wanted, wantedFrom } from './wanted.ts';

/** The leader proposes at once, and a majority needs a moment. */
const ORDER_MS_MAX = 8_000;

export interface ControlOrdersOptions {
  readonly id: NodeId;
  readonly note: (to: NodeId, topic: string, body: unknown) => void;
  readonly group: () => ControlGroup | null;
  /** Who leads the control group and can be asked from here; null: nobody now. */
  readonly leader: () => NodeId | null;
}

export class ControlOrders {
  readonly #o: ControlOrdersOptions;
  readonly #asks: Asks;

  constructor(options: ControlOrdersOptions) {
    this.#o = options;
    this.#asks = new Asks(options.note);
  }

  order(wanted: Wanted): Promise<OrderResult> {
    const { id, leader } = this.#o;
    return toControlLeader({
      leader,
      ask: (to) =>
        to === id
          ? new Promise((resolve) => this.#decide(wanted, resolve))
          : this.#asks.ask({
              to,
              topic: 'order',
              body: { wanted },
              msMax: ORDER_MS_MAX,
              late: `${nameOf(to)} leads the control group and did not answer`,
            }),
    });
  }

  noted(from: NodeId, topic: string, fields: Readonly<Record<string, unknown>>): void {
    if (topic === 'order') this.#ordered(from, fields);
    else if (topic === 'order.done') this.#asks.answered(fields);
  }

  #ordered(from: NodeId, { request, wanted: sent }: Readonly<Record<string, unknown>>): void {
    const wanted = wantedFrom(sent);
    const answer = (result: OrderResult): void =>
      this.#o.note(from, 'order.done', { request, ...result });
    if (wanted !== null) this.#decide(wanted, answer);
    else answer(refused('NO_SUCH_ORDER', 'that is no order: do all nodes run the same version?'));
  }

  #decide(wanted: Wanted, done: (result: OrderResult) => void): void {
    const group = this.#o.group();
    if (group?.isCurrent !== true) {
      done(refused('NOT_NOW', 'this node does not lead the control group, or not yet'));
      return;
    }
    const made = commandOf(wanted, group.state, timeForPeopleMs());
    if ('command' in made) group.propose(made.command, done);
    else done(made);
  }
}
