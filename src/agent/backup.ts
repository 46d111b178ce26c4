/** `althing backup`: the doors' port, joined from `io/dataset` and a scratch server. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { slotsOf, slotsText } from '../core/cluster/slots.ts';
import { type BackupShard, MANIFEST_FORMAT } from '../core/dataset/backup-manifest.ts';
import type { BackupOrder, Backups, BackupTaken } from '../doors/dataset.ts';
import {
  backupName,
  beginDraft,
  keepNewest,
  listBackups,
  publishDraft,
} from '../io/dataset/backup-store.ts';
import { compare } from '../io/dataset/compare.ts';
import { DatasetError } from '../io/dataset/errors.ts';
import type { Access } from '../io/dataset/pipe.ts';
import { type Taken, takeRdb } from '../io/dataset/take.ts';
import { type Address, nameOf, type Shard, Target } from '../io/dataset/target.ts';
import { ExistingDataError } from '../io/server/existing-data.ts';
import { versionNumbers } from '../io/server/flavor.ts';
import type { LocatedServer } from '../io/server/locate.ts';
import { tlsOf } from './cluster-tools.ts';
import { ScratchServer, scratchProgram } from './scratch-server.ts';

export const ownBackups: Backups = {
  take: async (order, onStep, signal) => {
    const program = await scratchProgram(order.program);
    const tls = order.access.tls === null ? null : await tlsOf(order.access.tls);
    return new Taking(order, { ...order.access, tls }, program, onStep, signal).run();
  },
  list: async (directory, isThorough) =>
    (await listBackups(directory, isThorough)).map(({ name, manifest, damage }) => ({
      ...{ name, damage },
      takenAt: manifest?.takenAt ?? '',
      shards: manifest?.shards.length ?? 0,
      keys: sum(manifest?.shards ?? [], keysOf),
      bytes: sum(manifest?.shards ?? [], ({ bytes }) => bytes),
    })),
};

function keysOf({ databases }: BackupShard): number {
  return Object.values(databases).reduce((all, count) => all + count, 0);
}

function sum(shards: readonly BackupShard[], of: (shard: BackupShard) => number): number {
  return shards.reduce((all, shard) => all + of(shard), 0);
}

type Draft = Omit<BackupShard, 'databases' | 'functions' | 'digest'>;

class Taking {
  readonly #order: BackupOrder;
  readonly #access: Access;
  readonly #program: LocatedServer;
  readonly #onStep: (text: string) => void;
  readonly #signal: AbortSignal;

  constructor(
    order: BackupOrder,
    access: Access,
    program: LocatedServer,
    onStep: (text: string) => void,
    signal: AbortSignal,
  ) {
    this.#order = order;
    this.#access = access;
    this.#program = program;
    this.#onStep = onStep;
    this.#signal = signal;
  }

  async run(): Promise<BackupTaken> {
    const { to, keep } = this.#order;
    const takenAt = new Date();
    const target = await Target.open(this.#order.from, this.#access);
    const name = backupName(takenAt);
    const draft = await beginDraft(to, name).catch((error: unknown) => {
      target.close();
      throw error;
    });
    try {
      if (target.slotsWithoutOwner > 0)
        throw new DatasetError('TARGET_REFUSED', `${target.slotsWithoutOwner} slots have no owner`);
      // At one time, so that they are as near to one moment as they can be.
      const drafts = await settled(
        target.shards.map((shard, at) => this.#take(target, shard, draft, `shard-${at}.rdb`)),
      );
      const shards: BackupShard[] = [];
      for (const each of drafts) shards.push(await this.#verified(draft, each));
      const manifest = {
        ...{ shards, format: MANIFEST_FORMAT, spec: null },
        takenAt: takenAt.toISOString(),
      };
      const final = await publishDraft(to, draft, name, manifest);
      return { name: final, shards, gone: keep === null ? [] : await keepNewest(to, keep) };
    } finally {
      target.close();
      await rm(draft, { recursive: true, force: true });
    }
  }

  async #take(target: Target, shard: Shard, directory: string, file: string): Promise<Draft> {
    const { primary, replicas, slots } = shard;
    const replica = await levelReplica(target, replicas);
    const from = replica ?? primary;
    const role = replica === null ? 'primary' : 'replica';
    this.#onStep(`taking ${file} from ${nameOf(from)}, a ${role}`);
    const taken: Taken = await takeRdb({
      from,
      access: this.#access,
      path: join(directory, file),
      version: versionNumbers(this.#program.flavor),
      signal: this.#signal,
    });
    return {
      ...taken,
      ...{ file, role },
      from: nameOf(from),
      product: target.product,
      slots: slots === null ? null : slotsText(slotsOf(slots)),
    };
  }

  /** What a server can load, and what it has then. */
  async #verified(directory: string, draft: Draft): Promise<BackupShard> {
    this.#onStep(`loading ${draft.file}`);
    const scratch = await ScratchServer.start({
      path: join(directory, draft.file),
      program: this.#program,
      onLoading: () => undefined,
      signal: this.#signal,
    }).catch((error: unknown) => {
      if (!(error instanceof ExistingDataError)) throw error;
      throw new DatasetError('SOURCE_DAMAGED', error.message, { cause: error });
    });
    try {
      const databases = await scratch.databases();
      const { lastingDigest } = await compare({
        source: scratch.source,
        target: null,
        moves: [...databases.keys()].map((number) => ({ from: number, to: number })),
        onCompared: () => undefined,
        signal: this.#signal,
      });
      this.#signal.throwIfAborted();
      return {
        ...draft,
        databases: Object.fromEntries(databases),
        functions: (await scratch.functions()).map(({ name }) => name),
        digest: lastingDigest,
      };
    } finally {
      await scratch.end();
    }
  }
}

/** One that follows its primary now; null where there is none. */
async function levelReplica(target: Target, replicas: readonly Address[]): Promise<Address | null> {
  for (const replica of replicas) {
    const info = await target.callAt(replica, ['INFO', 'replication']).catch(() => null);
    if (/^master_link_status:up/m.test(String(info))) return replica;
  }
  return null;
}

/** Nobody writes to the draft any more when it rejects. */
async function settled<T>(work: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work);
  return Promise.all(work);
}
