import { equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type NodeId, nodeId } from '../scalars.ts';
import { type Asked, LeaseGranter } from './granter.ts';
import { LeaseHolder, type LeaseQuestion } from './holder.ts';
import { ASK_EVERY_MS, HELD_MS, QUIET_MS, SHUT_AFTER_MS } from './spans.ts';

const [A, B, C] = ['a', 'b', 'c'].map((name) => nodeId(`${name}@00000001`)) as [
  NodeId,
  NodeId,
  NodeId,
];

test('a lease runs from when it was asked for, however late the answer is', () => {
  const holder = new LeaseHolder(1);
  const question = holder.ask(7, 1_000);
  ok(holder.granted(question));
  equal(holder.untilMs, 1_000 + HELD_MS);
  ok(holder.mayBeOpen(7, 999 + SHUT_AFTER_MS));
  ok(!holder.mayBeOpen(7, 1_000 + SHUT_AFTER_MS));
});

test('a repeated, overtaken or foreign answer gives nothing', () => {
  const holder = new LeaseHolder(1);
  const first = holder.ask(7, 1_000);
  const second = holder.ask(7, 1_200);
  ok(!holder.granted({ ...second, run: 2 }), 'an answer to an earlier life');
  ok(!holder.granted({ ...second, decision: 6 }), 'an answer for another decision');
  ok(holder.granted(second));
  ok(!holder.granted(first), 'an overtaken answer');
  ok(!holder.granted(second), 'a repeated answer');
  equal(holder.untilMs, 1_200 + HELD_MS);
});

test('a later decision ends the lease, and so does an earlier one', () => {
  for (const decision of [6, 8]) {
    const holder = new LeaseHolder(1);
    const old = holder.ask(7, 1_000);
    ok(holder.granted(old));
    ok(!holder.mayBeOpen(decision, 1_001));
    holder.ask(decision, 1_010);
    ok(!holder.mayBeOpen(7, 1_010));
    ok(holder.untilMs < 1_000);
    ok(!holder.granted(old));
  }
});

test('what is asked is answered after its round, by a state that has what was committed', () => {
  const granter = new LeaseGranter();
  const asked = { from: A, question: { decision: 1, run: 1, serial: 1 }, atMs: 5 };
  granter.asked({ ...asked, round: 4, index: 9 });
  equal(granter.ready(3, 9).length, 0);
  equal(granter.ready(4, 8).length, 0);
  equal(granter.ready(4, 9).length, 1);
  equal(granter.ready(4, 9).length, 0, 'once');
});

test('a former lease is over by word, or when it must be, on a new leader too', () => {
  const granter = new LeaseGranter();
  granter.began(10_000);
  ok(!granter.isOver(A, 9, 10_000 + QUIET_MS - 1), 'an earlier leader may have granted');
  ok(granter.isOver(A, 9, 10_000 + QUIET_MS));
  const question = { decision: 5, run: 1, serial: 1 };
  granter.granted({ from: A, question, atMs: 20_000, round: 1, index: 1 });
  ok(!granter.isOver(A, 9, 20_000 + QUIET_MS - 1));
  ok(granter.isOver(B, 9, 20_000));
  granter.released(A, 8);
  ok(!granter.isOver(A, 9, 20_001), 'it has not read the newest decision');
  granter.released(A, 9);
  ok(granter.isOver(A, 9, 20_001));
});

/** Nodes whose clocks differ in speed by up to a tenth, leaders that come and go, late answers. */
class Walk {
  readonly #next: () => number;
  readonly #rates = new Map<NodeId, number>();
  readonly #holders = new Map<NodeId, LeaseHolder>();
  readonly #granters = new Map<NodeId, LeaseGranter>();
  readonly #due: { readonly atMs: number; readonly run: () => void }[] = [];
  readonly #open = new Map<NodeId, number>();
  #nowMs = 1_000_000;
  #leader: NodeId = A;
  #term = 1;
  #primary = { decision: 1, node: A, former: A, hasOpened: true };
  openings = 0;

