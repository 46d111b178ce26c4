/** Orders to the control leader, wherever it is: passed on, decided upon, and answered once. */
import { setTimeout as sleep } from 'node:timers/promises';
import { nameOf } from '../core/control/state.ts';
import type { NodeId } from '../core/scalars.ts';
import type { OrderResult } from '../doors/orders.ts';
import { Asks, refused } from './asks.ts';
import type { ControlGroup } from './control/control-group.ts';
import { timeForPeopleMs } from './journal.ts';
import { monotonicMs } from './monotonic.ts';
import { commandOf, type Wanted, wantedFrom } from './wanted.ts';

/** The leader proposes at once, and a majority needs a moment. */
const ORDER_MS_MAX = 8_000;
/** A new leader is elected within this, or nobody can decide anything. */
const LEADER_MS_MAX = 4_000;
const LOOK_AGAIN_MS = 50;

export interface ControlOrdersOptions {
  readonly id: NodeId;
  readonly note: (to: NodeId, topic: string, body: unknown) => void;
  readonly group: () => ControlGroup | null;
  /** Who leads the control group, as far as it is known here. */
  readonly leader: () => NodeId | null;
}

export class ControlOrders {
  readonly #o: ControlOrdersOptions;
  readonly #asks: Asks;

  constructor(options: ControlOrdersOptions) {
    this.#o = options;
    this.#asks = new Asks(options.note);
  }

  async order(wanted: Wanted): Promise<OrderResult> {
    const leader = await this.#someLeader();
    if (leader === null)
      return refused('NO_LEADER', 'no majority of the nodes can be reached: nothing is decided');
    if (leader === this.#o.id) return new Promise((resolve) => this.#decide(wanted, resolve));
    const late = `${nameOf(leader)} leads the control group and did not answer`;
    const body = { wanted };
    return this.#asks.ask({ to: leader, topic: 'order', body, msMax: ORDER_MS_MAX, late });
  }

  noted(from: NodeId, topic: string, fields: Readonly<Record<string, unknown>>): void {
    if (topic === 'order') this.#ordered(from, fields);
    else if (topic === 'order.done') this.#asks.answered(fields);
  }

  async #someLeader(): Promise<NodeId | null> {
    const deadlineMs = monotonicMs() + LEADER_MS_MAX;
    while (this.#o.leader() === null && monotonicMs() < deadlineMs) await sleep(LOOK_AGAIN_MS);
    return this.#o.leader();
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
