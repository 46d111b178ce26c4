import { deepEqual, equal, ok } from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { RELAY_BOUNDS } from '../../io/relay/options.ts';
import { encodeCommand } from '../resp/writer.ts';
import { CommandJudge } from './command-rules.ts';
import { RequestGate } from './request-gate.ts';
import { TrialRelay, type TrialSession } from './trial-relay.ts';
import { aloneReplies, WRONG } from './trial-server.ts';

const RULES = { denied: new Map(), configAllowed: new Set<string>(), waitReply: () => 1 };
const BOUNDS = { ...RELAY_BOUNDS, bulkBytesMax: 1 << 20, gatherBytesMax: 64 };

/** Commands of one session; `id` tells each from all others. */
const COMMANDS: readonly ((id: string) => string[])[] = [
  (id) => ['GET', id],
  (id) => ['SET', id],
  (id) => ['FAIL', id],
  (id) => ['BIG', id],
  (id) => ['GET', id, 'x'.repeat(200)],
  (id) => ['BLPOP', id],
  () => ['SELECT', '2'],
  () => ['SELECT', '9'],
  (id) => ['AUTH', id.slice(0, 2), 'right'],
  (id) => ['AUTH', id, WRONG],
  () => ['HELLO', '3'],
  () => ['HELLO', '2'],
  (id) => ['CLIENT', 'SETNAME', id],
  () => ['CLIENT', 'GETNAME'],
  () => ['MULTI'],
  () => ['EXEC'],
  () => ['DISCARD'],
  () => ['WATCH', 'k'],
  () => ['UNWATCH'],
];
/** Plain ones come up most. */
const choice = fc.oneof(
  { weight: 6, arbitrary: fc.nat({ max: 4 }) },
  { weight: 3, arbitrary: fc.nat({ max: COMMANDS.length - 1 }) },
);

type Step =
  | { readonly kind: 'send'; readonly who: number; readonly bytes: number }
  | { readonly kind: 'readLane' | 'readOwn'; readonly who: number; readonly bytes: number }
  | { readonly kind: 'flush' | 'connect' | 'unblock' | 'release'; readonly who: number }
  | { readonly kind: 'away' | 'back' | 'unfenced'; readonly who: number }
  | { readonly kind: 'disturb' | 'endLane' | 'endReign' | 'open'; readonly who: number };

function steps(isRough: boolean): fc.Arbitrary<Step[]> {
  const who = fc.nat({ max: 7 });
  const bytes = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 4000 }));
  const quiet = ['flush', 'connect', 'unblock', 'release', 'away', 'back', 'unfenced'] as const;
  const rough = ['disturb', 'endLane', 'endReign', 'open', 'open'] as const;
  const withBytes = fc.record({
    kind: fc.constantFrom('send' as const, 'readLane' as const, 'readOwn' as const),
    who,
    bytes,
  });
  const calm = fc.record({ kind: fc.constantFrom(...quiet), who });
  const wild = fc.record({ kind: fc.constantFrom(...rough), who });
  return fc.array(
    fc.oneof(
      { weight: 50, arbitrary: withBytes },
      { weight: 40, arbitrary: calm },
      { weight: isRough ? 2 : 0, arbitrary: wild },
    ),
    { minLength: 100, maxLength: 400, size: 'max' },
  );
}

class Client {
  readonly session: TrialSession;
  readonly expected: string;
  readonly #gate: RequestGate;
  #bytes: Buffer;

  constructor(relay: TrialRelay, at: number, choices: readonly number[]) {
    this.session = relay.sessions[at] as TrialSession;
    const commands = choices.map((choice, i) => {
      const words = (COMMANDS[choice] as (id: string) => string[])(`${at}c${i}`);
      return words;
    });
    this.expected = aloneReplies(commands);
    this.#bytes = Buffer.concat(commands.map((words) => encodeCommand(words)));
    this.#gate = new RequestGate(new CommandJudge(RULES), BOUNDS, (segment) =>
      relay.request(this.session, segment),
    );
  }

  send(count: number): void {
    const chunk = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(count);
    if (chunk.length > 0 && !this.session.isClosed) this.#gate.feed(Buffer.from(chunk));
  }

  check(): void {
    const { received } = this.session;
    equal(received, this.expected.slice(0, received.length));
  }
}

/** Out of turn at any time, and out of turn when nothing is owed. */
const DISTURBANCES = ['>2\r\n+message\r\n+x\r\n', '!', '>0\r\n', '+stray\r\n', '*1\r\n'];

