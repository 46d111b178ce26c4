/** Three etcd members on this machine, with their own defaults but for room and silence. */

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NamedProcess } from '../cpu.ts';
import { callOnce } from '../etcd/grpc-connection.ts';
import { type MemberStatus, memberStatus, PATHS } from '../etcd/messages.ts';
import { Child, LOOK_EVERY_MS } from './child.ts';
import { findBasePort } from './ports.ts';
import { type Target, TargetError } from './target.ts';

const MEMBERS = 3;
const LEADER_MS_MAX = 15_000;
const ASK_MS_MAX = 1_000;
/** etcd keeps every version of a key until it is compacted; a run writes hundreds of megabytes. */
const QUOTA_BYTES = 8 * 1024 ** 3;
const VERSIONS_KEPT = 10_000;

interface MemberSight {
  readonly port: number;
  readonly pid: number;
  readonly status: MemberStatus | null;
}

export class EtcdTarget implements Target {
  readonly name = 'etcd';
  readonly protocol = 'etcd';
  readonly #program: string;
  readonly #dir: string;
  #basePort = 0;
  #members: readonly Child[] = [];

  constructor({ program, dir }: { program: string; dir: string }) {
    this.#program = program;
    this.#dir = dir;
  }

  async start(signal: AbortSignal): Promise<void> {
    this.#basePort = await findBasePort([0, 1_000], MEMBERS);
    this.#members = Array.from(
      { length: MEMBERS },
      (_, i) => new Child(this.#program, this.#flags(i)),
    );
    const isServing = async (): Promise<boolean> => {
      const sights = await this.#look();
      return sights.every(({ status }) => status !== null && status.leader !== 0n);
    };
    for (const child of this.#members) await child.until(isServing, 'etcd did not start', signal);
  }

  async port(): Promise<number> {
    return (await this.#leader()).port;
  }

  async processes(): Promise<readonly NamedProcess[]> {
    const leader = await this.#leader();
    let followers = 0;
    const named = this.#members.map(({ pid }): NamedProcess => {
      if (pid === leader.pid) return { name: 'leader', pid };
      return { name: `follower ${++followers}`, pid };
    });
    return named.toSorted((a, b) => Number(b.pid === leader.pid) - Number(a.pid === leader.pid));
  }

  async settle(): Promise<void> {}

  async stop(): Promise<void> {
    await Promise.all(this.#members.map((child) => child.stop()));
  }

  #flags(i: number): string[] {
    const clients = (at: number): string => `http://127.0.0.1:${this.#basePort + at}`;
    const peers = (at: number): string => `http://127.0.0.1:${this.#basePort + 1_000 + at}`;
    const cluster = Array.from({ length: MEMBERS }, (_, at) => `m${at}=${peers(at)}`);
    const flags = {
      name: `m${i}`,
      'data-dir': join(this.#dir, `etcd-${i}`),
      'listen-client-urls': clients(i),
      'advertise-client-urls': clients(i),
      'listen-peer-urls': peers(i),
      'initial-advertise-peer-urls': peers(i),
      'initial-cluster': cluster.join(','),
      'initial-cluster-state': 'new',
      'quota-backend-bytes': QUOTA_BYTES,
      'auto-compaction-mode': 'revision',
      'auto-compaction-retention': VERSIONS_KEPT,
      logger: 'zap',
      'log-level': 'error',
    };
    return Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
  }

  async #look(): Promise<MemberSight[]> {
    return await Promise.all(
      this.#members.map(async ({ pid }, i) => {
        const port = this.#basePort + i;
        try {
          const answer = await callOnce(port, PATHS.status, Buffer.alloc(0), ASK_MS_MAX);
          return { port, pid, status: memberStatus(answer) };
        } catch {
          return { port, pid, status: null };
        }
      }),
    );
  }

  async #leader(): Promise<MemberSight> {
    const deadlineMs = performance.now() + LEADER_MS_MAX;
    while (performance.now() < deadlineMs) {
      const sights = await this.#look();
      const leader = sights.find(
        ({ status }) => status !== null && status.member === status.leader,
      );
      if (leader !== undefined) return leader;
      await sleep(LOOK_EVERY_MS);
    }
    throw new TargetError('etcd has no leader');
  }
}
