/**
 * A stand-in for the Kubernetes API server, as far as pods are listed, watched and labelled, and
 * ConfigMaps read and created: TLS with a CA of its own, bearer tokens, permissions by verb, label
 * and field selectors, pages, resource versions that are forgotten (410), bookmarks, time limits,
 * merge patches, and JSON lines cut anywhere into chunks.
 *
 * Shapes and texts are those of the real one (API concepts: "Efficient detection of changes",
 * "410 Gone responses", "Retrieving large results sets in chunks").
 */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KubernetesPlace } from '../../src/io/discovery/kubernetes-api.ts';

const BOOKMARK_MS = 50;
const ACCOUNT = 'system:serviceaccount:shop:default';

interface Pod {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly status: { readonly phase: string; readonly podIP?: string };
}

interface Happened {
  readonly version: number;
  readonly before: Pod | null;
  readonly after: Pod | null;
}

interface Watching {
  readonly matches: (pod: Pod | null) => boolean;
  readonly response: ServerResponse;
}

export class KubernetesStandIn {
  /** Holds `token`, `ca.crt` and `namespace`, as a pod finds them. */
  readonly accountDir = mkdtempSync(join(tmpdir(), 'k8s-'));
  /** Verbs that the service account has. */
  readonly allowed = new Set(['list', 'watch', 'get', 'create']);
  /** How it says that a version is forgotten: both occur. */
  goneAs: 'status' | 'event' = 'event';
  hasBookmarks = true;
  /** Every question, as `verb status`. */
  readonly asked: string[] = [];
  /** By name: what is in `data`. */
  readonly configMaps = new Map<string, unknown>();
  readonly #server: Server;
  readonly #pods = new Map<string, Pod>();
  readonly #watches = new Set<Watching>();
  #history: Happened[] = [];
  #version = 1000;
  #oldestVersion = 1000;
  #token = '';

