/**
 * The first frame each side of a connection sends: who is there. Pure.
 *
 * Protocol, name and deployment are judged before any other field is looked at (design §8). A
 * refusal goes back as a frame, so that both sides can say in words what is wrong.
 */
import { assert } from '../../assert.ts';
import type { Card, Phase } from '../../core/charter/card.ts';
import {
  CHARTER_MEMBERS_MAX,
  isDirectoryId,
  isName,
  memberNamed,
  nodeIdOf,
  parseCharter,
} from '../../core/charter/charter.ts';
import { isCount, type NodeId } from '../../core/scalars.ts';
import { FRAME_KIND, type Frame, frameOf, parseJson } from './codec.ts';
import { ProtocolError } from './frame-reader.ts';

/**
 * 5: charters say who brings data in; 4: they have rounds and witnesses. Who reads them without
 * would sign another text.
 */
export const PROTOCOL = 5;
/** Room for a charter of 64 nodes and whom one sees; spent before the other side is known. */
export const HELLO_BYTES_MAX = 20 * 1024;
/** A node that was started more often while a peer was away cannot be judged by that peer. */
export const EARLIER_RUNS_MAX = 32;
const REFUSAL_TEXT_CHARS_MAX = 500;
const TEXT_CHARS_MAX = 256;
const RUN = /^[0-9a-f]{8,64}$/;
const CLUSTER_SERVER = /^[0-9a-f]{40}$/;
const DEPLOYMENT = /^(?:[0-9a-f]{32})?$/;

/** What a node says of itself. Node, directory, incarnation and run stay the same while it runs. */
export interface Hello extends Card {
  readonly name: string;
  /** Empty while the node belongs to none. */
  readonly deployment: string;
  /** Raised durably by every start on this directory. */
  readonly incarnation: number;
  /** Random, one per process. */
  readonly run: string;
  /** The runs of the starts before this one, the latest last: `EARLIER_RUNS_MAX` at most. */
  readonly earlierRuns?: readonly string[];
  /** `host:port`, empty while not known. */
  readonly clientAddress: string;
  readonly httpAddress: string;
  readonly peerAddress: string;
  /** For clients that know Sentinel; absent: there is no such door. */
  readonly sentinelAddress?: string;
  readonly serverVersion: string;
  /** The id that its server has in its cluster, forty hex digits; absent: it has none yet. */
  readonly clusterServer?: string;
  readonly rdbVersion?: number;
  /** It keeps the promises that leases rest on: all nodes do, or none. */
  readonly leaseReads?: boolean;
  /** Its servers replicate by themselves: all nodes' do, or none's. */
  readonly eventual?: boolean;
  /** Where it stands, for spreading copies. */
  readonly zone?: string;
  /** It has no disk of its own, and leaves when it is stopped. */
  readonly ephemeral?: boolean;
  /** It votes, and has no server. */
  readonly witness?: boolean;
}

/** raft: frames for as long as it lasts. relay: after the hellos a plain stream of bytes. */
export type Purpose = 'raft' | 'relay';

/** `revision` grows with every hello of a run: two connections may deliver them out of order. */
export interface Greeting {
  readonly purpose: Purpose;
  readonly revision: number;
  readonly hello: Hello;
}

const REFUSAL_CODES = [
  'WRONG_PROTOCOL',
  'WRONG_NAME',
  'WRONG_DEPLOYMENT',
  'WRONG_CONSISTENCY',
  'WRONG_SECRET',
  'OLD_INCARNATION',
  'SELF',
  'SAME_PEER',
  'REMOVED',
  'MALFORMED',
  'REFUSED',
] as const;
export type RefusalCode = (typeof REFUSAL_CODES)[number];

export interface Refusal {
  readonly code: RefusalCode;
  readonly text: string;
}

export type Verdict =
  | { readonly ok: true; readonly greeting: Greeting }
  | { readonly ok: false; readonly refusal: Refusal };

export function helloNodeId(hello: Hello): NodeId {
  return nodeIdOf(hello);
}

export function encodeHello({ purpose, revision, hello }: Greeting): Frame {
  const bytes = Buffer.from(JSON.stringify({ protocol: PROTOCOL, purpose, revision, ...hello }));
  assert(bytes.length <= HELLO_BYTES_MAX, 'a hello fits its bound');
  return frameOf(FRAME_KIND.hello, [bytes]);
}

export function encodeRefusal({ code, text }: Refusal): Frame {
  const short = text.slice(0, REFUSAL_TEXT_CHARS_MAX);
  return frameOf(FRAME_KIND.refused, [Buffer.from(JSON.stringify({ refused: code, text: short }))]);
}

