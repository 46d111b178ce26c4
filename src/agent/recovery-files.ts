/**
 * Both groups' files of a survivor, opened without anybody else, and made the beginning of a new
 * deployment (`docs/decisions/0011-recover.md`).
 *
 * What its logs hold counts as agreed, to the last entry (`facts/holes.md`, `recover`). In the data
 * group's log one entry more says that the survivor is the only voter; the agreed state takes the
 * place of the control group's log, with one member. Both may be done again after a crash.
 */
import { randomBytes } from 'node:crypto';
import { apply } from '../core/control/apply.ts';
import { decodeCommand } from '../core/control/command.ts';
import { recoveredState } from '../core/control/recovered.ts';
import type { ControlState } from '../core/control/state.ts';
import { encodeState } from '../core/control/state-codec.ts';
import { encodeConfiguration, founded } from '../core/raft/configuration.ts';
import type { Done, LogStore } from '../core/raft/ports.ts';
import type { Configuration, EntryId, SnapshotMeta } from '../core/raft/protocol.ts';
import { logIndex, type NodeId, term } from '../core/scalars.ts';
import type { Disk } from '../io/storage/ports.ts';
import type { OpenedGroup, OpenGroupOptions } from '../io/storage/recovery.ts';
import { CONTROL_GROUP } from './control/control-group.ts';
import { type OpenControlResult, type OpenedControl, openControl } from './control/open-control.ts';
import { timeForPeopleMs } from './journal.ts';
import { LIMITS } from './limits.ts';
import { DATA_GROUP } from './shard/data-group.ts';
import { type OpenedShard, type OpenShardResult, openShard } from './shard/open-shard.ts';

/** Of the control group's log, read at once: commands are small. */
const READ_BYTES_MAX = 1024 * 1024;

export class RecoveryFiles {
  readonly #data: OpenedShard;
  readonly #control: OpenedControl;
  readonly #founders: readonly NodeId[];
  #isClosed = false;
  /** Everything in the control group's log, agreed or not. */
  readonly state: ControlState;

  private constructor(
    data: OpenedShard,
    control: OpenedControl,
    founders: readonly NodeId[],
    state: ControlState,
  ) {
    this.#data = data;
    this.#control = control;
    this.#founders = founders;
    this.state = state;
  }

  /** Rejects with an error that names the file. `hasControl`: false in a directory of before. */
  static async open(
    disk: Disk,
    directory: string,
    founders: readonly NodeId[],
    hasControl: boolean,
  ): Promise<RecoveryFiles> {
    const data = await new Promise<OpenShardResult>((resolve) =>
      openShard(disk, `${directory}/data0`, optionsFor(DATA_GROUP, true), resolve),
    );
    if (!data.ok) throw data.error;
    const control = await new Promise<OpenControlResult>((resolve) =>
      openControl(disk, `${directory}/control`, optionsFor(CONTROL_GROUP, hasControl), resolve),
    );
    if (!control.ok) throw control.error;
    return new RecoveryFiles(data, control, founders, await stateIn(control));
  }

