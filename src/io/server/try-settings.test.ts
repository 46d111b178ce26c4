import { deepEqual, equal, match } from 'node:assert/strict';
import { test } from 'node:test';
import { trialServers } from './trial.ts';
import { trySettings } from './try-settings.ts';

for (const { path } of await trialServers()) {
  test(`${path}: settings that it knows are taken, and nothing keeps running`, async () => {
    equal(await trySettings(path, []), null);
    equal(await trySettings(path, ['maxmemory 10mb', 'maxmemory-policy allkeys-lru']), null);
  });

  test(`${path}: the first line that it refuses is told with its reason`, async () => {
    deepEqual(await trySettings(path, ['hz 10', 'maxmemroy 10mb', 'nonsense 1']), {
      line: 'maxmemroy 10mb',
      reason: 'Bad directive or wrong number of arguments',
    });
    match((await trySettings(path, ['maxmemory abc']))?.reason ?? '', /memory value/);
  });
}
