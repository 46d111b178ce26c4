import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { test } from 'node:test';
import { addressText } from './address.ts';
import { DiscoveryError } from './errors.ts';
import { KubernetesSource } from './kubernetes.ts';
import { KubernetesApi, kubernetesPlace } from './kubernetes-api.ts';
import { DISCOVERY_LIMITS } from './limits.ts';
import type { WebAnswer, WebRequest } from './ports.ts';
import { answerOf, jsonAnswer, TrialWorld } from './trial-world.ts';

const DIR = '/var/run/secrets/kubernetes.io/serviceaccount';
const SPEC = { kind: 'kubernetes', namespace: null, selector: 'app=orders', port: 7379 } as const;
const PLACE = kubernetesPlace({ KUBERNETES_SERVICE_HOST: '10.96.0.1' });

function pod(name: string, podIP: string, more: { phase?: string; version?: string } = {}) {
  const { phase = 'Running', version = '1' } = more;
  return {
    metadata: { name, uid: `u-${name}`, resourceVersion: version },
    status: { phase, podIP },
  };
}

function listOf(version: string, items: readonly unknown[], next = ''): WebAnswer {
  return jsonAnswer(200, { metadata: { resourceVersion: version, continue: next }, items });
}

function watchOf(...events: readonly (readonly [type: string, object: unknown])[]): WebAnswer {
  return answerOf(200, ...events.map(([type, object]) => `${JSON.stringify({ type, object })}\n`));
}

function refusal(code: number, message: string): WebAnswer {
  return jsonAnswer(code, { kind: 'Status', code, message });
}

/** A source whose requests are answered in order; what is asked beyond is a failure of the test. */
function scripted(...answers: (WebAnswer | DiscoveryError)[]) {
  const world = new TrialWorld();
  world.files.set(`${DIR}/token`, 'first\n');
  world.files.set(`${DIR}/ca.crt`, '-----BEGIN CERTIFICATE-----');
  world.files.set(`${DIR}/namespace`, 'shop\n');
  world.respond = (request) => {
    const answer = answers.shift();
    ok(answer !== undefined, `asked for more: ${request.url}`);
    if (answer instanceof DiscoveryError) throw answer;
    return answer;
  };
  const api = new KubernetesApi(PLACE, world.ports);
  const source = new KubernetesSource('k', SPEC, api, {
    clock: world.clock,
    limits: DISCOVERY_LIMITS,
  });
  const look = async () => {
    const found: string[] = [];
    for await (const { places, complaint } of source.look(new AbortController().signal)) {
      const hosts = places.map(({ address }) => addressText(address).replace(':7379', ''));
      found.push([...hosts, ...(complaint === null ? [] : [`!${complaint}`])].join(' '));
    }
    equal(answers.length, 0, 'all was asked for');
    return found;
  };
  return { world, look, answers };
}

function queryOf({ url }: WebRequest): Record<string, string> {
  return Object.fromEntries(new URL(url).searchParams);
}

const EXPIRED = watchOf(['ERROR', { kind: 'Status', code: 410, message: 'too old' }]);

test('the list, then the watch from its version, with the token and the CA of the pod', async () => {
  const { world, look } = scripted(listOf('7', [pod('a', '10.0.0.1')]), EXPIRED);
  deepEqual(await look(), ['10.0.0.1']);
  const [list, watch] = world.requests;
  ok(list !== undefined && watch !== undefined);
  match(list.url, /^https:\/\/10\.96\.0\.1:443\/api\/v1\/namespaces\/shop\/pods\?/);
  deepEqual(queryOf(list), {
    labelSelector: 'app=orders',
    fieldSelector: 'status.phase=Running',
    limit: '100',
  });
  equal(list.headers['authorization'], 'Bearer first');
  equal(list.ca, '-----BEGIN CERTIFICATE-----');
  deepEqual(queryOf(watch), {
    labelSelector: 'app=orders',
    fieldSelector: 'status.phase=Running',
    watch: '1',
    allowWatchBookmarks: 'true',
    resourceVersion: '7',
    timeoutSeconds: '60',
  });
});

