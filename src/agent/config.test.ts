import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { sourceLabel } from '../io/discovery/specification.ts';
import { loadConfig, type NodeConfig } from './config.ts';
import { nodesExpected } from './config-discovery.ts';
import { formatIssue, nearestName } from './config-issue.ts';
import type { ConfigInput } from './config-sources.ts';

const dir = mkdtempSync(join(tmpdir(), 'althing-config-'));
after(() => rmSync(dir, { recursive: true }));

function file(name: string, content: string, mode = 0o600): string {
  const path = join(dir, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

const SECRET = 'c2f1b9a07d4e8835f06172839a4b5c6d';
const secretFile = file('secret', `${SECRET}\n`);
const passwordFile = file('password', 'open sesame\n');
const usersFile = file('users', 'user app on >app-word ~app:* +@all\n');
const PEERS = '127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003';

const MACHINE = { cores: 2, canSharePorts: true };

function load(
  flags: ConfigInput['flags'],
  environment: ConfigInput['environment'] = {},
  base: ConfigInput['flags'] = { dir: '/data', peers: PEERS },
  machine: Partial<typeof MACHINE> = {},
) {
  return loadConfig({
    flags: { ...base, ...flags },
    environment,
    workingDir: dir,
    hostname: 'host_1.example',
    ...MACHINE,
    ...machine,
  });
}

function loaded(...args: Parameters<typeof load>): NodeConfig {
  const result = load(...args);
  if (!result.ok) throw new Error(result.issues.map(formatIssue).join('\n'));
  return result.config;
}

function issuesOf(...args: Parameters<typeof load>): string[] {
  const result = load(...args);
  return result.ok ? [] : result.issues.map(formatIssue);
}

test('loadConfig: what a node is among the others', () => {
  const flags = { join: true, ephemeral: 'yes', zone: 'east', forgetAfter: '90s' };
  const { joinsOnly, ephemeral, zone, forgetAfterMs } = loaded(flags);
  deepEqual([joinsOnly, ephemeral, zone, forgetAfterMs], [true, true, 'east', 90_000]);
  equal(loaded({ forgetAfter: 'never' }).forgetAfterMs, null);
  equal(loaded({ reads: 'local' }).reads, 'local');
  match(issuesOf({ reads: 'fast' }).join(), /--reads .* is no way to read; give leader, local/);
  for (const forgetAfter of ['9s', '366d', 'soon'])
    match(issuesOf({ forgetAfter }).join(), /--forget-after .* is not a time; give 10s to 365d/);
});

test('loadConfig: a witness is told of others, and has no use for settings of a server', () => {
  equal(loaded({ witness: true }).witness, true);
  match(issuesOf({ witness: true, peers: undefined }).join(), /--witness .*told of no others/);
});

test('loadConfig: data from elsewhere are for who may begin an eventual deployment with them', () => {
  const given = { consistency: 'eventual', importData: '/other' };
  equal(loaded(given).importData, '/other');
  match(issuesOf({ importData: '/other' }).join(), /--import-data .*--consistency eventual/);
  for (const other of [{ join: true }, { witness: true }, { priority: '0' }])
    match(issuesOf({ ...given, ...other }).join(), /--import-data .* does not go with --/);
});

test('loadConfig: with a directory and peers alone, everything else has a default', () => {
  const { provenance, ...config } = loaded({});
  deepEqual(config, {
    name: 'althing',
    node: 'host_1.example-7379',
    dir: '/data',
    bind: { client: '127.0.0.1', peers: '127.0.0.1', http: '127.0.0.1' },
    ports: { client: 6379, peers: 7379, http: 8379 },
    announce: null,
    peers: PEERS.split(','),
    discover: [],
    expect: null,
    secret: null,
    password: null,
    users: [],
    serverPath: null,
    server: {},
    logLimitBytes: 64 * 1024 * 1024,
    leaseReads: false,
    joinsOnly: false,
    ephemeral: false,
    eventual: null,
    importData: null,
    witness: false,
    zone: '',
    forgetAfterMs: 600_000,
    sharded: null,
    priority: 100,
    primaryPort: null,
    reads: 'leader',
    localPort: null,
    sentinelPort: 26_379,
    sentinelAlias: 'mymaster',
    relayThreads: 0,
    logLevel: 'info',
  });
  equal(provenance.get('dir'), '--dir (flag)');
  equal(provenance.get('port'), undefined);
});

test('loadConfig: the door for clients that know Sentinel, and its second name', () => {
  const { sentinelPort, sentinelAlias } = loaded({ sentinelPort: '5', sentinelAlias: 'main' });
  deepEqual([sentinelPort, sentinelAlias], [5, 'main']);
  const off = loaded({ sentinelPort: 'none' }, { ALTHING_SENTINEL_ALIAS: 'none' });
  deepEqual([off.sentinelPort, off.sentinelAlias], [null, null]);
  match(issuesOf({ sentinelPort: 'off' }).join(), /--sentinel-port .* is not a port; .* or none/);
  match(issuesOf({ sentinelAlias: 'a b' }).join(), /--sentinel-alias .* is not a name/);
  match(issuesOf({ httpPort: '26379' }).join(), /--sentinel-port .* are not 4 different ports/);
});

test('loadConfig: the level of the journal, in any case', () => {
  equal(loaded({ logLevel: 'DEBUG' }).logLevel, 'debug');
  equal(loaded({}, { ALTHING_LOG_LEVEL: 'error' }).logLevel, 'error');
  match(issuesOf({ logLevel: 'loud' }).join(), /--log-level .* is not a level; give debug, info/);
});

test('loadConfig: flags win over variables, variables over the file', () => {
  const config = file('order.yaml', 'port: 1\npeer-port: 2\nhttp-port: 3\nname: filed\n');
  const { ports, name, provenance } = loaded(
    { config, port: '11' },
    { ALTHING_PORT: '21', ALTHING_PEER_PORT: '22' },
  );
  deepEqual(ports, { client: 11, peers: 22, http: 3 });
  equal(name, 'filed');
  equal(provenance.get('port'), '--port (flag)');
  equal(provenance.get('peer-port'), 'ALTHING_PEER_PORT (environment)');
  equal(provenance.get('http-port'), `http-port (${config}:3)`);
});

test('loadConfig: the file gives peers as a list, paths, and settings of the server', () => {
  const config = file(
    'full.yaml',
    'dir: data\npeers:\n  - "[::1]:7001"\n  - "[::1]:7002"\nsecret-file: secret\n' +
      'server-path: ./redis-server\nlog-limit: 32mb\nname:\n' +
      'server:\n  maxmemory: 100mb\n  Hz: 50\n  lazyfree-lazy-expire: true\n' +
      '  notify-keyspace-events: ""\n',
  );
  const { provenance: _, ...rest } = loaded({ config }, {}, {});
  equal(rest.dir, join(dir, 'data'));
  deepEqual(rest.peers, ['[::1]:7001', '[::1]:7002']);
  equal(rest.secret?.toString(), SECRET);
  equal(rest.serverPath, join(dir, 'redis-server'));
  equal(rest.logLimitBytes, 32 * 1024 * 1024);
  deepEqual(rest.bind, { client: '::1', peers: '::', http: '::1' });
  const server = {
    maxmemory: '100mb',
    hz: '50',
    'lazyfree-lazy-expire': 'yes',
    'notify-keyspace-events': '',
  };
  deepEqual(rest.server, server);
});

test('loadConfig: ALTHING_CONFIG names the file, and its other keys may come from flags', () => {
  const config = file('env.yaml', 'name: from-file\n');
  equal(loaded({}, { ALTHING_CONFIG: config }).name, 'from-file');
  equal(loaded({ config: 'env.yaml' }).name, 'from-file');
});

test('loadConfig: sources from flags, a variable or the file; peers beside them, or nothing', () => {
  const base = { dir: '/data', secretFile };
  const labels = (...args: Parameters<typeof load>) => loaded(...args).discover.map(sourceLabel);
  const flags = { discover: ['orders; srv:_peers._tcp.b', '10.0.0.1'], peerPort: '7400' };
  deepEqual(labels(flags, {}, base), ['static', 'dns:orders:7400', 'srv:_peers._tcp.b']);
  deepEqual(labels({}, { ALTHING_DISCOVER: 'a,b' }, base), ['dns:a:7379', 'dns:b:7379']);
  const config = file('discover.yaml', 'discover:\n  - a\n  - srv:b\nexpect: 5\n');
  deepEqual(labels({ config }, {}, base), ['dns:a:7379', 'srv:b']);
  equal(loaded({ config }, {}, base).expect, 5);
  deepEqual(loaded({ discover: ['a'], secretFile }).peers.length, 3);
  const alone = loaded({}, {}, base);
  deepEqual([alone.peers, alone.discover, alone.expect], [[], [], null]);
  const six = { secretFile, discover: ['fd00::1,[fd00::2]:7400'] };
  equal(loaded(six, {}, { dir: '/data' }).bind.peers, '::');
  equal(loaded({ ...six, discover: ['fd00::1', 'a'] }, {}, { dir: '/d' }).bind.peers, '0.0.0.0');
});

test('nodesExpected: as given, else three where nodes are looked for, else all that are listed', () => {
  const { discover } = loaded({ discover: ['a'], secretFile });
  equal(nodesExpected(null, [], 1), 1);
  equal(nodesExpected(null, [], 4), 4);
  equal(nodesExpected(null, discover, 1), 3);
  equal(nodesExpected(null, discover, 5), 5);
  equal(nodesExpected(2, discover, 5), 2);
});

test('loadConfig: a credential opens what it protects, and only that', () => {
  const secret = { secretFile };
  const password = { passwordFile };
  const client = (config: NodeConfig) => [config.bind.client, config.bind.http];
  equal(loaded(secret).bind.peers, '0.0.0.0');
  deepEqual(client(loaded(secret)), ['127.0.0.1', '127.0.0.1']);
  equal(loaded(password).bind.peers, '127.0.0.1');
  deepEqual(client(loaded(password)), ['0.0.0.0', '0.0.0.0']);
  equal(loaded({ ...secret, ...password, bind: '[::]' }).bind.peers, '::');
  equal(loaded({ ...password }).password, 'open sesame');
  deepEqual(
    loaded({ ...password, usersFile }).users.map(({ name }) => name),
    ['app'],
  );
});

test('loadConfig refuses, each with its key, its source and what to do', async (t) => {
  const bad = (name: string, content: string) => file(`${name}.yaml`, content);
  const both = { secretFile, passwordFile };
  const cases: [name: string, args: Parameters<typeof load>, want: RegExp][] = [
    ['no directory', [{ dir: undefined }], /^--dir \(rule\): is missing/],
    [
      'nowhere to join',
      [{ peers: undefined, join: true }],
      /^--join \(rule\): has nowhere to look for a deployment; give --discover, or --peers/,
    ],
    [
      'a source that is none',
      [{ ...both, discover: ['orders', 'srv:a:1'] }],
      /^--discover \(flag\): "srv:a:1" has a port, which comes from the SRV records; leave/,
    ],
    [
      'an overruled source that is none',
      [{ ...both, discover: ['orders'] }, { ALTHING_DISCOVER: 'a:b:c' }],
      /^ALTHING_DISCOVER \(environment\): "a:b:c" is neither an address nor a source; give HOST/,
    ],
    ['a source of numbers', [{}, {}, { discover: [7] }], /^--discover .*\[7\] is no list of sour/],
    [
      'a far source, no secret',
      [{ discover: ['orders'] }],
      /^--discover \(flag\): dns:orders:7379 may be elsewhere.*--secret-file/,
    ],
    [
      'pods, and no pod',
      [{ ...both, discover: ['kubernetes:app=orders'] }],
      /^--discover \(flag\): kubernetes works in a pod only: KUBERNETES_SERVICE_HOST is not set/,
    ],
    [
      'a pod without its account',
      [{ ...both, discover: ['kubernetes:app=a'] }, { KUBERNETES_SERVICE_HOST: '10.0.0.1' }],
      /^--discover \(flag\): .* there is no \/var\/run\/secrets\/.*\/token; set automount/,
    ],
    ['nobody expected', [{ expect: '0' }], /^--expect \(flag\): "0" is not a number of nodes; gi/],
    [
      'half of the peers expected',
      [{ peers: `${PEERS},127.0.0.1:7004`, expect: '2' }],
      /^--expect \(flag\): 2 of 4 listed peers could found .* others; give more than half: 3 at/,
    ],
    ['a peer without port', [{ peers: 'a' }], /^--peers \(flag\): "a" is not a list of addr/],
    ['a bare IPv6 peer', [{ peers: '::1:7000' }], /not a list of addresses.*brackets/],
    ['a peer named twice', [{ peers: '127.0.0.1:1,127.0.0.1:1' }], /names an address twice/],
    ['a port too high', [{ port: '65536' }], /^--port \(flag\): "65536" is not a port; give/],
    ['a port of words', [{}, { ALTHING_PORT: 'x' }], /^ALTHING_PORT \(environment\): "x" is not/],
    ['one port twice', [{ port: '8379' }], /are not 4 different ports/],
    ['a bad node name', [{ node: '-a' }], /^--node \(flag\): "-a" is not a name/],
    ['a name of 64', [{ name: 'a'.repeat(64) }], /^--name \(flag\): .* at most 63/],
    ['a tiny log', [{ logLimit: '1kb' }], /^--log-limit \(flag\): "1kb" is not a size/],
    ['leases by halves', [{ leaseReads: 'maybe' }], /"maybe" is neither yes nor no; give yes/],
    ['threads by halves', [{ relayThreads: '1.5' }], /"1.5" is not a number of threads; give 0/],
    ['too many threads', [{ relayThreads: '65' }], /"65" is not a number of threads; give 0 to 64/],
    ['a bad address', [{ ...both, bind: '1.2.3' }], /^--bind \(flag\): "1.2.3" is not an addr/],
    ['a host with port', [{ announce: 'a:1' }], /^--announce \(flag\): "a:1" is not a host/],
    [
      'an unknown variable',
      [{}, { ALTHING_PEER: 'x' }],
      /^ALTHING_PEER \(environment\): is not known; did you mean ALTHING_PEERS\?/,
    ],
    [
      'a secret in a variable',
      [{}, { ALTHING_SECRET: SECRET }],
      /^ALTHING_SECRET \(environment\): is not known/,
    ],
    [
      'an unknown key',
      [{ config: bad('unknown', '\nprot: 1\n') }],
      /^prot \(.*unknown\.yaml:2\): is not known; did you mean port\?/,
    ],
    ['a key like nothing', [{ config: bad('far', 'colour: 1\n') }], /is not known; remove it/],
    [
      'an overruled bad value',
      [{ port: '1', config: bad('hidden', 'port: abc\n') }],
      /^port \(.*hidden\.yaml:1\): "abc" is not a port/,
    ],
    [
      'a setting that is ours',
      [{ config: bad('owned', 'server:\n  PORT: 1\n') }],
      /^server\.PORT \(.*:2\): is set by the agent: clients come through/,
    ],
    [
      'a line end in a value',
      [{ config: bad('lines', 'server:\n  a: "b\\nport 1"\n') }],
      /^server\.a \(.*: has a value with a control character/,
    ],
    [
      'a line end in a name',
      [{ config: bad('names', 'server:\n  "a\\nport": 1\n') }],
      /is no name of a setting/,
    ],
    [
      'a setting of several values',
      [{ config: bad('many', 'server:\n  hz: [1, 2]\n') }],
      /^server\.hz \(.*:2\): is not one value/,
    ],
    [
      'a value of the server that nobody could agree on',
      [{ config: bad('long', `server:\n  hz: ${'x'.repeat(257)}\n`) }],
      /^server \(.*\): server\.hz is one line of at most 256 characters; shorten/,
    ],
    ['a server list', [{ config: bad('list', 'server: x\n') }], /^server \(.*:1\): is not a map/],
    ['no YAML', [{ config: bad('broken', 'a: "b\n') }], /^YAML \(.*broken\.yaml:\d\): cannot be/],
    ['a repeated key', [{ config: bad('twice', 'port: 1\nport: 2\n') }], /^YAML \(.*:2\): /],
    ['a list as file', [{ config: bad('seq', '- a\n') }], /is not a map of settings/],
    ['no file', [{ config: '/nowhere.yaml' }], /^--config \(\/nowhere.yaml\): cannot be read \(EN/],
    [
      'far peers, no secret',
      [{ peers: 'a:1,b:1' }],
      /^--peers \(flag\): a:1 is not on loopback.*--secret-f/,
    ],
    [
      'open to all',
      [{ secretFile, bind: '0.0.0.0' }],
      /^--bind \(flag\): .*no client password; give --pass/,
    ],
    [
      'open to join',
      [{ passwordFile, bind: '0.0.0.0' }],
      /^--bind \(flag\): .*no secret; give --secret-file/,
    ],
    [
      'no such secret',
      [{ secretFile: 'nowhere' }],
      /^--secret-file \(flag\): .*cannot be read \(ENOENT\)/,
    ],
    [
      'users beside all rights for everybody',
      [{ usersFile }],
      /^--users-file \(flag\): whoever gives no password has all rights.*; give --password-file/,
    ],
    [
      'a user with too many rights',
      [{ passwordFile, usersFile: file('admins', 'user app >app-word +@admin\n') }],
      /^--users-file \(flag\): .*admins: line 1 \(user app\) gives @admin.*; name the commands/,
    ],
    ['an empty password', [{ passwordFile: file('none', '\n') }], /is not one line of text/],
  ];
  for (const [name, args, want] of cases) {
    await t.test(name, () => {
      const issues = issuesOf(...args);
      ok(
        issues.some((issue) => want.test(issue)),
        `got: ${issues.join(' | ') || 'no issue'}`,
      );
    });
  }
});

test('loadConfig: variables that others define for us are let through', () => {
  const environment = {
    ALTHING_TEST_SEED: '1',
    ALTHING_URL: 'http://127.0.0.1:8379',
    ALTHING_CACHE: '/tmp',
    ALTHING_FULL: '1',
    ALTHING_SERVICE_HOST: '10.0.0.1',
    ALTHING_HTTP_SERVICE_PORT_HTTP: '8379',
    ALTHING_PORT: 'tcp://10.0.0.1:6379',
    ALTHING_PORT_6379_TCP_ADDR: '10.0.0.1',
    ALTHING_NAME: '',
  };
  equal(loaded({}, environment).ports.client, 6379);
});

test('loadConfig: secrets under 128 bits are refused, and no message repeats them', async (t) => {
  const cases: [name: string, secret: string | Buffer, isStrong: boolean][] = [
    ['32 hex digits', SECRET, true],
    ['24 characters of base64', 'mZ3kQ9x1Tn0vB7cYw2LrEw==', true],
    ['a sentence', 'correct horse battery staple', true],
    ['16 bytes', Buffer.from('00ff1020aa40c05060e0708090b0d0f8', 'hex'), true],
    ['16 hex digits', 'c2f1b9a07d4e8835', false],
    ['16 letters', 'kqzjwvxypmbtghre', false],
    ['one letter 64 times', 'a'.repeat(64), false],
    ['a short word again and again', 'hunter2x'.repeat(8), false],
    ['empty', '', false],
  ];
  for (const [name, secret, isStrong] of cases) {
    await t.test(name, () => {
      const path = join(dir, 'candidate');
      writeFileSync(path, secret, { mode: 0o600 });
      const issues = issuesOf({ secretFile: path });
      equal(issues.length === 0, isStrong, issues.join());
      if (secret.length > 0) ok(!issues.join().includes(String(secret)));
    });
  }
});

test('loadConfig warns of a secret that every user can read', () => {
  const result = load({ secretFile: file('open', SECRET, 0o644) });
  ok(result.ok);
  match(result.warnings.join('\n'), /open can be read by every user; chmod 600 it/);
  ok(!result.warnings.join().includes(SECRET));
});

test('nearestName suggests only what is near', () => {
  equal(nearestName('peer-prot', ['port', 'peer-port', 'peers']), 'peer-port');
  equal(nearestName('x', ['port', 'dir']), null);
});

test('loadConfig: as many threads for clients as cores are left, and four at most', () => {
  const threads = (cores: number, flags: ConfigInput['flags'] = {}, canSharePorts = true) =>
    loaded(flags, {}, undefined, { cores, canSharePorts }).relayThreads;
  deepEqual(
    [1, 2, 3, 4, 6, 64].map((cores) => threads(cores)),
    [0, 0, 1, 2, 4, 4],
  );
  equal(threads(8, { relayThreads: 'auto' }), 4);
  equal(threads(2, { relayThreads: '7' }), 7);
  equal(threads(8, { relayThreads: '0' }), 0);
  equal(threads(8, {}, false), 0, 'where a port cannot be shared');
  equal(loaded({}, { ALTHING_RELAY_THREADS: '3' }).relayThreads, 3);
  const config = file('threads.yaml', 'relay-threads: 2\n');
  equal(loaded({ config }).relayThreads, 2);
  match(
    issuesOf({ relayThreads: '2' }, {}, undefined, { canSharePorts: false }).join(),
    /^--relay-threads \(flag\): threads share .* needs Linux and Node 23\.1 or newer; give 0/,
  );
});
