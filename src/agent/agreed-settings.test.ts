import { deepEqual, equal, match } from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { ServerSettings } from '../core/control/spec.ts';
import { ErrorReply, type Reply } from '../core/resp/reply-reader.ts';
import { AgreedSettings, type Judged } from './agreed-settings.ts';

const LOOK_TICKS = 3;
const DEFAULTS = { hz: '10', maxmemory: '0', 'io-threads': '1', databases: '16' };

/** A server as it is towards settings: it has its own words for sizes, and some only at start. */
class TrialServer {
  values: Record<string, string> = {};
  state: 'up' | 'down' | 'busy' = 'up';
  asked: string[] = [];

  readonly call = async ([
    ,
    verb = '',
    name = '',
    value = '',
  ]: readonly string[]): Promise<Reply> => {
    await turn();
    if (this.state === 'down') return null;
    if (this.state === 'busy') return new ErrorReply('BUSY a script is running');
    if (verb === 'GET') return name in this.values ? [name, this.values[name] ?? ''] : [];
    this.asked.push(`${name}=${value}`);
    if (name === 'io-threads') return new ErrorReply("ERR can't set immutable config");
    this.values[name] = own(value);
    return 'OK';
  };
}

function own(value: string): string {
  return value === '1kb' ? '1024' : value;
}

/** Everything that was begun has ended. */
async function settle(): Promise<void> {
  for (let i = 0; i < 60; i++) await turn();
}

function trial(configured: ServerSettings = {}) {
  const server = new TrialServer();
  const notes: string[] = [];
  let isAsked = true;
  const judge = async (given: ServerSettings): Promise<Judged | null> => {
    await turn();
    if (!isAsked) return null;
    const refused = new Map('port' in given ? [['port', 'is set by the agent']] : []);
    const { port: _, ...usable } = given;
    return { usable, refused };
  };
  const settings = new AgreedSettings({
    own: configured,
    judge,
    call: server.call,
    note: (_, event) => notes.push(event),
    fatal: (error) => {
      throw error;
    },
    lookTicks: LOOK_TICKS,
  });
  const start = (): void => {
    const lines = Object.entries(settings.atStart()).map(([name, value]) => [name, own(value)]);
    server.values = { ...DEFAULTS, ...Object.fromEntries(lines) };
  };
  const look = async (): Promise<void> => {
    for (let i = 0; i < LOOK_TICKS; i++) settings.tick();
    await settle();
  };
  const agree = async (agreed: ServerSettings): Promise<void> => {
    await settings.agree(agreed);
    await settle();
  };
  const pending = () => Object.fromEntries(settings.view.map((each) => [each.name, each.pending]));
  const setAsked = (is: boolean): void => {
    isAsked = is;
  };
  start();
  return { server, settings, notes, start, look, agree, pending, setAsked };
}

test('what the server takes is in force at once, and in every later life', async () => {
  const { server, settings, agree, start, look } = trial();
  await agree({ maxmemory: '1kb', hz: '20' });
  deepEqual([server.values['maxmemory'], server.values['hz']], ['1024', '20']);
  deepEqual(settings.view, [
    { name: 'hz', value: '20', pending: null },
    { name: 'maxmemory', value: '1kb', pending: null },
  ]);
  start();
  equal(server.values['maxmemory'], '1024');
  server.asked = [];
  await look();
  await look();
  deepEqual(server.asked, [], 'it started with them');
});

