import { deepEqual, rejects } from 'node:assert/strict';
import { test } from 'node:test';
import { locateServer } from '../io/server/locate.ts';
import { settingLines } from './server-settings.ts';

const server = await locateServer({
  explicit: null,
  path: process.env['PATH'] ?? '',
  cacheDir: null,
});

test('settings that the server takes become lines of its configuration', async () => {
  deepEqual(await settingLines({ maxmemory: '10mb' }, server), ['maxmemory 10mb']);
  deepEqual(await settingLines({}, server), []);
});

test('a misspelt setting is refused with its key and a suggestion', async () => {
  const words = /SETTING_REFUSED: server\.maxmemroy: .*Bad directive.*did you mean maxmemory\?/;
  await rejects(settingLines({ maxmemroy: '10mb' }, server), words);
});

test('a bad value is refused with its key, and not repeated', async () => {
  const words = /^ServerError: SETTING_REFUSED: server\.maxmemory: [^"]*memory value; correct/;
  await rejects(settingLines({ maxmemory: 'hush' }, server), words);
});

test('a setting of ours is refused with the reason', async () => {
  await rejects(settingLines({ save: '60 1' }, server), /server\.save is set by the agent/);
});
