/** Carries out the steps of a plan (`core/cluster/steps.ts`), one after the other. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { unreachable } from '../../assert.ts';
import type { ClusterNodeId } from '../../core/cluster/nodes-text.ts';
import {
  nodeOf,
  type Observation,
  type SeenNode,
  slotsOfNode,
} from '../../core/cluster/observation.ts';
import { problemsOf } from '../../core/cluster/problems.ts';
import type { Slot } from '../../core/cluster/slots.ts';
import type { Step } from '../../core/cluster/steps.ts';
import { ErrorReply } from '../../core/resp/reply-reader.ts';
import { type Address, bytesOf, type Connection, textOf, type Word } from './connection.ts';
import type { Connections } from './connections.ts';
import { ClusterError, refusal } from './errors.ts';
import { look, observe } from './observe.ts';
import type { SlotMover } from './slot-mover.ts';

/** Gossip reaches everybody within a few node timeouts; replicas load their data meanwhile. */
export const AGREE_MS_MAX = 60_000;
const LOOK_MS = 100;
/** A server that restarts is waited for so long, in the middle of a move. */
const RETURN_MS_MAX = 20_000;
const RETRY_MS = 500;

export class Performer {
  readonly #connections: Connections;
  readonly #mover: SlotMover;
  readonly #entry: Address;
  #seen: Observation;

  /**
   * `seen` has every node that a step names, newcomers included. From `entry`, a node that stays,
   * the cluster is looked at again.
   */
  constructor(connections: Connections, mover: SlotMover, seen: Observation, entry: Address) {
    this.#connections = connections;
    this.#mover = mover;
    this.#entry = entry;
    this.#seen = seen;
  }

  /** Rejects with `ClusterError` at the first step that cannot be done. */
  async perform(steps: readonly Step[], signal: AbortSignal): Promise<void> {
    for (const step of steps) {
      if (signal.aborted) return;
      await this.#persist(() => this.#do(step, signal), signal);
    }
  }