export function decodeRefusal(body: Buffer): Refusal {
  const value = fieldsOf(body);
  const code = REFUSAL_CODES.find((known) => known === value['refused']) ?? 'REFUSED';
  const text = typeof value['text'] === 'string' ? value['text'] : String(value['refused']);
  return { code, text: text.slice(0, REFUSAL_TEXT_CHARS_MAX) };
}

/** Throws ProtocolError for what is no hello at all. */
export function judgeHello(body: Buffer, own: Hello): Verdict {
  if (body.length > HELLO_BYTES_MAX) throw new ProtocolError(`a hello of ${body.length} bytes`);
  const fields = fieldsOf(body);
  const refusal = strangerIn(fields, own);
  if (refusal !== null) return { ok: false, refusal };
  const greeting = parseGreeting(fields);
  if (greeting === null)
    return refuse('MALFORMED', 'the hello is incomplete or contradicts itself');
  const { hello } = greeting;
  if (hello.directory !== own.directory) return { ok: true, greeting };
  if (hello.run === own.run) return refuse('SELF', 'this is the same process');
  return refuse(
    'OLD_INCARNATION',
    `${hello.node} runs on a data directory that ${own.node} runs on too: one is a copy`,
  );
}

/** What is known of a directory from earlier hellos. */
export interface KnownRun {
  readonly incarnation: number;
  /** Null when the record is of a time when runs were not kept. */
  readonly run: string | null;
}

/**
 * One directory has one life at a time, and the newest counts (holes.md H9). Every start raises the
 * incarnation, so two runs of one incarnation mean a directory that was copied or set back; and a
 * start that does not know the run that was seen is a descendant of such a directory.
 */
export function judgeIncarnation(known: KnownRun | undefined, hello: Hello): Refusal | null {
  if (known === undefined) return null;
  if (hello.incarnation < known.incarnation) {
    return {
      code: 'OLD_INCARNATION',
      text:
        `${hello.node} says start ${hello.incarnation} of its data directory, start ` +
        `${known.incarnation} was seen: an old copy of the directory, or an old start of it`,
    };
  }
  const seen = runAt(hello, known.incarnation);
  if (known.run === null || seen === null || seen === known.run) return null;
  return {
    code: 'OLD_INCARNATION',
    text:
      `${hello.node} does not remember start ${known.incarnation} of its data directory as it ` +
      `was seen: a copy of the directory runs too, or it was set back to an earlier state`,
  };
}

/** Which run had this incarnation, or null when that was too long ago. */
function runAt(hello: Hello, incarnation: number): string | null {
  const { earlierRuns = [] } = hello;
  return [...earlierRuns, hello.run].at(incarnation - hello.incarnation - 1) ?? null;
}

/** Whether `later` may follow `earlier` on one connection. */
export function isSameLife(earlier: Hello, later: Hello): boolean {
  return (
    earlier.node === later.node &&
    earlier.directory === later.directory &&
    earlier.incarnation === later.incarnation &&
    earlier.run === later.run
  );
}

function refuse(code: RefusalCode, text: string): Verdict {
  return { ok: false, refusal: { code, text } };
}

function fieldsOf(body: Buffer): Record<string, unknown> {
  const value = parseJson(body);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ProtocolError('a hello is an object');
  return value as Record<string, unknown>;
}

function strangerIn(fields: Record<string, unknown>, own: Hello): Refusal | null {
  const { protocol, name, deployment } = fields;
  // Both sides show the text to people: names instead of "here" and "there".
  const sender = shown(fields['node']);
  const receiver = shown(own.node);
  if (protocol !== PROTOCOL) {
    return {
      code: 'WRONG_PROTOCOL',
      text: `${sender} has protocol ${shown(protocol)}, ${receiver} ${PROTOCOL}: run one version`,
    };
  }
  if (name !== own.name) {
    return {
      code: 'WRONG_NAME',
      text: `${sender} is of a deployment called ${shown(name)}, ${receiver} of ${shown(own.name)}`,
    };
  }
  if (typeof deployment !== 'string' || !DEPLOYMENT.test(deployment))
    return { code: 'MALFORMED', text: 'the deployment id is none' };
  if (deployment === '' || own.deployment === '' || deployment === own.deployment)
    return otherConsistency(fields, own) ?? otherLeases(fields, own);
  return {
    code: 'WRONG_DEPLOYMENT',
    text:
      `two different deployments are called ${own.name}: ${sender} is of ${deployment}, ` +
      `${receiver} of ${own.deployment}`,
  };
}

function otherConsistency(fields: Record<string, unknown>, own: Hello): Refusal | null {
  const theirs = fields['eventual'] === true;
  if (theirs === (own.eventual === true)) return null;
  const [one, other] = [shown(fields['node']), shown(own.node)];
  const text = `${one} was started with --consistency ${wordOf(theirs)}, ${other} with`;
  return { code: 'WRONG_CONSISTENCY', text: `${text} --consistency ${wordOf(!theirs)}` };
}