  private constructor() {
    makeCertificates(this.accountDir);
    writeFileSync(join(this.accountDir, 'namespace'), 'shop');
    this.rotateToken('first');
    const tls = ['key', 'crt'].map((end) => readFileSync(join(this.accountDir, `server.${end}`)));
    const [key, cert] = tls;
    if (key === undefined || cert === undefined) throw new Error('no certificate');
    this.#server = createServer({ key, cert }, (request, response) =>
      this.#answer(request, response),
    );
  }

  static async start(): Promise<KubernetesStandIn> {
    const standIn = new KubernetesStandIn();
    standIn.#server.listen(0, '127.0.0.1');
    await once(standIn.#server, 'listening');
    return standIn;
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
    rmSync(this.accountDir, { recursive: true, force: true });
  }

  get place(): KubernetesPlace {
    const { port } = this.#server.address() as AddressInfo;
    return { host: '127.0.0.1', port, accountDir: this.accountDir };
  }

  get watchers(): number {
    return this.#watches.size;
  }

  /** A new pod, or a change of one; its labels are given once. */
  put(name: string, podIP: string | null, { app = 'orders', phase = 'Running' } = {}): void {
    const before = this.#pods.get(name) ?? null;
    this.#version += 1;
    const metadata = {
      name,
      namespace: 'shop',
      uid: before?.metadata.uid ?? `uid-${name}-${this.#version}`,
      resourceVersion: String(this.#version),
      labels: before?.metadata.labels ?? { app, 'app.kubernetes.io/name': app },
    };
    const after = { metadata, status: { phase, ...(podIP === null ? {} : { podIP }) } };
    this.#pods.set(name, after);
    this.#happened({ version: this.#version, before, after });
  }

  remove(name: string): void {
    const before = this.#pods.get(name);
    if (before === undefined) throw new Error(`no pod ${name}`);
    this.#version += 1;
    this.#pods.delete(name);
    this.#happened({ version: this.#version, before, after: null });
  }

  /** Something else happens, and what happened before is forgotten, as by compaction. */
  forget(): void {
    this.#version += 1;
    this.#oldestVersion = this.#version;
    this.#history = [];
  }

  /** As a server that goes down does it: in the middle of a line. */
  breakWatches(): void {
    for (const { response } of [...this.#watches]) {
      response.write('{"type":"MOD');
      response.socket?.destroySoon();
    }
  }

  /** As a server does when a watch has lasted long enough: at the end of a line. */
  endWatches(): void {
    for (const { response } of [...this.#watches]) response.end();
  }

  /** From now on only the new one counts; the file has it unless `isLate`. */
  rotateToken(token: string, { isLate = false } = {}): void {
    this.#token = token;
    if (!isLate) this.writeToken(token);
  }

  writeToken(token: string): void {
    writeFileSync(join(this.accountDir, 'token'), token);
  }

  /** What a Service with this selector sends clients to: pods that have all of these labels. */
  addressesLabelled(selector: Readonly<Record<string, string>>): string[] {
    const running = [...this.#pods.values()].filter(({ status }) => status.phase === 'Running');
    const labels = Object.entries(selector);
    const selected = running.filter(({ metadata }) =>
      labels.every(([label, value]) => metadata.labels[label] === value),
    );
    return selected.flatMap(({ status }) => status.podIP ?? []);
  }

  labelsOf(name: string): Readonly<Record<string, string>> {
    return this.#pods.get(name)?.metadata.labels ?? {};
  }

  /** A merge patch of one pod's labels. */
  async #patch(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const name = url.pathname.split('/').at(-1) ?? '';
    const path = url.pathname.slice(0, -name.length - 1);
    const pod = this.#pods.get(name);
    const isMerge = request.headers['content-type'] === 'application/merge-patch+json';
    const refusal =
      this.#forbids(request, path, 'patch') ??
      (isMerge ? null : statusOf(415, 'UnsupportedMediaType', 'the body is no known patch')) ??
      (pod === undefined ? statusOf(404, 'NotFound', `pods "${name}" not found`) : null);
    response.on('close', () => this.asked.push(`patch ${response.statusCode}`));
    response.writeHead(refusal?.code ?? 200, { 'content-type': 'application/json' });
    if (refusal !== null || pod === undefined) {
      response.end(JSON.stringify(refusal));
      return;
    }
    const { metadata } = JSON.parse(text) as { metadata: Pick<Pod['metadata'], 'labels'> };
    const labels = { ...pod.metadata.labels, ...metadata.labels };
    this.#version += 1;
    const resourceVersion = String(this.#version);
    const after = { ...pod, metadata: { ...pod.metadata, labels, resourceVersion } };
    this.#pods.set(name, after);
    this.#happened({ version: this.#version, before: pod, after });
    response.end(JSON.stringify(after));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '', 'https://api');
    if (request.method === 'PATCH') {
      void this.#patch(request, response, url);
      return;
    }
    const [, name] =
      /^\/api\/v1\/namespaces\/shop\/configmaps(?:\/(.+))?$/.exec(url.pathname) ?? [];
    if (url.pathname.includes('/configmaps')) {
      this.#answerConfigMap(request, response, name);
      return;
    }
    const query = url.searchParams;
    const verb = query.get('watch') === '1' ? 'watch' : 'list';
    response.on('close', () => this.asked.push(`${verb} ${response.statusCode}`));
    const matches = selecting(query);
    const refusal =
      this.#forbids(request, url.pathname, verb) ??
      (matches === null ? statusOf(400, 'BadRequest', 'unable to parse requirement') : null) ??
      (verb === 'list' ? this.#expired(Number(query.get('continue')?.split('-')[0])) : null) ??
      (verb === 'watch' && this.goneAs === 'status' ? this.#expired(versionOf(query)) : null);
    const headers = { 'content-type': 'application/json' };
    response.writeHead(refusal?.code ?? 200, headers).flushHeaders();
    if (refusal !== null || matches === null) response.end(JSON.stringify(refusal));
    else if (verb === 'list') response.end(JSON.stringify(this.#list(query, matches)));
    else this.#watch(query, { matches, response });
  }

  #answerConfigMap(request: IncomingMessage, response: ServerResponse, name = ''): void {
    const verb = request.method === 'POST' ? 'create' : 'get';
    response.on('close', () => this.asked.push(`${verb} ${response.statusCode}`));
    const say = (code: number, body: object): void => {
      response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    const refuse = (status: Status): void => say(status.code, status);
    let text = '';
    request.on('data', (piece: Buffer) => {
      text += piece.toString();
    });
    request.on('end', () => {
      if (request.headers.authorization !== `Bearer ${this.#token}`)
        return refuse(statusOf(401, 'Unauthorized', 'Unauthorized'));
      if (!this.allowed.has(verb)) {
        const what = `cannot ${verb} resource "configmaps" in API group "" in the namespace "shop"`;
        const words = `configmaps is forbidden: User "${ACCOUNT}" ${what}`;
        return refuse(statusOf(403, 'Forbidden', words));
      }
      if (verb === 'get') {
        if (this.configMaps.has(name)) return say(200, { data: this.configMaps.get(name) });
        return refuse(statusOf(404, 'NotFound', `configmaps "${name}" not found`));
      }
      const { metadata, data } = JSON.parse(text) as { metadata: { name: string }; data: unknown };
      if (this.configMaps.has(metadata.name))
        return refuse(
          statusOf(409, 'AlreadyExists', `configmaps "${metadata.name}" already exists`),
        );
      this.configMaps.set(metadata.name, data);
      return say(201, { metadata, data });
    });
  }

  #forbids({ headers }: IncomingMessage, pathname: string, verb: string): Status | null {
    if (headers.authorization !== `Bearer ${this.#token}`)
      return statusOf(401, 'Unauthorized', 'Unauthorized');
    if (this.allowed.has(verb) && pathname === '/api/v1/namespaces/shop/pods') return null;
    const what = `cannot ${verb} resource "pods" in API group "" in the namespace "shop"`;
    return statusOf(403, 'Forbidden', `pods is forbidden: User "${ACCOUNT}" ${what}`);
  }

  #expired(version: number): Status | null {
    const text = `too old resource version: ${version} (${this.#oldestVersion})`;
    return version < this.#oldestVersion ? statusOf(410, 'Expired', text) : null;
  }

  /** Pages are of one version, which the token of the next one names. */
  #list(query: URLSearchParams, matches: Watching['matches']): object {
    const limit = Number(query.get('limit') ?? 500);
    const [version = this.#version, from = 0] = (query.get('continue') ?? '')
      .split('-')
      .filter((word) => word !== '')
      .map(Number);
    const all = [...this.#pods.values()].filter(matches);
    const items = all.slice(from, from + limit);
    const more = from + limit < all.length ? { continue: `${version}-${from + limit}` } : {};
    const metadata = { resourceVersion: String(version), ...more };
    return { kind: 'PodList', apiVersion: 'v1', metadata, items };
  }

  #watch(query: URLSearchParams, watching: Watching): void {
    const { response } = watching;
    const gone = this.#expired(versionOf(query));
    if (gone !== null) {
      writeLine(response, { type: 'ERROR', object: gone });
      response.end();
      return;
    }
    this.#watches.add(watching);
    for (const each of this.#history.filter(({ version }) => version > versionOf(query)))
      tell(watching, each);
    const bookmarks = setInterval(() => {
      if (!this.hasBookmarks || query.get('allowWatchBookmarks') !== 'true') return;
      const metadata = { resourceVersion: String(this.#version) };
      writeLine(response, { type: 'BOOKMARK', object: { kind: 'Pod', metadata } });
    }, BOOKMARK_MS);
    const over = (): void => {
      this.#watches.delete(watching);
      clearInterval(bookmarks);
      clearTimeout(ending);
      response.end();
    };
    const ending = setTimeout(over, Number(query.get('timeoutSeconds')) * 1000);
    response.on('close', over);
  }

  #happened(happened: Happened): void {
    this.#history.push(happened);
    for (const watching of this.#watches) tell(watching, happened);
  }
}

/** Why there can be none here, or null. */
export function whyNoStandIn(): string | null {
  const { status } = spawnSync('openssl', ['version']);
  return status === 0 ? null : 'there is no openssl to make certificates with';
}

/** A change into a selector is an addition to whoever watches, and one out of it a deletion. */
function tell({ matches, response }: Watching, { before, after, version }: Happened): void {
  const [was, is] = [matches(before), matches(after)];
  if (is) writeLine(response, { type: was ? 'MODIFIED' : 'ADDED', object: after });
  else if (was && before !== null) {
    const metadata = { ...before.metadata, resourceVersion: String(version) };
    writeLine(response, { type: 'DELETED', object: { ...before, metadata } });
  }
}

/** In two chunks: a line may be cut anywhere. */
function writeLine(response: ServerResponse, event: object): void {
  const line = `${JSON.stringify(event)}\n`;
  response.write(line.slice(0, line.length / 2));
  response.write(line.slice(line.length / 2));
}

function versionOf(query: URLSearchParams): number {
  return Number(query.get('resourceVersion'));
}

function selecting(query: URLSearchParams): Watching['matches'] | null {
  const wanted = (query.get('labelSelector') ?? '').split(',').map((each) => each.split('='));
  if (wanted.some((words) => words.length !== 2)) return null;
  const [, phase] = /^status\.phase=(\w+)$/.exec(query.get('fieldSelector') ?? '') ?? [];
  return (pod) => {
    if (pod === null || (phase !== undefined && pod.status.phase !== phase)) return false;
    return wanted.every(([key = '', value]) => pod.metadata.labels[key] === value);
  };
}

/** How the API says no. */
interface Status {
  readonly kind: 'Status';
  readonly apiVersion: 'v1';
  readonly metadata: object;
  readonly status: 'Failure';
  readonly code: number;
  readonly reason: string;
  readonly message: string;
}

function statusOf(code: number, reason: string, message: string): Status {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    reason,
    code,
  };
}

/** `ca.crt`, and a server's certificate for 127.0.0.1 that it signed. */
export function makeCertificates(dir: string): void {
  const openssl = (...args: string[]): void => {
    const { status, stderr } = spawnSync('openssl', args, { cwd: dir, encoding: 'utf8' });
    if (status !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`);
  };
  const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const ca = ['-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=kubernetes'];
  openssl('req', '-x509', ...fresh, ...ca, '-days', '2');
  const own = ['-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=kube-apiserver'];
  openssl('req', ...fresh, ...own);
  writeFileSync(join(dir, 'names'), 'subjectAltName=IP:127.0.0.1\n');
  const signing = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'names'];
  openssl('x509', '-req', '-in', 'server.csr', '-out', 'server.crt', '-days', '2', ...signing);
}