test('what it takes at its start only is pending until then', async () => {
  const { server, agree, start, look, pending } = trial();
  await agree({ 'io-threads': '4', hz: '20' });
  match(pending()['io-threads'] ?? '', /must start again for it: ERR can't set immutable/);
  deepEqual([pending()['hz'], server.values['hz']], [null, '20']);
  server.asked = [];
  await look();
  deepEqual(server.asked, [], 'it has said so');
  start();
  await look();
  deepEqual([pending()['io-threads'], server.values['io-threads']], [null, '4']);
});

test('what was pending is nothing any more when it is taken out, or wanted as it is', async () => {
  const { server, settings, agree, look } = trial();
  await agree({ 'io-threads': '4' });
  await agree({ 'io-threads': '8' });
  deepEqual(server.asked, ['io-threads=4', 'io-threads=8']);
  await agree({ 'io-threads': '1' });
  deepEqual(settings.view, [{ name: 'io-threads', value: '1', pending: null }]);
  await agree({ 'io-threads': '8' });
  await agree({});
  await look();
  deepEqual(settings.view, []);
});

test('what it would not even start with is told, and kept out of its configuration', async () => {
  const { settings, agree, pending, notes } = trial();
  await agree({ port: '1', hz: '20' });
  deepEqual(pending(), { port: 'is set by the agent', hz: null });
  deepEqual(settings.atStart(), { hz: '20' });
  deepEqual(notes, ['settings.refused', 'settings.set']);
});

test('one that is taken out is what it was before, where that is known', async () => {
  const { server, settings, agree, start, look } = trial();
  await agree({ hz: '20', maxmemory: '1kb' });
  await agree({ maxmemory: '1kb' });
  equal(server.values['hz'], '10');
  equal(settings.view.length, 1);
  start();
  await agree({});
  equal(server.values['maxmemory'], '1024');
  match(settings.view[0]?.pending ?? '', /keeps it until it starts again/);
  equal(settings.view[0]?.value, null);
  start();
  await look();
  deepEqual([server.values['maxmemory'], settings.view], ['0', []]);
});

test('the configuration of the node counts where the spec says nothing', async () => {
  const { server, notes, agree } = trial({ hz: '50', maxmemory: '1kb' });
  await agree({ hz: '20' });
  deepEqual([server.values['hz'], server.values['maxmemory']], ['20', '1024']);
  equal(notes.includes('settings.overruled'), true);
  await agree({});
  equal(server.values['hz'], '50');
});

test('what a client sets otherwise is set again at the next look', async () => {
  const { server, agree, look } = trial();
  await agree({ hz: '20', maxmemory: '1kb' });
  await look();
  server.values['hz'] = '99';
  server.asked = [];
  await look();
  deepEqual([server.values['hz'], server.asked], ['20', ['hz=20']]);
});

test('what a client sets otherwise soon after a start is set again too', async () => {
  const { server, settings, agree, look, start } = trial();
  await agree({ hz: '20' });
  start();
  settings.tick();
  await settle();
  server.values['hz'] = '99';
  await look();
  equal(server.values['hz'], '20');
});

test('a server that is down or busy is asked again, and its next life needs no asking', async () => {
  for (const state of ['down', 'busy'] as const) {
    const { server, agree, look, pending } = trial();
    server.state = state;
    await agree({ hz: '20' });
    match(pending()['hz'] ?? '', /does not answer now/);
    server.state = 'up';
    await look();
    deepEqual([pending()['hz'], server.values['hz']], [null, '20'], state);
  }
});

test('a program that cannot be asked now is asked again, and meanwhile nothing is risked', async () => {
  const { server, settings, agree, look, pending, setAsked } = trial();
  setAsked(false);
  await agree({ hz: '20' });
  deepEqual(settings.atStart(), {});
  match(pending()['hz'] ?? '', /asked again/);
  match((await settings.refusal({ hz: '1' })) ?? '', /cannot be asked now/);
  setAsked(true);
  await look();
  deepEqual([pending()['hz'], server.values['hz']], [null, '20']);
});

test('changes that come while one is under way end with the last of them', async () => {
  const { server, settings, pending } = trial();
  for (let n = 1; n <= 20; n++) {
    void settings.agree({ hz: `${n}` });
    if (n % 3 === 0) await turn();
  }
  await settle();
  await settle();
  deepEqual([server.values['hz'], pending()['hz']], ['20', null]);
});

test('an order for what cannot be is refused with its reason', async () => {
  const { settings } = trial();
  equal(await settings.refusal({ hz: '20', maxmemory: null, port: null }), null);
  match((await settings.refusal({ port: '1', hz: '20' })) ?? '', /^server\.port is set by/);
  match((await settings.refusal({ databases: '4' })) ?? '', /^databases: .*before .* is founded$/);
});
