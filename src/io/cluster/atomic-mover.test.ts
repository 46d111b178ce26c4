/** Redis 8.4's words, at nodes that only speak them: no such server was run. */
import { deepEqual, equal, match } from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { ClusterNodeId } from '../../core/cluster/nodes-text.ts';
import type { Slot } from '../../core/cluster/slots.ts';
import { type Reply, ReplyReader } from '../../core/resp/reply-reader.ts';
import { AtomicMover, type Remainder, type WholeReport } from './atomic-mover.ts';
import { Connections } from './connections.ts';
import type { Side } from './key-mover.ts';
import { look } from './observe.ts';

const [SOURCE, TARGET] = ['a'.repeat(40), 'b'.repeat(40)] as const;
const SLOTS: readonly Slot[] = [0, 1, 2, 7];
/** A word of each state that the target goes through; `retries` with each. */
type Course = readonly (readonly [state: string, retries: number])[];

/** Two primaries; the second takes what it is told to, in as many looks as `course` has. */
class TrialPair {
  readonly asked: string[] = [];
  readonly reports: WholeReport[] = [];
  readonly #owned = new Map<ClusterNodeId, string>([
    [SOURCE, '0-2 7'],
    [TARGET, '100'],
  ]);
  readonly #course: Course;
  #tasks = 0;
  #at = 0;
  #isCancelled = false;
  #sides: readonly Side[] = [];
  #connections: Connections | null = null;

  private constructor(course: Course) {
    this.#course = course;
  }

  static async start(t: TestContext, course: Course): Promise<TrialPair> {
    const pair = new TrialPair(course);
    const access = { user: '', password: '', tls: null, callMsMax: 5_000 };
    const connections = new Connections(access);
    t.after(() => connections.close());
    const sides: Side[] = [];
    for (const id of [SOURCE, TARGET]) {
      const server = createServer((socket) => {
        const reader = new ReplyReader(1_000_000);
        socket.on('data', (chunk: Buffer) =>
          reader.push(chunk, (words) => {
            socket.write(encoded(pair.#answer(id, (words as string[]).join(' '))));
          }),
        );
        socket.on('error', () => undefined);
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      t.after(() => void server.close());
      const address = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
      const connection = await connections.to(address);
      sides.push({ connection, node: await look(connections, address) });
    }
    pair.#sides = sides;
    pair.#connections = connections;
    return pair;
  }

  move(signal: AbortSignal): Promise<Remainder | null> {
    const [source, target] = this.#sides as [Side, Side];
    const onReport = (report: WholeReport): void => void this.reports.push(report);
    return new AtomicMover(this.#connections as Connections, onReport).move(
      ...([source, target, SLOTS, signal] as const),
    );
  }

  #answer(id: ClusterNodeId, command: string): Reply {
    if (command === 'CLUSTER NODES')
      return `${id} 127.0.0.1:1@2 myself,master - 0 0 1 connected ${this.#owned.get(id)}\n`;
    if (command.startsWith('CLUSTER COUNTKEYSINSLOT')) return 3;
    if (command.startsWith('COMMAND INFO')) return [null, ['cluster|migration']];
    if (!command.startsWith('CLUSTER MIGRATION')) return 'PONG';
    const name = id === SOURCE ? 'source' : 'target';
    this.asked.push(`${name}: ${command.slice('CLUSTER MIGRATION '.length)}`);
    if (command.includes('IMPORT')) {
      [this.#at, this.#isCancelled] = [0, false];
      return `t${++this.#tasks}`;
    }
    if (!command.includes('CANCEL')) return this.#status();
    this.#isCancelled = true;
    return 1;
  }

  #status(): Reply {
    if (this.#tasks === 0) return [];
    const now = this.#course[Math.min(this.#at++, this.#course.length - 1)];
    const [state, retries] = this.#isCancelled ? ['canceled', 0] : (now ?? ['', 0]);
    if (state === 'completed') {
      this.#owned.set(SOURCE, '');
      this.#owned.set(TARGET, '0-2 7 100');
    }
    const nodes = ['source', SOURCE, 'dest', TARGET, 'operation', 'import'];
    const rest = ['last_error', retries > 0 ? 'no way' : '', 'retries', retries];
    return [['id', `t${this.#tasks}`, 'slots', '0-2 7-7', ...nodes, 'state', state, ...rest]];
  }
}

function encoded(reply: Reply): string {
  if (Array.isArray(reply)) return `*${reply.length}\r\n${reply.map(encoded).join('')}`;
  if (typeof reply === 'number') return `:${reply}\r\n`;
  if (reply === null) return '$-1\r\n';
  return `$${Buffer.byteLength(String(reply))}\r\n${String(reply)}\r\n`;
}

const NEVER = new AbortController().signal;

test('the target imports, and is asked until it says so; keys and slots are told', async (t) => {
  const pair = await TrialPair.start(t, [
    ['connecting', 0],
    ['streaming-buffer', 0],
    ['completed', 0],
  ]);
  equal(await pair.move(NEVER), null);
  const [first, begun, ...polls] = pair.asked;
  equal(first, 'target: STATUS ALL', 'what is under way already');
  equal(begun, 'target: IMPORT 0 2 7 7');
  deepEqual([...new Set(polls)], ['target: STATUS ALL']);
  deepEqual(
    pair.reports.map(({ slots, keys, state }) => [slots.length, keys, state]),
    [
      [0, 0, 'streaming-buffer'],
      [0, 12, 'completed'],
      [4, 0, ''],
    ],
  );
});

test('one that the server tries for ever is cancelled, three times, and left with the reason', async (t) => {
  const pair = await TrialPair.start(t, [
    ['connecting', 1],
    ['connecting', 3],
  ]);
  const left = await pair.move(NEVER);
  deepEqual([left?.slots, left?.canBoth], [SLOTS, true]);
  match(left?.why ?? '', /^canceled: /);
  const cancels = pair.asked.filter((word) => word.includes('CANCEL'));
  deepEqual(cancels, ['target: CANCEL ID t1', 'target: CANCEL ID t2', 'target: CANCEL ID t3']);
});

test('an interruption cancels ours, and ends', async (t) => {
  const pair = await TrialPair.start(t, [['streaming-buffer', 0]]);
  const stop = new AbortController();
  const moving = pair.move(stop.signal);
  setTimeout(() => stop.abort(), 100);
  equal(await moving, null);
  deepEqual(
    pair.asked.filter((word) => word.includes('CANCEL')),
    ['target: CANCEL ID t1'],
  );
  equal(
    pair.reports.some(({ slots }) => slots.length > 0),
    false,
  );
});
