import { equal, match, ok } from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { resp, type TrialClient, TrialRelay } from '../io/relay/trial-server.ts';
import { ALLOWED, DENIED_CATEGORIES, deniedCommands } from '../io/server/acl.ts';
import type { Admin } from '../io/server/admin.ts';
import { versionText } from '../io/server/flavor.ts';
import type { LocatedServer } from '../io/server/locate.ts';
import { CLIENT_SETTINGS } from '../io/server/settings.ts';
import { startTrial, trialServers } from '../io/server/trial.ts';
import { commandRules } from './command-rules.ts';

/** Commands that answer nothing, or not at once, when given these tests' arguments. */
const SILENT = new Set(['sync', 'psync']);

for (const located of await trialServers()) {
  const name = versionText(located.flavor);

  test(`${name}: every denied command is refused with its reason, however it is sent`, async (t) => {
    const { admin, relay } = await start(t, located);
    const denied = deniedCommands(await commandsOf(admin, DENIED_CATEGORIES));
    ok(denied.length > 40);
    for (const { command, reason } of denied) {
      const words = await wordsOf(admin, command);
      const mixed = words.map((word) => word.replace(/./g, (c, i) => (i % 2 ? c : upper(c))));
      const title = command.replace('|', ' ').toUpperCase();
      const refusal = `-NOPERM ${title}: ${reason}\r\n`;
      const client = await relay.client();
      for (const sent of [words, words.map(upper), mixed]) {
        await client.expect(resp(...sent), refusal);
        await client.expect(`${sent.join(' ')}\r\n`, refusal);
      }
      await client.expect(`${mixed.map((word) => JSON.stringify(word)).join('  ')}\n`, refusal);
      const queued = `+OK\r\n+QUEUED\r\n*1\r\n${refusal}`;
      await client.expect(`MULTI\r\n${resp(...mixed)}EXEC\r\n`, queued);
      await client.expect(`multi\r\n${words.join(' ')}\r\nexec\r\n`, queued);
      client.socket.destroy();
    }
  });

  test(`${name}: no other command is refused`, async (t) => {
    const { admin, relay } = await start(t, located);
    const inCategories = await commandsOf(admin, DENIED_CATEGORIES);
    const denied = new Set(deniedCommands(inCategories).map(({ command }) => command));
    const all = (await admin.must(['COMMAND', 'LIST'])) as string[];
    const allowed = all.filter((command) => !denied.has(command) && command !== 'config|set');
    ok(allowed.length > 300, `${allowed.length}`);
    for (const command of Object.keys(ALLOWED)) ok(all.includes(command), command);
    const first = async (command: string): Promise<void> => {
      const words = await wordsOf(admin, command);
      const client = await relay.client();
      const reply = await replyTo(client, words);
      equal(/NOPERM|no permissions/.test(reply), false, `${command}: ${reply}`);
      client.socket.destroy();
    };
    for (const command of allowed) await first(command);
  });

  test(`${name}: clients may change what is harmless, and nothing else`, async (t) => {
    const { admin, relay } = await start(t, located);
    const flat = (await admin.must(['CONFIG', 'GET', '*'])) as string[];
    const client = await relay.client();
    for (let i = 0; i < flat.length; i += 2) {
      const [parameter = '', value = ''] = flat.slice(i, i + 2);
      for (const sent of [parameter, upper(parameter)]) {
        const reply = await replyTo(client, ['config', 'SET', sent, value]);
        if (parameter in CLIENT_SETTINGS) equal(reply, '+OK\r\n', sent);
        else match(reply, /^-NOPERM CONFIG SET: '.*' is set by the deployment/, sent);
      }
    }
    const pairs = ['slowlog-max-len', '99', 'maxmemory', '1gb'];
    match(await replyTo(client, ['CONFIG', 'SET', ...pairs]), /^-NOPERM CONFIG SET: 'maxmemory'/);
    const later = await replyTo(client, ['CONFIG', 'GET', 'slowlog-max-len']);
    equal(later.includes('99'), false);
  });
}

async function start(t: TestContext, located: LocatedServer) {
  const { server } = await startTrial(t, located);
  const admin = await server.admin();
  const rules = commandRules(() => 1);
  const relay = await TrialRelay.open({ path: server.socketPath }, { rules });
  relay.relay.setRoute({ kind: 'open', reign: 1 });
  t.after(() => {
    relay.close();
    admin.close();
  });
  return { admin, relay };
}

async function commandsOf(admin: Admin, categories: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  for (const category of categories) {
    for (const word of (await admin.must(['ACL', 'CAT', category])) as string[]) found.add(word);
  }
  return [...found];
}

/** The command with as many arguments as it takes at least. */
async function wordsOf(admin: Admin, command: string): Promise<string[]> {
  const words = command.split('|');
  const [info] = (await admin.must(['COMMAND', 'INFO', command])) as unknown as [[string, number]];
  while (words.length < Math.abs(info[1])) words.push('1');
  return words;
}

async function replyTo(client: TrialClient, words: readonly string[]): Promise<string> {
  ok(!SILENT.has(words[0] ?? ''));
  client.send(resp(...words));
  return client.take((received) => received.endsWith('\n'));
}

function upper(text: string): string {
  return text.toUpperCase();
}
