import { deepEqual, rejects } from 'node:assert/strict';
import { test } from 'node:test';
import { locateServer } from '../io/server/locate.ts';
import { assertSettings, judgeSettings, linesOf } from './server-settings.ts';

const server = await locateServer({
  explicit: null,
  path: process.env['PATH'] ?? '',
  cacheDir: null,
});

test('settings that the server takes become lines of its configuration', async () => {
  const { usable, refused } = await judgeSettings({ maxmemory: '10mb' }, server);
  deepEqual([linesOf(usable), refused.size], [['maxmemory 10mb'], 0]);
  deepEqual(linesOf((await judgeSettings({}, server)).usable), []);
});

test('a misspelt setting is refused with its key and a suggestion', async () => {
  const words =
    /SETTING_REFUSED: server\.maxmemroy is refused: .*Bad directive.*did you mean maxmemory\?/;
  await rejects(assertSettings({ maxmemroy: '10mb' }, server), words);
});

test('a bad value is refused with its key, and not repeated', async () => {
  const words =
    /^ServerError: SETTING_REFUSED: server\.maxmemory is refused: [^"]*memory value; correct/;
  await rejects(assertSettings({ maxmemory: 'hush' }, server), words);
});

test('a setting of ours is refused with the reason', async () => {
  await rejects(assertSettings({ save: '60 1' }, server), /server\.save is set by the agent/);
});

test('what a server does not take is told, and the rest is taken', async () => {
  const map = { hz: '20', maxmemroy: '1', save: '60 1', maxmemory: 'hush', databases: '20' };
  const { usable, refused } = await judgeSettings(map, server);
  deepEqual(usable, { hz: '20', databases: '20' });
  deepEqual([...refused.keys()].toSorted(), ['maxmemory', 'maxmemroy', 'save']);
});
