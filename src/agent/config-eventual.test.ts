import { deepEqual, equal, match } from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from './config.ts';

function load(flags: Record<string, unknown>) {
  return loadConfig({
    flags: { dir: '/data', peers: '127.0.0.1:7379,127.0.0.1:7380', ...flags },
    environment: {},
    workingDir: '/',
    hostname: 'host',
    cores: 4,
    canSharePorts: true,
  });
}

function issuesOf(flags: Record<string, unknown>): string {
  const result = load(flags);
  if (result.ok) throw new Error('it was taken');
  return result.issues.map(({ path, text, todo }) => `${path} ${text}; ${todo}`).join('\n');
}

test('loadConfig: an eventual deployment, its loss bound and the priority of a node', () => {
  const given = {
    ...{ consistency: 'eventual', maxLostBytes: '1mb', priority: '7' },
    minReplicasToWrite: '1',
  };
  const result = load(given);
  if (!result.ok) throw new Error('it was not taken');
  deepEqual(result.config.eventual, { maxLostBytes: 1_048_576, minReplicasToWrite: 1 });
  equal(result.config.priority, 7);
  equal(result.config.relayThreads, 0);
  const any = load({ consistency: 'eventual', maxLostBytes: 'any' });
  deepEqual(any.ok && any.config.eventual, { maxLostBytes: null, minReplicasToWrite: 0 });
  match(issuesOf({ consistency: 'weak' }), /--consistency .*give strong or eventual/);
  match(issuesOf({ ...given, minReplicasToWrite: '64' }), /--min-replicas.*give 0 to 63/);
  match(issuesOf({ ...given, priority: '2000' }), /--priority .*give 0 to 1000/);
});

test('loadConfig: what one consistency has no use for is refused there', () => {
  const consistency = 'eventual';
  match(issuesOf({ consistency, reads: 'local' }), /--reads .*with --consistency strong; remove/);
  match(issuesOf({ consistency, localPort: '9000' }), /--local-port .*--consistency strong/);
  match(issuesOf({ consistency, relayThreads: '2' }), /--relay-threads .*--consistency strong/);
  match(issuesOf({ priority: '1' }), /--priority .*with --consistency eventual; remove/);
});

test('loadConfig: servers that follow one another must be reached from where the others are', () => {
  const peers = '10.0.0.1:7379,10.0.0.2:7379';
  match(
    issuesOf({ consistency: 'eventual', peers }),
    /10\.0\.0\.1:7379 may be elsewhere.*127\.0\.0\.1/,
  );
});
