/**
 * What a person writes to say where nodes are found: sources separated by `;` (or a list of them),
 * in any mixture. Pure.
 *
 *     10.0.0.1:7379, 10.0.0.2        addresses; a comma separates too
 *     tasks.orders, dns:orders:7380  a name with A and AAAA records, one or many
 *     srv:_peers._tcp.orders         SRV records: their targets, with their ports
 *     kubernetes:app=orders          pods by label selector, in the pod's own namespace
 *     kubernetes:NAMESPACE:SELECTOR:PORT
 *
 * A port that is not written is the default one of peers. A comma inside a selector is its own;
 * neither a host name nor a selector can hold a `;`.
 */
import {
  type Address,
  addressText,
  parseHost,
  parseHostPort,
  parsePort,
  placeHost,
} from './address.ts';

export type SourceSpec =
  | { readonly kind: 'static'; readonly addresses: readonly Address[] }
  | { readonly kind: 'dns'; readonly name: string; readonly port: number }
  | { readonly kind: 'srv'; readonly name: string }
  | KubernetesSpec;

export interface KubernetesSpec {
  readonly kind: 'kubernetes';
  /** Null: the one that the service account's files name. */
  readonly namespace: string | null;
  readonly selector: string;
  readonly port: number;
}

export type ParsedSources =
  | { readonly ok: true; readonly specs: readonly SourceSpec[] }
  | { readonly ok: false; readonly text: string; readonly todo: string };

/** Each runs for ever by itself; more would be a list of nodes written in the wrong way. */
const SOURCES_MAX = 16;
const ADDRESSES_MAX = 256;
const SELECTOR_LENGTH_MAX = 1024;
const QUOTED_LENGTH_MAX = 80;

const FORMS =
  'give HOST[:PORT], dns:NAME[:PORT], srv:NAME or kubernetes:[NAMESPACE:]SELECTOR[:PORT], ' +
  'several with ";" between them, IPv6 in brackets';

type Piece =
  | { readonly ok: true; readonly spec: SourceSpec }
  | { readonly ok: false; readonly text: string; readonly todo: string };

/** `portDefault` is the port of peers where none is written. */
export function parseSources(
  given: string | readonly string[],
  portDefault: number,
): ParsedSources {
  const lines = typeof given === 'string' ? [given] : given;
  const words = lines.flatMap((line) => line.split(';')).flatMap(splitCommas);
  const pieces = words
    .map((word) => word.trim())
    .filter((word) => word !== '')
    .map((word) => parsePiece(word, portDefault));
  const refused = pieces.find((piece) => !piece.ok);
  if (refused !== undefined && !refused.ok) return refused;
  const specs = merged(pieces.flatMap((piece) => (piece.ok ? [piece.spec] : [])));
  if (specs.length === 0) return { ok: false, text: 'names no source', todo: FORMS };
  if (specs.length > SOURCES_MAX)
    return {
      ok: false,
      text: `${specs.length} sources are too many`,
      todo: `give ${SOURCES_MAX} at most: one name can have the addresses of all nodes`,
    };
  if (specs.some((spec) => spec.kind === 'static' && spec.addresses.length > ADDRESSES_MAX))
    return { ok: false, text: 'too many addresses', todo: `give ${ADDRESSES_MAX} at most` };
  return { ok: true, specs };
}

/** The source as it could have been written, with every default that has a value. */
export function sourceLabel(spec: SourceSpec): string {
  switch (spec.kind) {
    case 'static':
      return 'static';
    case 'dns':
      return `dns:${spec.name}:${spec.port}`;
    case 'srv':
      return `srv:${spec.name}`;
    case 'kubernetes': {
      const namespace = spec.namespace === null ? '' : `${spec.namespace}:`;
      return `kubernetes:${namespace}${spec.selector}:${spec.port}`;
    }
  }
}

function splitCommas(part: string): string[] {
  return /^\s*kubernetes:/.test(part) ? [part] : part.split(',');
}

function parsePiece(word: string, portDefault: number): Piece {
  const [, scheme, rest = ''] = /^(dns|srv|kubernetes):(.*)$/s.exec(word) ?? [];
  switch (scheme) {
    case 'srv':
      return parseSrv(word, rest);
    case 'kubernetes':
      return parseKubernetes(word, rest, portDefault);
    case 'dns':
      return parsePlace(word, rest, portDefault);
    default:
      return parsePlace(word, word, portDefault);
  }
}

function parsePlace(word: string, text: string, portDefault: number): Piece {
  const parsed = parseHostPort(text);
  if (parsed === null) return refusal(word, 'is neither an address nor a source', FORMS);
  const port = parsed.port ?? portDefault;
  if (!isAddress(parsed.host)) return { ok: true, spec: { kind: 'dns', name: parsed.host, port } };
  const host = placeHost(parsed.host);
  if (host === null)
    return refusal(word, 'is no address of one node', 'give the address that others reach it at');
  if (text !== word) return refusal(word, 'is an address, not a name', 'write it without "dns:"');
  return { ok: true, spec: { kind: 'static', addresses: [{ host, port }] } };
}

function parseSrv(word: string, name: string): Piece {
  if (name.includes(':'))
    return refusal(word, 'has a port, which comes from the SRV records', 'leave the port out');
  if (isAddress(name) || name.startsWith('[') || parseHost(name) === null)
    return refusal(word, 'has no name', 'give srv:NAME, for example srv:_peers._tcp.orders');
  return { ok: true, spec: { kind: 'srv', name } };
}

function parseKubernetes(word: string, rest: string, portDefault: number): Piece {
  const parts = rest.split(':').map((part) => part.trim());
  const last = parts.length > 1 && /^\d+$/.test(parts.at(-1) ?? '') ? parts.pop() : undefined;
  const port = last === undefined ? portDefault : parsePort(last);
  if (port === null) return refusal(word, 'has no port that exists', 'give one from 1 to 65535');
  const selector = parts.pop() ?? '';
  const namespace = parts.pop() ?? null;
  if (parts.length > 0) return refusal(word, 'has too many colons', FORMS);
  if (namespace !== null && !/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(namespace))
    return refusal(word, 'has no namespace before the selector', FORMS);
  if (!/^[A-Za-z0-9._/=!,() -]+$/.test(selector) || selector.length > SELECTOR_LENGTH_MAX)
    return refusal(
      word,
      'has no label selector',
      'give one as for kubectl get pods -l, for example kubernetes:app=orders',
    );
  return { ok: true, spec: { kind: 'kubernetes', namespace, selector, port } };
}

/** All addresses are one source; a source written twice is there once. */
function merged(specs: readonly SourceSpec[]): SourceSpec[] {
  const addresses = new Map<string, Address>();
  const others = new Map<string, SourceSpec>();
  for (const spec of specs) {
    if (spec.kind !== 'static') others.set(sourceLabel(spec), spec);
    else for (const each of spec.addresses) addresses.set(addressText(each), each);
  }
  const fixed: SourceSpec = { kind: 'static', addresses: [...addresses.values()] };
  return [...(addresses.size === 0 ? [] : [fixed]), ...others.values()];
}

/** IPv4 or IPv6; a name has a letter, and no colon. */
function isAddress(host: string): boolean {
  return host.includes(':') || /^[\d.]+$/.test(host);
}

function refusal(word: string, text: string, todo: string): Piece {
  const quoted = word.length <= QUOTED_LENGTH_MAX ? word : `${word.slice(0, QUOTED_LENGTH_MAX)}…`;
  return { ok: false, text: `${JSON.stringify(quoted)} ${text}`, todo };
}