function carryOut(relay: TrialRelay, clients: readonly Client[], step: Step): void {
  const client = clients[step.who % clients.length] as Client;
  const { session } = client;
  switch (step.kind) {
    case 'send':
      client.send(step.bytes);
      return;
    case 'readLane':
      relay.readLane(step.who, step.bytes);
      return;
    case 'readOwn':
      relay.readOwn(session, step.bytes);
      return;
    case 'flush':
      relay.flush(step.who);
      return;
    case 'connect':
      relay.connectOwn(session);
      return;
    case 'unblock':
      session.own?.unblock();
      return;
    case 'release':
      relay.release(step.who % 2 === 0 ? 'own' : 'lanes');
      return;
    case 'away':
    case 'back':
      relay.move(session, step.kind === 'away');
      return;
    case 'unfenced':
      relay.giveUnfenced();
      return;
    case 'disturb':
      relay.disturb(step.who, DISTURBANCES[step.who % DISTURBANCES.length] as string);
      return;
    case 'endLane':
      relay.endLane(step.who);
      return;
    case 'endReign':
      relay.endReign();
      return;
    case 'open':
      relay.openAgain();
      return;
  }
}

const sessions = fc.array(fc.array(choice, { maxLength: 40, size: 'max' }), {
  minLength: 1,
  maxLength: 6,
});

describe('sessions on lanes', () => {
  test('are told what each would be told alone, whatever comes in between', () => {
    let moves = 0;
    let fenced = 0;
    fc.assert(
      fc.property(sessions, steps(false), (scripts, schedule) => {
        const relay = new TrialRelay(scripts.length);
        const clients = scripts.map((choices, at) => new Client(relay, at, choices));
        for (const step of schedule) {
          carryOut(relay, clients, step);
          for (const client of clients) client.check();
        }
        for (const client of clients) client.send(1 << 20);
        relay.settle();
        for (const { session, expected } of clients) {
          equal(session.isClosed, false);
          equal(session.received, expected);
          equal(session.way.laneOwed, 0);
          equal(session.way.heldBytes, 0);
          moves += session.moves;
        }
        for (const { lane } of relay.lanes) equal(lane.owed, 0);
        fenced += relay.fenced;
      }),
      { numRuns: 400 },
    );
    ok(moves > 1_000, `${moves} moves`);
    ok(fenced > 200, `${fenced} fences`);
  });

  test('are closed or told the truth when lanes break and reigns end', () => {
    let closed = 0;
    let lived = 0;
    fc.assert(
      fc.property(sessions, steps(true), (scripts, schedule) => {
        const relay = new TrialRelay(scripts.length);
        const clients = scripts.map((choices, at) => new Client(relay, at, choices));
        for (const step of schedule) {
          carryOut(relay, clients, step);
          for (const client of clients) client.check();
        }
        relay.openAgain();
        for (const client of clients) client.send(1 << 20);
        relay.settle();
        for (const client of clients) {
          client.check();
          if (client.session.isClosed) closed += 1;
          else if (schedule.some(({ kind }) => kind === 'endReign')) lived += 1;
          if (!client.session.isClosed) equal(client.session.received, client.expected);
        }
      }),
      { numRuns: 400 },
    );
    ok(closed > 50 && lived > 50, `${closed} closed, ${lived} lived`);
  });

  test('lose what their own connection was in the middle of with it, and nothing else', () => {
    const relay = new TrialRelay(2);
    const [bound, free] = relay.sessions as [TrialSession, TrialSession];
    const give = (session: TrialSession, ...words: string[]): void => {
      const gate = new RequestGate(new CommandJudge(RULES), BOUNDS, (segment) =>
        relay.request(session, segment),
      );
      gate.feed(encodeCommand(words));
    };
    give(bound, 'MULTI');
    give(free, 'SELECT', '2');
    give(free, 'CLIENT', 'SETNAME', 'n');
    relay.settle();
    deepEqual([bound.way.isIdle, free.way.isIdle], [false, true]);
    equal(free.own, null, 'a greeting does not keep a connection');
    relay.endReign();
    deepEqual([bound.isClosed, free.isClosed], [true, false]);
    relay.openAgain();
    give(free, 'GET', 'k');
    give(free, 'CLIENT', 'GETNAME');
    relay.settle();
    equal(free.received, '+OK 2\r\n+OK\r\n*2\r\n+k\r\n+2/nobody/2\r\n$1\r\nn\r\n');
  });
});