test('pods come, get their address, change it, end, and go; a bookmark changes nothing', async () => {
  const { look } = scripted(
    listOf('7', [pod('a', '10.0.0.1'), pod('ended', '10.0.0.9', { phase: 'Succeeded' })]),
    watchOf(
      ['ADDED', pod('b', '')],
      ['MODIFIED', pod('b', '10.0.0.2')],
      ['BOOKMARK', { metadata: { resourceVersion: '9' } }],
      ['MODIFIED', pod('a', '10.0.0.3')],
      ['MODIFIED', pod('a', '10.0.0.3', { phase: 'Failed' })],
      ['DELETED', pod('b', '10.0.0.2')],
      ['DELETED', pod('b', '10.0.0.2')],
      ['ERROR', { code: 410 }],
    ),
  );
  deepEqual(await look(), ['10.0.0.1', '10.0.0.1 10.0.0.2', '10.0.0.2 10.0.0.3', '10.0.0.2', '']);
});

test('a list of several pages is one answer, and one without an end is refused', async () => {
  const { world, look } = scripted(
    listOf('7', [pod('a', '10.0.0.1')], 'next page/1'),
    listOf('7', [pod('b', '10.0.0.2')]),
    EXPIRED,
  );
  deepEqual(await look(), ['10.0.0.1 10.0.0.2']);
  equal(queryOf(world.requests[1] as WebRequest)['continue'], 'next page/1');
  const endless = scripted(...Array.from({ length: 10 }, () => listOf('7', [], 'more')));
  await rejects(endless.look(), /the selector means more than 1000 pods/);
});

test('a watch that ends as it should is asked for again from the version it had got to', async () => {
  const { world, look, answers } = scripted(listOf('7', []));
  const respond = world.respond;
  const slowly = (answer: WebAnswer, ms: number): WebAnswer => ({
    status: answer.status,
    body: (async function* () {
      yield* answer.body;
      await world.clock.advance(ms);
    })(),
  });
  answers.push(slowly(watchOf(['BOOKMARK', { metadata: { resourceVersion: '12' } }]), 60_000));
  answers.push(slowly(watchOf(['ADDED', pod('a', '10.0.0.1', { version: '13' })]), 60_000));
  // One that ends at once is not asked for again at once.
  answers.push(watchOf());
  world.respond = respond;
  deepEqual(await look(), ['', '10.0.0.1']);
  const versions = world.requests.map((request) => queryOf(request)['resourceVersion']);
  deepEqual(versions, [undefined, '7', '12', '13']);
});

test('410 as an HTTP status of the watch, or of a list page, leads to a new list', async () => {
  const { look } = scripted(listOf('7', []), refusal(410, 'too old resource version: 7 (99)'));
  deepEqual(await look(), ['']);
  const paged = scripted(listOf('7', [], 'c'), refusal(410, 'the continue token has expired'));
  await rejects(paged.look(), /refuses to list pods \(410: the continue token has expired\)/);
});

test('403 for the list names the permission that is missing, with what the API said', async () => {
  const { look } = scripted(refusal(403, 'pods is forbidden:\n User "x" cannot list'));
  await rejects(look(), {
    name: 'DiscoveryError',
    code: 'REFUSED',
    message:
      'the service account may not list pods in namespace shop; bind it to a Role with verbs ' +
      'get, list and watch on pods (403: pods is forbidden: User "x" cannot list)',
  });
});

test('403 for the watch: lists alone do, and the watch is tried again later', async () => {
  const { world, look, answers } = scripted(listOf('7', []), refusal(403, 'cannot watch'));
  const complaint =
    '!the service account may not watch pods in namespace shop; bind it to a Role with verbs ' +
    'get, list and watch on pods (403: cannot watch); asking every 5 s instead';
  deepEqual(await look(), ['', complaint]);
  answers.push(listOf('8', [pod('a', '10.0.0.1')]));
  deepEqual(await look(), [`10.0.0.1 ${complaint}`]);
  await world.clock.advance(DISCOVERY_LIMITS.watchAgainMs);
  answers.push(listOf('9', [pod('a', '10.0.0.1')]), EXPIRED);
  deepEqual(await look(), ['10.0.0.1']);
});

