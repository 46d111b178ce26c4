/** Opens the control group's files, or creates them once, and reads the state in its snapshot. */
import { apply } from '../../core/control/apply.ts';
import { type Command, decodeCommand } from '../../core/control/command.ts';
import type { Spec } from '../../core/control/spec.ts';
import { type ControlState, NODES_MAX, NOTHING_AGREED } from '../../core/control/state.ts';
import { decodeState, STATE_BYTES_MAX } from '../../core/control/state-codec.ts';
import { decodeConfiguration } from '../../core/raft/configuration.ts';
import type { ConfigurationAt, EntryId } from '../../core/raft/protocol.ts';
import { type LogIndex, logIndex, type NodeId, term } from '../../core/scalars.ts';
import type { StorageError } from '../../io/storage/errors.ts';
import type { Disk } from '../../io/storage/ports.ts';
import { type OpenedGroup, type OpenGroupOptions, openGroup } from '../../io/storage/recovery.ts';
import type { Snapshots } from '../../io/storage/snapshots.ts';

/** What a snapshot holds: the state after its last entry. */
export interface Stand {
  readonly state: ControlState;
  readonly applied: EntryId;
}

export interface OpenedControl {
  readonly ok: true;
  readonly opened: OpenedGroup;
  readonly stand: Stand;
  /** Those of the entries held. */
  readonly configurations: readonly ConfigurationAt[];
  /**
   * Where members may be reached, as far as the files say. What of the log is committed is not
   * known before somebody is reached; and to dial an address, or to start a server, nothing needs
   * to be agreed on.
   */
  readonly addresses: readonly string[];
  /** What is wanted, as far as the files say; null when they say nothing. */
  readonly spec: Spec | null;
}

export type OpenControlResult =
  | OpenedControl
  /** Names the file and what is wrong with it. */
  | {
      readonly ok: false;
      readonly error: Error;
      readonly repaired: readonly StorageError[];
    };

export const NO_STAND: Stand = {
  state: NOTHING_AGREED,
  applied: { index: logIndex(0), term: term(0) },
};

export function openControl(
  disk: Disk,
  directory: string,
  options: OpenGroupOptions,
  done: (result: OpenControlResult) => void,
): void {
  const configurations: ConfigurationAt[] = [];
  const met = new Map<NodeId, string>();
  const specs: { readonly index: LogIndex; readonly command: Command }[] = [];
  const onEntry = ({ index, payload }: { index: EntryId['index']; payload: Uint8Array }): void => {
    const configuration = decodeConfiguration(payload);
    if (configuration !== null) configurations.push({ index, configuration });
    const command = decodeCommand(payload);
    if (command?.kind === 'meet') met.set(command.node, command.facts.peerAddress);
    if (command?.kind === 'found' || command?.kind === 'spec') specs.push({ index, command });
  };
  openGroup(disk, directory, options, onEntry, (opened) => {
    if (!opened.ok) return done(opened);
    readStand(opened.snapshots, (error, stand) => {
      const { repaired } = opened;
      if (error !== null) return done({ ok: false, error, repaired });
      for (const { node, facts } of stand.state.members)
        if (!met.has(node)) met.set(node, facts.peerAddress);
      const addresses = [...met.values()].filter((address) => address !== '').slice(-NODES_MAX);
      const later = specs.filter(({ index }) => index > stand.applied.index);
      const { spec } = later.reduce(
        (state, { index, command }) => apply(state, index, command).state,
        stand.state,
      );
      done({ ok: true, opened, stand, configurations, addresses, spec });
    });
  });
}

/** Of the newest snapshot. */
export function readStand(
  snapshots: Snapshots,
  done: (error: Error | null, stand: Stand) => void,
): void {
  snapshots.openLatest((openError, reader) => {
    if (openError !== null || reader === null) return done(openError, NO_STAND);
    const { last } = reader.meta;
    if (reader.bodyBytes > STATE_BYTES_MAX) {
      reader.close();
      return done(unknownState(reader.meta.id), NO_STAND);
    }
    reader.read(0, reader.bodyBytes, (readError, bytes) => {
      reader.close();
      const state = readError === null ? decodeState(bytes) : null;
      if (state !== null) done(null, { state, applied: last });
      else done(readError ?? unknownState(reader.meta.id), NO_STAND);
    });
  });
}

function unknownState(id: string): Error {
  const what = `snapshot ${id} of the control group was written by another version of althing`;
  return new Error(`STATE_UNKNOWN: ${what}: run that version, or a later one`);
}