function wordOf(isEventual: boolean): string {
  return isEventual ? 'eventual' : 'strong';
}

function otherLeases(fields: Record<string, unknown>, own: Hello): Refusal | null {
  if ((fields['leaseReads'] === true) === (own.leaseReads === true)) return null;
  const both = `${shown(fields['node'])} and ${shown(own.node)}`;
  return { code: 'REFUSED', text: `${both} differ in lease-reads: set it alike on all nodes` };
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 80);
}

function parseGreeting(fields: Record<string, unknown>): Greeting | null {
  const { purpose, revision, name, deployment, node, directory, incarnation, run } = fields;
  if (purpose !== 'raft' && purpose !== 'relay') return null;
  if (!isCount(revision) || !isCount(incarnation)) return null;
  if (!isName(name) || typeof deployment !== 'string') return null;
  if (!isName(node) || !isDirectoryId(directory)) return null;
  if (typeof run !== 'string' || !RUN.test(run)) return null;
  const card = parseCard(fields, name, node, directory);
  if (card === null) return null;
  const { clientAddress, httpAddress, peerAddress, serverVersion, rdbVersion } = fields;
  const { earlierRuns, zone, ephemeral, witness, imports, sentinelAddress } = fields;
  const { clusterServer } = fields;
  if (clusterServer !== undefined && !isClusterServer(clusterServer)) return null;
  if (sentinelAddress !== undefined && !isText(sentinelAddress)) return null;
  if (zone !== undefined && !isText(zone)) return null;
  if (ephemeral !== undefined && typeof ephemeral !== 'boolean') return null;
  if (witness !== undefined && typeof witness !== 'boolean') return null;
  if (imports !== undefined && typeof imports !== 'boolean') return null;
  if (earlierRuns !== undefined && !isRuns(earlierRuns)) return null;
  if (!isText(clientAddress) || !isText(httpAddress)) return null;
  if (!isText(peerAddress) || !isText(serverVersion)) return null;
  if (rdbVersion !== undefined && !isCount(rdbVersion)) return null;
  const hello: Hello = {
    ...card,
    name,
    deployment,
    incarnation,
    run,
    clientAddress,
    httpAddress,
    peerAddress,
    serverVersion,
    ...(earlierRuns === undefined ? {} : { earlierRuns }),
    ...(rdbVersion === undefined ? {} : { rdbVersion }),
    ...(zone === undefined ? {} : { zone }),
    ...(ephemeral === undefined ? {} : { ephemeral }),
    ...(witness === undefined ? {} : { witness }),
    ...(imports === undefined ? {} : { imports }),
    ...(sentinelAddress === undefined ? {} : { sentinelAddress }),
    ...(clusterServer === undefined ? {} : { clusterServer }),
  };
  return { purpose, revision, hello };
}

function isClusterServer(value: unknown): value is string {
  return typeof value === 'string' && CLUSTER_SERVER.test(value);
}

/** A card that contradicts itself would lead the founding machine astray. */
function parseCard(
  fields: Record<string, unknown>,
  name: string,
  node: string,
  directory: string,
): Card | null {
  const { phase } = fields;
  const view = parseView(fields);
  if (!isPhase(phase) || view === null) return null;
  if (phase === 'empty')
    return fields['charter'] === null ? { node, directory, phase, charter: null, ...view } : null;
  if (phase !== 'signed' && view.sees !== undefined) return null;
  const charter = parseCharter(fields['charter']);
  if (charter === null || charter.name !== name) return null;
  const own = memberNamed(charter, node);
  if ((own?.directory === directory) === (phase === 'joined')) return null;
  return { node, directory, phase, charter, ...view };
}

/** Whom it sees, and how many it expects: both, or neither. */
function parseView({
  sees,
  expect,
}: Record<string, unknown>): Pick<Card, 'sees' | 'expect'> | null {
  if (sees === undefined && expect === undefined) return {};
  if (!isDirectories(sees) || !isCount(expect)) return null;
  return expect >= 1 && expect <= CHARTER_MEMBERS_MAX ? { sees, expect } : null;
}

function isDirectories(value: unknown): value is string[] {
  return Array.isArray(value) && value.length <= CHARTER_MEMBERS_MAX && value.every(isDirectoryId);
}

function isRuns(value: unknown): value is string[] {
  if (!Array.isArray(value) || value.length > EARLIER_RUNS_MAX) return false;
  return value.every((run: unknown) => typeof run === 'string' && RUN.test(run));
}

function isPhase(value: unknown): value is Phase {
  return value === 'empty' || value === 'signed' || value === 'member' || value === 'joined';
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= TEXT_CHARS_MAX;
}
