/**
 * A charter: the name of a deployment and every node that founded it, each with the id of the
 * directory that signed. It never changes once signed; the deployment's id is its hash.
 */
import { assert } from '../../assert.ts';
import { isCount, type NodeId, nodeId } from '../scalars.ts';

export interface CharterMember {
  readonly node: string;
  /** The id of the node's data directory, lower-case hex. A wiped directory has another one. */
  readonly directory: string;
  /** It signed as a witness: it is none of the copies that are wanted. */
  readonly witness?: boolean;
  /** It signed with data from elsewhere, which are to be the first of the deployment. */
  readonly imports?: boolean;
}

/**
 * Invariant: members are sorted by node, no node and no directory stands there twice, and at most
 * one brings data in, which is no witness.
 */
export interface Charter {
  readonly name: string;
  /** 1 to CHARTER_ROUNDS_MAX. A later one is a later attempt, by the same nodes or by others. */
  readonly round: number;
  readonly members: readonly CharterMember[];
}

/** More nodes than any founding needs, and few enough that a charter fits a hello. */
export const CHARTER_MEMBERS_MAX = 64;
/** Each attempt after the first needs two that overlapped: nobody sees a thousand. */
export const CHARTER_ROUNDS_MAX = 1_000;
const DEPLOYMENT_ID_CHARS = 32;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const DIRECTORY = /^[0-9a-f]{8,64}$/;

/** For deployments and nodes alike: short and printable. */
export function isName(text: unknown): text is string {
  return typeof text === 'string' && NAME.test(text);
}

export function isDirectoryId(text: unknown): text is string {
  return typeof text === 'string' && DIRECTORY.test(text);
}

export function charterOf(name: string, members: readonly CharterMember[], round = 1): Charter {
  const sorted = members.map(plain).sort((a, b) => (a.node < b.node ? -1 : 1));
  const charter = { name, round, members: sorted };
  assert(isSound(charter), 'a charter has distinct, well-named members');
  return charter;
}

/**
 * The bytes that are hashed and compared: one line each for the name and for every member. Round 1
 * is not written, nor who is no witness, nor who brings nothing in: earlier deployments keep their
 * ids.
 */
export function canonicalText({ name, round, members }: Charter): string {
  const lines = members.map(({ node, directory, witness, imports }) => {
    const as = `${witness === true ? ' witness' : ''}${imports === true ? ' imports' : ''}`;
    return `${node} ${directory}${as}\n`;
  });
  const attempt = round === 1 ? '' : ` round ${round}`;
  return `althing charter 1${attempt}\n${name}\n${lines.join('')}`;
}

export function isSameCharter(a: Charter, b: Charter): boolean {
  return canonicalText(a) === canonicalText(b);
}

/** `sha256Hex` is an argument: nothing in core reaches for a library. */
export function deploymentIdOf(charter: Charter, sha256Hex: (text: string) => string): string {
  return sha256Hex(canonicalText(charter)).slice(0, DEPLOYMENT_ID_CHARS);
}

export function nodeIdOf(member: CharterMember): NodeId {
  return nodeId(`${member.node}@${member.directory.slice(0, 8)}`);
}

export function votersOf(charter: Charter): NodeId[] {
  return charter.members.map(nodeIdOf);
}

export function witnessesOf({ members }: Charter): NodeId[] {
  return members.filter(({ witness }) => witness === true).map(nodeIdOf);
}

/** Whose data are to be the first; null: it begins with none. */
export function importerOf({ members }: Charter): NodeId | null {
  const [importer] = members.filter(({ imports }) => imports === true);
  return importer === undefined ? null : nodeIdOf(importer);
}

export function memberNamed(charter: Charter, node: string): CharterMember | undefined {
  return charter.members.find((member) => member.node === node);
}

/** The only door from a file or the network to a Charter; null when it is not one. */
export function parseCharter(value: unknown): Charter | null {
  if (typeof value !== 'object' || value === null) return null;
  const { name, round = 1, members } = value as Readonly<Record<string, unknown>>;
  if (typeof name !== 'string' || !isCount(round) || !Array.isArray(members)) return null;
  if (members.length > CHARTER_MEMBERS_MAX) return null;
  const parsed: CharterMember[] = [];
  for (const member of members as unknown[]) {
    if (typeof member !== 'object' || member === null) return null;
    const fields = member as Readonly<Record<string, unknown>>;
    const { node, directory, witness = false, imports = false } = fields;
    if (!isName(node) || !isDirectoryId(directory)) return null;
    if (typeof witness !== 'boolean' || typeof imports !== 'boolean') return null;
    parsed.push(plain({ node, directory, witness, imports }));
  }
  const charter = { name, round, members: parsed };
  return isSound(charter) ? charter : null;
}

/** Without what else a card has; who is no witness has no word of it, as ever. */
function plain({ node, directory, witness, imports }: CharterMember): CharterMember {
  return {
    node,
    directory,
    ...(witness === true ? { witness } : {}),
    ...(imports === true ? { imports } : {}),
  };
}

function isSound({ name, round, members }: Charter): boolean {
  if (round < 1 || round > CHARTER_ROUNDS_MAX) return false;
  if (!isName(name) || members.length === 0 || members.length > CHARTER_MEMBERS_MAX) return false;
  const directories = new Set(members.map((member) => member.directory));
  const ids = new Set(members.map((member) => `${member.node}@${member.directory.slice(0, 8)}`));
  if (directories.size !== members.length || ids.size !== members.length) return false;
  const importers = members.filter(({ imports }) => imports === true);
  if (importers.length > 1 || importers[0]?.witness === true) return false;
  return members.every(({ node, directory }, i) => {
    const before = members[i - 1];
    return isName(node) && isDirectoryId(directory) && (before === undefined || before.node < node);
  });
}