  /** The newest in the data group's log, agreed or not. */
  get configuration(): Configuration {
    const { configurations, opened } = this.#data;
    const newest = configurations.at(-1)?.configuration;
    return newest ?? opened.snapshot?.configuration ?? founded(this.#founders);
  }

  get last(): EntryId {
    return lastOf(this.#data.opened);
  }

  get offset(): number {
    return this.#data.index.endOffset;
  }

  /** Makes `survivor` the only one that counts, in both groups; durable when it resolves. */
  async leaveTo(survivor: NodeId, from: NodeId): Promise<void> {
    const { members, data } = this.state;
    const isHalfDone = members.length === 1 && members[0]?.node === survivor;
    const decision = isHalfDone ? data.decision : await this.#leaveControl(survivor, from);
    await this.#leaveData(survivor, decision);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const { store } of [this.#data.opened, this.#control.opened])
      if (store.failure === null)
        await new Promise<void>((resolve) => store.close(() => resolve()));
  }

  /** Yields the decision by which it alone holds the data. */
  async #leaveControl(survivor: NodeId, from: NodeId): Promise<number> {
    const { opened } = this.#control;
    const index = Math.max(lastOf(opened).index, this.configuration.decision) + 1;
    const last = { index: logIndex(index), term: term(termAfter(opened)) };
    const state = recoveredState(this.state, { from, survivor, index, atMs: timeForPeopleMs() });
    const snapshot = await written(opened, last, founded([survivor]), encodeState(state));
    const { store } = opened;
    await done((saved) => store.saveHardState({ term: last.term, votedFor: null }, saved));
    await done((installed) => store.installSnapshot(snapshot, false, installed));
    return index;
  }

  async #leaveData(survivor: NodeId, decision: number): Promise<void> {
    const { voters, decision: before } = this.configuration;
    if (voters.length === 1 && voters[0] === survivor) return;
    const { opened } = this.#data;
    const { store } = opened;
    const after = lastOf(opened);
    const next = term(termAfter(opened));
    const configuration = { ...founded([survivor]), decision: Math.max(before, decision) };
    const payload = encodeConfiguration(configuration);
    const entry = { index: logIndex(after.index + 1), term: next, payload };
    await done((saved) => store.saveHardState({ term: next, votedFor: null }, saved));
    await done((persisted) => store.persist(after, [entry], persisted));
  }
}

function optionsFor(group: OpenGroupOptions['group'], mustExist: boolean): OpenGroupOptions {
  return {
    group,
    mustExist,
    segmentBytes: LIMITS.segmentBytes,
    cacheBytes: LIMITS.controlCacheBytes,
    // Whatever is asked of the store after that fails with it.
    onFailure: () => undefined,
  };
}

function lastOf({ heads, base }: OpenedGroup): EntryId {
  const { index, term: inTerm } = heads.at(-1) ?? base;
  return { index, term: inTerm };
}

function termAfter({ hardState, ...opened }: OpenedGroup): number {
  return Math.max(hardState.term, lastOf({ hardState, ...opened }).term) + 1;
}

/** The snapshot's state, and what the log adds to it. */
async function stateIn({ opened, stand }: OpenedControl): Promise<ControlState> {
  let { state } = stand;
  let after = stand.applied.index >= opened.base.index ? stand.applied : opened.base;
  const last = lastOf(opened);
  while (after.index < last.index) {
    const entries = await read(opened.store, after, last);
    for (const { index, payload } of entries) {
      const command = decodeCommand(payload);
      if (command !== null) state = apply(state, index, command).state;
    }
    after = entries.at(-1) ?? last;
  }
  return state;
}

function read(log: LogStore, after: EntryId, last: EntryId) {
  return new Promise<NonNullable<Parameters<Parameters<LogStore['read']>[3]>[0]>>(
    (resolve, reject) =>
      log.read(after, last, READ_BYTES_MAX, (entries) => {
        if (entries !== null) resolve(entries);
        else reject(new Error('LOG_DAMAGED: the log of the control group cannot be read'));
      }),
  );
}

function written(
  { snapshots }: OpenedGroup,
  last: EntryId,
  configuration: Configuration,
  body: Buffer,
): Promise<SnapshotMeta> {
  const id = `${last.index}-${last.term}-recover-${randomBytes(3).toString('hex')}`;
  return new Promise((resolve, reject) => {
    snapshots.begin({ id, last, configuration }, {}, (beginError, writer) => {
      if (writer === null) return reject(beginError);
      writer.append(body, (appendError) => {
        if (appendError !== null) return reject(appendError);
        writer.finish((error, meta) => (meta === null ? reject(error) : resolve(meta)));
      });
    });
  });
}

function done(ask: (whenDone: Done) => void): Promise<void> {
  return new Promise((resolve, reject) =>
    ask((error) => (error === undefined ? resolve() : reject(error))),
  );
}
