/**
 * Nodes that are taken out, lose their disk, or are more or fewer copies than before.
 *
 * One at a time, and only while every node is a copy: two disks that are lost at once, or the only
 * one, are data that is lost, and no fault of the deployment.
 */
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Member } from '../src/doors/view.ts';
import { until } from '../test/system/processes.ts';
import type { LiveNode } from './live-node.ts';

export interface MemberFaultsOptions {
  readonly nodes: readonly LiveNode[];
  readonly onFinding: (words: string) => void;
}

const LOOK_MS = 200;
/** Other faults may hold it up; without them it takes a second or two. */
const WHOLE_MS = 60_000;
const RESTORED_MS = 5_000;
const AGAIN_MS = 500;

export class MemberFaults {
  readonly #o: MemberFaultsOptions;
  #isUnderWay = false;
  #isOver = false;

  constructor(options: MemberFaultsOptions) {
    this.#o = options;
  }

  /**
   * Every node is there, holds the data, and decides: a disk may be lost. All are asked now: a leader
   * goes on for seconds to tell of one that was lost as the copy that it was.
   */
  async #isWhole(): Promise<boolean> {
    const { nodes } = this.#o;
    const answers = await Promise.all(nodes.map((node) => node.status()));
    if (!answers.every(({ status }) => isCopy(status?.role))) return false;
    return answers.some(({ status }) => {
      if (status?.role !== 'leader' || status.spec?.replicas !== nodes.length - 1) return false;
      const { members, control } = status;
      const areCopies = members.every(({ role }) => isCopy(role));
      return areCopies && members.length === nodes.length && control.voters.length === nodes.length;
    });
  }

  /** Its agent and server die, and everything that they had. */
  async wipe(node: LiveNode, began: () => void): Promise<void> {
    await this.#alone(async () => {
      began();
      await this.#empty(node);
    });
  }

  /** It is left alive for a while, to misbehave, and comes back as a new one. */
  async remove(node: LiveNode, forMs: number, began: () => void): Promise<void> {
    await this.#alone(async () => {
      began();
      await this.#tryFor(forMs, async () => (await this.#order('/remove', { node: node.name })).ok);
      await sleep(forMs);
      await this.#restore();
    });
  }

  async scale(replicas: number, forMs: number, began: () => void): Promise<void> {
    await this.#alone(async () => {
      began();
      await this.#tryFor(forMs, async () => (await this.#scaleTo(replicas)).ok);
      await sleep(forMs);
      await this.#restore();
    });
  }

  /** What is under way ends soon, and nothing new begins. */
  end(): void {
    this.#isOver = true;
  }

  /** All other faults are over: all nodes are to be copies again. */
  async heal(): Promise<void> {
    await this.#restore().catch((error: Error) => this.#o.onFinding(error.message));
  }

  async #alone(run: () => Promise<void>): Promise<void> {
    if (this.#isUnderWay || this.#isOver) return;
    this.#isUnderWay = true;
    try {
      // An order of an island that nobody could answer may have come to pass after it.
      if (!(await this.#isWhole())) await this.#restore();
      await this.#tryFor(RESTORED_MS, () => this.#isWhole());
      if (this.#isOver || !(await this.#isWhole())) return;
      await run();
      // What begins before that is a fault upon a fault.
      await this.#tryFor(WHOLE_MS, () => this.#isWhole());
    } finally {
      this.#isUnderWay = false;
    }
  }

  async #restore(): Promise<void> {
    const { nodes } = this.#o;
    for (const node of nodes)
      if ((await node.status()).status?.role === 'removed') await this.#empty(node);
    if (!this.#isOver) {
      await this.#scaleTo(nodes.length - 1);
      return;
    }
    await until('the spec as it was', WHOLE_MS, async () => {
      const { ok } = await this.#scaleTo(nodes.length - 1);
      if (!ok) await sleep(AGAIN_MS);
      return ok;
    });
    await until('every node a copy', WHOLE_MS, async () => {
      for (const node of nodes)
        if ((await node.status()).status?.role === 'removed') await this.#empty(node);
      return this.#isWhole();
    });
  }

  async #empty(node: LiveNode): Promise<void> {
    await node.kill('both');
    // Another strike may have started it again.
    if (node.isRunning) return;
    rmSync(node.dir, { recursive: true, force: true });
    node.start();
  }

  #scaleTo(replicas: number): Promise<{ readonly ok: boolean }> {
    return this.#order('/spec', { replicas });
  }

  /** Any node takes it. */
  async #order(path: string, body: object): Promise<{ readonly ok: boolean }> {
    for (const node of this.#o.nodes) {
      const { code } = await node.order(path, body);
      if (code === 200) return { ok: true };
    }
    return { ok: false };
  }

  async #tryFor(ms: number, isDone: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + ms;
    while (!this.#isOver && performance.now() < deadline && !(await isDone())) await sleep(LOOK_MS);
  }
}

function isCopy(role: Member['role'] | undefined): boolean {
  return role === 'leader' || role === 'follower';
}
