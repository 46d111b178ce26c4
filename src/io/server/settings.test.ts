import { deepEqual, equal, match, notEqual, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { CLIENT_SETTINGS, checkSettings, ownedBecause } from './settings.ts';

test('checkSettings renders what people may set', () => {
  deepEqual(
    checkSettings({
      maxmemory: '1gb',
      'activedefrag-enabled': true,
      hz: 20,
      'notify-keyspace-events': '',
      'oom-score-adj-values': '0 200 800',
    }),
    {
      ok: true,
      lines: [
        'maxmemory 1gb',
        'activedefrag-enabled yes',
        'hz 20',
        'notify-keyspace-events ""',
        'oom-score-adj-values 0 200 800',
      ],
    },
  );
});

test('checkSettings refuses what the agent owns, and says why, all problems at once', () => {
  const checked = checkSettings({
    Port: 1,
    maxmemory: '1gb',
    'cluster-enabled': 'yes',
    'repl-timeout': 3,
  });
  ok(!checked.ok);
  deepEqual(
    checked.problems.map(({ name }) => name),
    ['Port', 'cluster-enabled', 'repl-timeout'],
  );
  match(checked.problems[0]?.reason ?? '', /is set by the agent: clients come through the agent/);
  equal(ownedBecause('maxmemory-policy'), null);
  equal(ownedBecause('appendfsync') === null, false);
  for (const name of ['loglevel', 'busy-reply-threshold', 'lua-time-limit'])
    notEqual(ownedBecause(name), null, name);
});

test('clients may change nothing that is ours or must be equal everywhere', () => {
  for (const name of Object.keys(CLIENT_SETTINGS)) {
    equal(ownedBecause(name), null, name);
    equal(name, name.toLowerCase());
  }
  for (const name of ['databases', 'proto-max-bulk-len', 'maxmemory', 'maxmemory-policy', 'save']) {
    equal(name in CLIENT_SETTINGS, false, name);
  }
});

test('checkSettings lets no value or name begin another line', () => {
  for (const settings of [{ maxmemory: '1gb\nport 1' }, { 'a b': '1' }, { '': '1' }, { '#': 1 }]) {
    equal(checkSettings(settings).ok, false, JSON.stringify(settings));
  }
});
