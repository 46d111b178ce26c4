/** The real ports: this machine's clock, resolver, network and files. */
import { lookup, Resolver } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import * as http from 'node:http';
import * as https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { DiscoveryError } from './errors.ts';
import type { DiscoveryPorts, Names, WebAnswer, WebChange, WebRequest } from './ports.ts';

/** Tokens and certificates are a few KiB. */
const FILE_BYTES_MAX = 1024 * 1024;
/** Of each name server for SRV records, for each of two tries. */
const SERVER_MS_MAX = 2_000;
const SERVER_TRIES = 2;
const HEADER_BYTES_MAX = 16 * 1024;
/** A connection that has died in silence is noticed by the kernel after some of these. */
const KEEP_ALIVE_MS = 15_000;

/** Sentences for what is met often; others are shown by their code. */
type Words = Readonly<Record<string, string>>;

/** Of a look-up: who refuses or is silent is the name server. */
const NAME_WORDS: Words = {
  EAI_AGAIN: 'the name server does not answer',
  EAI_FAIL: 'the name server failed',
  ESERVFAIL: 'the name server failed',
  EREFUSED: 'the name server refuses',
  ETIMEOUT: 'the name server does not answer',
  ECONNREFUSED: 'the name server does not answer',
};

const WORDS: Words = {
  ECONNREFUSED: 'nobody listens there',
  ECONNRESET: 'the connection broke',
  EHOSTUNREACH: 'there is no way there',
  ENETUNREACH: 'there is no way there',
  ETIMEDOUT: 'no answer in time',
  ENOENT: 'there is no such file',
  EACCES: 'it may not be read',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not signed by who may vouch for it',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not signed by who may vouch for it',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is not signed by who may vouch for it',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not signed by who may vouch for it',
  CERT_SIGNATURE_FAILURE: 'its certificate is not signed by who may vouch for it',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
};

/** The record does not exist, or the name: an answer. */
const NOTHING: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA', 'NXDOMAIN']);

export function systemPorts(): DiscoveryPorts {
  return {
    clock: {
      nowMs: () => performance.now(),
      sleep: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => undefined),
    },
    names: new SystemNames(),
    web: {
      get: (request) => exchange(request, null),
      change: (change) => exchange(change, change),
    },
    files: { read: readText },
    chance: Math.random,
  };
}

class SystemNames implements Names {
  /** A look-up cannot be called off: a second for the same name waits for the first. */
  readonly #running = new Map<string, Promise<readonly string[]>>();

  addresses(name: string): Promise<readonly string[]> {
    const running = this.#running.get(name);
    if (running !== undefined) return running;
    const looking = lookupAll(name).finally(() => this.#running.delete(name));
    this.#running.set(name, looking);
    return looking;
  }

  /** With a resolver of its own each time: it reads resolv.conf when it is made. */
  async services(name: string) {
    try {
      const resolver = new Resolver({ timeout: SERVER_MS_MAX, tries: SERVER_TRIES });
      const found = await resolver.resolveSrv(name);
      return found.map((record) => ({ host: record.name, port: record.port }));
    } catch (error) {
      if (NOTHING.has(codeOf(error))) return [];
      throw failure('NO_ANSWER', `SRV records of ${name}`, error, NAME_WORDS);
    }
  }
}

async function lookupAll(name: string): Promise<readonly string[]> {
  try {
    const found = await lookup(name, { all: true });
    return found.map(({ address }) => address);
  } catch (error) {
    if (NOTHING.has(codeOf(error))) return [];
    throw failure('NO_ANSWER', name, error, NAME_WORDS);
  }
}

async function readText(path: string): Promise<string> {
  try {
    const bytes = await readFile(path);
    if (bytes.length <= FILE_BYTES_MAX) return bytes.toString();
  } catch (error) {
    throw failure('NOT_HERE', path, error);
  }
  throw new DiscoveryError('NOT_UNDERSTOOD', `${path} is larger than ${FILE_BYTES_MAX} bytes`);
}

/** Resolves with the head of the answer; the connection is for this exchange only. */
function exchange(
  { url, headers, ca, msMax, signal }: WebRequest,
  change: WebChange | null,
): Promise<WebAnswer> {
  const late = AbortSignal.timeout(msMax);
  const length = change === null ? {} : { 'content-length': Buffer.byteLength(change.body) };
  const options: https.RequestOptions = {
    method: change?.method ?? 'GET',
    headers: { ...headers, ...length },
    agent: false,
    maxHeaderSize: HEADER_BYTES_MAX,
    signal: AbortSignal.any([signal, late]),
    // Said outright, so that no variable of the environment can switch the check off.
    rejectUnauthorized: true,
    ...(ca === null ? {} : { ca }),
  };
  const explained = (error: unknown) =>
    late.aborted
      ? new DiscoveryError('NO_ANSWER', `no answer within ${msMax / 1000} s`, { cause: error })
      : failure('NO_ANSWER', new URL(url).host, error);
  return new Promise((resolve, reject) => {
    const answered = (response: http.IncomingMessage) =>
      resolve({ status: response.statusCode ?? 0, body: bodyOf(response, explained) });
    const refused = (error: unknown) => reject(explained(error));
    try {
      const request = url.startsWith('https:')
        ? https.request(url, options, answered)
        : http.request(url, options, answered);
      request.on('socket', (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS));
      request.on('error', refused);
      request.end(change?.body);
    } catch (error) {
      // A certificate that cannot be read is found out at once.
      refused(error);
    }
  });
}

async function* bodyOf(
  response: http.IncomingMessage,
  explained: (error: unknown) => DiscoveryError,
): AsyncIterable<Uint8Array> {
  try {
    for await (const piece of response) yield piece as Uint8Array;
  } catch (error) {
    throw explained(error);
  } finally {
    response.destroy();
  }
}

function failure(
  code: DiscoveryError['code'],
  what: string,
  cause: unknown,
  words: Words = WORDS,
): DiscoveryError {
  const reason = codeOf(cause);
  const known = words[reason];
  const text = known === undefined ? reason : `${known} (${reason})`;
  return new DiscoveryError(code, `${what}: ${text}`, { cause });
}

function codeOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}