test('401: a token that was replaced meanwhile is read again and used at once', async () => {
  const { world, look } = scripted(refusal(401, 'Unauthorized'), listOf('7', []), EXPIRED);
  const respond = world.respond;
  world.respond = (request) => {
    const answer = respond(request);
    world.files.set(`${DIR}/token`, 'second');
    return answer;
  };
  deepEqual(await look(), ['']);
  const tokens = world.requests.map(({ headers }) => headers['authorization']);
  deepEqual(tokens, ['Bearer first', 'Bearer second', 'Bearer second']);
});

test('401 with the newest token is told in words, and the token is not among them', async () => {
  const { look } = scripted(refusal(401, 'Unauthorized'));
  await rejects(look(), (error: Error) => {
    match(error.message, /does not accept the service account's token \(401: Unauthorized\)/);
    ok(!error.message.includes('first'));
    return true;
  });
});

test('a watch that breaks keeps what it had said', async () => {
  const broken: WebAnswer = {
    status: 200,
    body: (async function* () {
      yield Buffer.from(`${JSON.stringify({ type: 'ADDED', object: pod('a', '10.0.0.1') })}\n{"ty`);
      throw new DiscoveryError('NO_ANSWER', 'the connection broke');
    })(),
  };
  const { look } = scripted(listOf('7', []), broken);
  deepEqual(await look(), ['', '10.0.0.1', '10.0.0.1 !the watch broke: the connection broke']);
  const error = scripted(
    listOf('7', []),
    watchOf(['ERROR', { code: 500, message: 'etcd is gone' }]),
  );
  deepEqual(await error.look(), ['', '!the watch ended: 500: etcd is gone']);
});

test('what is no list, no event, or no JSON is an error of the world, not of ours', async () => {
  const cases: [what: string, answers: WebAnswer[], says: RegExp][] = [
    ['HTML', [answerOf(200, '<html>')], /not JSON/],
    ['another object', [jsonAnswer(200, { kind: 'Pod' })], /no list of pods/],
    ['items that are none', [listOf('7', [null])], /a pod is no object/],
    ['a pod without a name', [listOf('7', [{ metadata: {} }])], /a pod has no name/],
    ['a redirect', [answerOf(302, '')], /refuses to list pods \(302: \)/],
    ['HTML beside a refusal', [answerOf(502, `<html>${'x'.repeat(999)}`)], /\(502: <html>x{294}\)/],
  ];
  for (const [what, answers, says] of cases) {
    const { look } = scripted(...answers);
    await rejects(look(), (error: Error) => {
      equal(error.name, 'DiscoveryError', what);
      match(error.message, says, what);
      return true;
    });
  }
  const events = [answerOf(200, '{"type":"NEWS","object":{}}\n'), answerOf(200, '[]\n')];
  for (const event of events) {
    const { look } = scripted(listOf('7', []), event);
    const [, last = ''] = await look();
    match(last, /^!the watch broke: /);
  }
});

test('files of the service account that are missing or empty are named', async () => {
  for (const [file, text, says] of [
    ['token', undefined, /serviceaccount\/token: no such file/],
    ['token', '\n', /token holds no token/],
    ['ca.crt', '', /ca\.crt holds no certificate/],
    ['namespace', undefined, /namespace: no such file/],
  ] as const) {
    const { world, look } = scripted();
    world.files.delete(`${DIR}/${file}`);
    if (text !== undefined) world.files.set(`${DIR}/${file}`, text);
    await rejects(look(), says);
  }
});

test('outside of a pod the source says so; kubernetesPlace reads the pod environment', async () => {
  equal(kubernetesPlace({}), null);
  deepEqual(
    kubernetesPlace({ KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' }),
    {
      host: 'fd00::1',
      port: 6443,
      accountDir: DIR,
    },
  );
  const api = new KubernetesApi(null, new TrialWorld().ports);
  await rejects(api.namespace(), /this is no pod: KUBERNETES_SERVICE_HOST is not set/);
});
