/** Looks at every node all the time: who leads, who is ready, and since when. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentAnswer } from '../src/doors/cli/up/agent-http.ts';
import type { LiveNode } from './live-node.ts';

const LOOK_MS = 200;

export interface Reign {
  readonly node: number;
  readonly term: number;
  readonly from: number;
  to: number;
}

export class Watch {
  /** Open leaders as they were seen. */
  readonly reigns: Reign[] = [];
  readonly #nodes: readonly LiveNode[];
  readonly #now: () => number;
  #leader: number | null = null;
  #isOn = true;
  #last: readonly AgentAnswer[] = [];

  constructor(nodes: readonly LiveNode[], now: () => number) {
    this.#nodes = nodes;
    this.#now = now;
  }

  /** Whoever was last seen to lead in the highest term. */
  get leader(): number | null {
    return this.#leader;
  }

  get answers(): readonly AgentAnswer[] {
    return this.#last;
  }

  /** What was seen before the clients began has other times. */
  forget(): void {
    this.reigns.length = 0;
  }

  stop(): void {
    this.#isOn = false;
  }

  async run(): Promise<void> {
    while (this.#isOn) {
      await this.look();
      await sleep(LOOK_MS);
    }
  }

  async look(): Promise<readonly AgentAnswer[]> {
    const answers = await Promise.all(this.#nodes.map((node) => node.status()));
    this.#last = answers;
    let best: number | null = null;
    for (const [i, { ready, status }] of answers.entries()) {
      if (status?.role !== 'leader') continue;
      if (best === null || status.term > (answers[best]?.status?.term ?? 0)) best = i;
      if (ready) this.#seen(i, status.term);
    }
    this.#leader = best ?? this.#leader;
    return answers;
  }

  #seen(node: number, term: number): void {
    const known = this.reigns.findLast((reign) => reign.node === node && reign.term === term);
    if (known) known.to = this.#now();
    else this.reigns.push({ node, term, from: this.#now(), to: this.#now() });
  }
}
