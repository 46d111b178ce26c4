/**
 * `althing recover` on one data directory: what it holds, who of the others answers, and the new
 * deployment that goes on from it (`docs/decisions/0011-recover.md`).
 *
 * The directory gets a new id, and its node so another id: whoever comes back is of another
 * deployment and knows no voter of this one. The identity is the last file to change, and says from
 * the first change on that a recovery is under way, so that nothing runs on one that is half done.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { charterOf, deploymentIdOf, nodeIdOf, votersOf } from '../core/charter/charter.ts';
import { memberOf, nameOf } from '../core/control/state.ts';
import type { NodeId } from '../core/scalars.ts';
import type { Recovery, Survivor, VoterSeen } from '../doors/recovery.ts';
import { RealDisk } from '../io/storage/disk.ts';
import { type Identity, loadIdentity, saveIdentity } from '../io/storage/identity.ts';
import { type DirectoryLock, lockDirectory } from '../io/storage/lock.ts';
import { parseAddress } from './config-schema.ts';
import { RecoveryFiles } from './recovery-files.ts';

/** Whoever is there answers within this, or is as good as gone. */
const ANSWER_MS_MAX = 2_000;

/** Rejects in words: in use by an agent, no node's directory, damaged, never founded. */
export async function openRecovery(directory: string): Promise<Recovery> {
  const disk = new RealDisk();
  const isThere = await stat(directory).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isThere) throw new Error(`NO_NODE: ${directory} is no directory`);
  const locked = lockDirectory(directory);
  if (!locked.ok) throw locked.error;
  const { lock } = locked;
  try {
    const path = `${directory}/identity`;
    const identity = await identityAt(disk, path);
    const { charter, controlCreated = false } = identity;
    if (charter === null || identity.deployment === '' || !identity.logCreated)
      throw new Error(`NOT_FOUNDED: ${directory} belongs to no deployment yet: nothing is lost`);
    const writtenAtMs = await writtenAt(`${directory}/data0`);
    const files = await RecoveryFiles.open(disk, directory, votersOf(charter), controlCreated);
    return new OwnRecovery({
      directory,
      disk,
      path,
      lock,
      identity,
      files,
      survivor: await look(directory, identity, files, writtenAtMs),
    });
  } catch (error) {
    lock.release();
    throw error;
  }
}

interface Parts {
  readonly directory: string;
  readonly disk: RealDisk;
  /** Of the identity. */
  readonly path: string;
  readonly lock: DirectoryLock;
  readonly identity: Identity;
  readonly files: RecoveryFiles;
  readonly survivor: Survivor;
}

class OwnRecovery implements Recovery {
  readonly survivor: Survivor;
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.survivor = parts.survivor;
  }

  async carryOut(): Promise<string> {
    const { disk, path, identity, files } = this.#parts;
    const directory = identity.recovering ?? randomBytes(16).toString('hex');
    if (identity.recovering === undefined)
      await save(disk, path, { ...identity, recovering: directory });
    const self = { node: identity.node, directory };
    await files.leaveTo(nodeIdOf(self), nodeIdOf(identity));
    await files.close();
    const charter = charterOf(identity.name, [self]);
    const deployment = deploymentIdOf(charter, sha256Hex);
    const { name, node } = identity;
    await save(disk, path, {
      ...{ name, node, directory, charter, deployment },
      incarnation: 0,
      phase: 'member',
      logCreated: true,
      controlCreated: true,
      peers: {},
    });
    return deployment;
  }

  async close(): Promise<void> {
    await this.#parts.files.close();
    this.#parts.lock.release();
  }
}

async function look(
  directory: string,
  identity: Identity,
  files: RecoveryFiles,
  writtenAtMs: number,
): Promise<Survivor> {
  const { name, node, deployment, recovering } = identity;
  const { index, term } = files.last;
  const self = [nodeIdOf(identity)];
  if (recovering !== undefined) self.push(nodeIdOf({ node, directory: recovering }));
  return {
    ...{ directory, name, node, deployment },
    last: { term, index },
    offset: files.offset,
    writtenAtMs,
    voters: await Promise.all(
      files.configuration.voters.map((voter) => seen(voter, self.includes(voter), files)),
    ),
    isUnfinished: recovering !== undefined,
  };
}

/** Of the log's files, before they are opened. */
async function writtenAt(directory: string): Promise<number> {
  const names = (await readdir(directory)).filter((name) => name.startsWith('log-'));
  const stats = await Promise.all(names.map((name) => stat(`${directory}/${name}`)));
  return Math.max(0, ...stats.map(({ mtimeMs }) => mtimeMs));
}

async function seen(voter: NodeId, isSelf: boolean, { state }: RecoveryFiles): Promise<VoterSeen> {
  const address = memberOf(state, voter)?.facts.peerAddress ?? '';
  return { node: nameOf(voter), address, isSelf, answers: !isSelf && (await answers(address)) };
}

/** Whether anybody listens there: an agent that is stopped does not, and one that hangs does. */
function answers(address: string): Promise<boolean> {
  const parsed = parseAddress(address);
  if (parsed === null) return Promise.resolve(false);
  const host = parsed.host.replace(/^\[|\]$/g, '');
  return new Promise((resolve) => {
    const socket = connect({ host, port: parsed.port, timeout: ANSWER_MS_MAX });
    const end = (isThere: boolean) => () => {
      socket.destroy();
      resolve(isThere);
    };
    socket.once('connect', end(true));
    socket.once('error', end(false));
    socket.once('timeout', end(false));
  });
}

function identityAt(disk: RealDisk, path: string): Promise<Identity> {
  return new Promise((resolve, reject) =>
    loadIdentity(disk, path, (error, identity) => {
      if (identity !== null) resolve(identity);
      else reject(error ?? new Error(`NO_NODE: there is no ${path}: no node has run there`));
    }),
  );
}

function save(disk: RealDisk, path: string, identity: Identity): Promise<void> {
  return new Promise((resolve, reject) =>
    saveIdentity(disk, path, identity, (error) => (error === null ? resolve() : reject(error))),
  );
}

function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