  constructor(next: () => number) {
    this.#next = next;
    for (const [i, node] of [A, B, C].entries()) {
      this.#rates.set(node, 0.955 + 0.045 * ((next() + i) % 3));
      this.#holders.set(node, new LeaseHolder(next()));
      this.#granters.set(node, new LeaseGranter());
    }
  }

  run(steps: number): void {
    for (let i = 0; i < steps; i++) {
      this.#nowMs += 10;
      const due = this.#due.filter(({ atMs }) => atMs <= this.#nowMs);
      for (const each of due) this.#due.splice(this.#due.indexOf(each), 1);
      for (const { run } of due) run();
      this.#turn();
      this.#check();
    }
  }

  #turn(): void {
    const dice = this.#next() % 200;
    const node = [A, B, C][this.#next() % 3] as NodeId;
    if (dice === 0) {
      this.#leader = node;
      this.#term += 1;
      this.#granters.get(node)?.began(this.#clock(node));
    } else if (dice === 1) {
      const { node: former, hasOpened } = this.#primary;
      this.#primary = {
        decision: this.#primary.decision + 1,
        node,
        former: hasOpened ? former : this.#primary.former,
        hasOpened: false,
      };
    } else if (dice < 40) this.#ask(node, this.#primary.decision);
    else if (dice < 42) this.#ask(node, Math.max(1, this.#primary.decision - 1));
  }

  /** To a leader that may be deposed before it hears a majority. */
  #ask(node: NodeId, decision: number): void {
    const question = this.#holders.get(node)?.ask(decision, this.#clock(node)) as LeaseQuestion;
    const leader = this.#leader;
    this.#later(() => {
      const term = this.#term;
      if (leader !== this.#leader) return;
      const asked = { from: node, question, atMs: this.#clock(leader), round: 1, index: 1 };
      this.#later(() => {
        if (term === this.#term) this.#answer(leader, asked);
      });
    });
  }

  #answer(leader: NodeId, asked: Asked): void {
    const granter = this.#granters.get(leader) as LeaseGranter;
    const { decision, node, former, hasOpened } = this.#primary;
    if (asked.question.decision !== decision || asked.from !== node) return;
    const isOver = former === node || granter.isOver(former, decision, this.#clock(leader));
    if (!hasOpened && !isOver) return;
    this.#primary = { ...this.#primary, hasOpened: true };
    granter.granted(asked);
    this.#later(() => {
      const holder = this.#holders.get(node) as LeaseHolder;
      if (holder.granted(asked.question)) this.#open.set(node, holder.untilMs);
    });
  }

  #check(): void {
    const open = [A, B, C].filter((node) => this.#clock(node) < (this.#open.get(node) ?? 0));
    ok(open.length <= 1, `${open.join(' and ')} hold a lease`);
    this.openings += open.length;
  }

  #later(run: () => void): void {
    const shortMs = this.#next() % 60;
    const atMs = this.#nowMs + (this.#next() % 10 === 0 ? shortMs * 50 : shortMs);
    this.#due.push({ atMs, run });
  }

  #clock(node: NodeId): number {
    return this.#nowMs * (this.#rates.get(node) as number);
  }
}

test('nobody holds a lease beside another, whatever is late, lost or led by whom', () => {
  let openings = 0;
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 31 }), (seed) => {
      let x = seed;
      const walk = new Walk(() => {
        x = (Math.imul(x, 1_103_515_245) + 12_345) >>> 0;
        return x >>> 8;
      });
      walk.run(3_000);
      openings += walk.openings;
    }),
    { numRuns: 60 },
  );
  ok(openings > 10_000, `leases are held: ${openings}`);
  ok(ASK_EVERY_MS * 4 <= SHUT_AFTER_MS && SHUT_AFTER_MS < HELD_MS && HELD_MS * 1.1 < QUIET_MS);
});