  /** Every step may be done again, so a node that is away for a moment is only waited for. */
  async #persist(run: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const end = performance.now() + RETURN_MS_MAX;
    for (;;) {
      try {
        return await run();
      } catch (error) {
        const isOver = signal.aborted || performance.now() > end;
        if (!(error instanceof ClusterError && error.mayPass) || isOver) throw error;
        await sleep(RETRY_MS);
      }
    }
  }

  async #do(step: Step, signal: AbortSignal): Promise<void> {
    switch (step.kind) {
      case 'add-slots':
        return this.#addSlots(step.node, step.slots);
      case 'set-epoch':
        return this.#tell(step.node, ['SET-CONFIG-EPOCH', String(step.epoch)], /already non-zero/);
      case 'meet':
        return this.#meet(step.node, step.other);
      case 'agree':
        return this.#agree(step.nodes, signal);
      case 'copy-functions':
        return this.#copyFunctions(step.from, step.to);
      case 'replicate':
        return this.#tell(step.node, ['REPLICATE', step.primary], null);
      case 'forget':
        return this.#tell(step.node, ['FORGET', step.other], /Unknown node/);
      case 'reset':
        return this.#tell(step.node, ['RESET', 'HARD'], null);
      case 'move':
        return this.#mover.move(this.#seen, step.from, step.to, step.slots, signal);
      case 'gather':
        return this.#mover.gather(this.#seen, step.from, step.to, step.slots);
      case 'disown':
        return this.#each(step.node, step.slots, 'DELSLOTS', /already unassigned/);
      case 'claim':
        return this.#claim(step.node, step.slots);
      case 'close':
        return this.#mover.close(this.#seen, step.node, step.slots);
      case 'announce':
        return this.#mover.announce(this.#seen, step.node, step.slots);
      default:
        return unreachable(step);
    }
  }

  async #tell(id: ClusterNodeId, words: readonly string[], isDone: RegExp | null): Promise<void> {
    refuse(this.#node(id), words, isDone, await this.#cluster(id, words));
  }

  async #each(
    id: ClusterNodeId,
    slots: readonly Slot[],
    command: string,
    isDone: RegExp | null,
  ): Promise<void> {
    const connection = await this.#to(id);
    const replies = await Promise.all(
      slots.map((slot) => connection.call(['CLUSTER', command, String(slot)])),
    );
    for (const reply of replies) refuse(this.#node(id), [command], isDone, reply);
  }

  /** What others own in its view is no longer theirs there, and its epoch beats every other. */
  async #claim(id: ClusterNodeId, slots: readonly Slot[]): Promise<void> {
    const foreign = await this.#notOwn(id, slots);
    await this.#each(id, foreign, 'DELSLOTS', /already unassigned/);
    await this.#each(id, foreign, 'ADDSLOTS', null);
    await this.#tell(id, ['BUMPEPOCH'], null);
  }

  async #addSlots(id: ClusterNodeId, slots: readonly Slot[]): Promise<void> {
    const missing = await this.#notOwn(id, slots);
    if (missing.length > 0) await this.#tell(id, ['ADDSLOTS', ...missing.map(String)], null);
  }

  async #notOwn(id: ClusterNodeId, slots: readonly Slot[]): Promise<Slot[]> {
    const { host, port } = this.#node(id);
    const own = new Set(slotsOfNode(await look(this.#connections, { host, port })));
    return slots.filter((slot) => !own.has(slot));
  }

  /** A server without functions has none to give. They may be there, from an earlier try. */
  async #copyFunctions(from: ClusterNodeId, to: ClusterNodeId): Promise<void> {
    const dump = await (await this.#to(from)).call(['FUNCTION', 'DUMP']);
    if (typeof dump !== 'string') return;
    const words = ['FUNCTION', 'RESTORE', bytesOf(dump), 'REPLACE'];
    await (await this.#to(to)).must(words);
  }

  /** MEET takes addresses only, and says nothing of whether anybody was met: `agree` finds out. */
  async #meet(id: ClusterNodeId, other: ClusterNodeId): Promise<void> {
    const { host, port, self } = this.#node(other);
    const known = self.host === '' ? host : self.host;
    const ip = isIP(known) === 0 ? (await lookup(known)).address : known;
    await this.#tell(id, ['MEET', ip, String(port), String(self.busPort)], null);
  }

  async #agree(nodes: readonly ClusterNodeId[], signal: AbortSignal): Promise<void> {
    const { seen, differences } = await settled(
      this.#connections,
      this.#entry,
      (now) => [
        ...nodes.filter((id) => nodeOf(now, id) === null).map((id) => `${id} is not known`),
        ...problemsOf(now)
          .filter(({ code }) => code === 'NODE_UNKNOWN' || code === 'VIEWS_DIFFER')
          .map(({ text }) => text),
      ],
      signal,
    );
    if (differences.length > 0)
      throw new ClusterError('NO_AGREEMENT', differences.slice(0, 5).join('; '));
    this.#seen = seen;
  }

  async #cluster(id: ClusterNodeId, words: readonly Word[]): Promise<unknown> {
    return (await this.#to(id)).call(['CLUSTER', ...words]);
  }

  #to(id: ClusterNodeId): Promise<Connection> {
    return this.#connections.to(this.#node(id));
  }

  #node(id: ClusterNodeId): SeenNode {
    const node = nodeOf(this.#seen, id);
    if (node === null) throw new ClusterError('NODE_UNREACHABLE', `${id} was not reached`);
    return node;
  }
}

function refuse(
  { host, port }: Address,
  words: readonly string[],
  isDone: RegExp | null,
  reply: unknown,
): void {
  if (!(reply instanceof ErrorReply) || isDone?.test(reply.text)) return;
  const what = words.slice(0, 2).join(' ');
  throw refusal(`${host}:${port}: ${what}: ${textOf(reply.text)}`);
}

/** Looks until nothing is open any more, or the time is over: what is, is told. */
export async function settled(
  connections: Connections,
  entry: Address,
  openIn: (seen: Observation) => string[],
  signal: AbortSignal,
  msMax = AGREE_MS_MAX,
): Promise<{ seen: Observation; differences: string[] }> {
  const end = performance.now() + msMax;
  for (;;) {
    const seen = await observe(connections, entry);
    const differences = openIn(seen);
    if (differences.length === 0 || performance.now() > end || signal.aborted)
      return { seen, differences };
    await sleep(LOOK_MS);
  }
}
