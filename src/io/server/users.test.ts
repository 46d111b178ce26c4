import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { ALLOWED, DENIED, EVENTUAL_DENIED, FOLLOWER_DENIED } from './acl.ts';
import type { Admin } from './admin.ts';
import { startTrial, trialServers } from './trial.ts';
import { type ClientUser, parseUsers, USERS_MAX, userRules } from './users.ts';

function usersIn(text: string): readonly ClientUser[] {
  const parsed = parseUsers(text);
  ok(parsed.ok, parsed.ok ? '' : parsed.text);
  return parsed.users;
}

function one(rules: string): ClientUser {
  const [user] = usersIn(`user app on >word ${rules}`);
  ok(user);
  return user;
}

test('parseUsers reads lines of an ACL file, and keeps hashes of passwords only', () => {
  const hash = createHash('sha256').update('word').digest('hex');
  const app = 'user app on >word ~App:* %R~other:* &news +@Read +SET\r\n';
  const text = `# who may what\n\n${app}user open nopass +ping\n`;
  deepEqual(usersIn(text), [
    {
      name: 'app',
      credentials: [`#${hash}`],
      rules: ['~App:*', '%R~other:*', '&news', '+@read', '+set'],
    },
    { name: 'open', credentials: ['nopass'], rules: ['+ping'] },
  ]);
});

test('parseUsers refuses what gives away the guarantees, with the line and what to do', () => {
  const cases: [string, RegExp][] = [
    ['app on >word', /line 1 begins no user/],
    ['user default on >word', /begins no user of yours/],
    ['user althing on >word', /begins no user of yours/],
    ['user app ~*', /no password/],
    ['user app >word +@dangerous', /gives @dangerous.*name the commands/],
    ['user app >word +@ADMIN', /gives @admin/],
    ['user app >word +replicaof', /gives replicaof, which nobody has: replication belongs/],
    ['user app >word +acl|setuser', /nobody has: users belong/],
    ['user app >word off', /no rule/],
    ['user app >word (+@all ~*)', /no rule/],
    ['user app >word <word', /no rule/],
    ['user app >word ~"x', /no rule/],
    ['user app >word reset', /no rule/],
    ['user app >word\nuser app >other', /line 2 is the second one of app/],
    [Array.from({ length: USERS_MAX + 1 }, (_, i) => `user u${i} nopass`).join('\n'), /too many/],
  ];
  for (const [text, words] of cases) {
    const parsed = parseUsers(text);
    equal(parsed.ok, false, text);
    const said = parsed.ok ? '' : `${parsed.text}; ${parsed.todo}`;
    match(said, words);
    ok(
      !/word(?!s)/.test(said.replace('has a word', '')) || !text.includes('<'),
      'no password in it',
    );
  }
});

for (const located of await trialServers()) {
  const name = located.flavor.product;

  async function mayRun(admin: Admin, user: string, words: readonly string[]): Promise<boolean> {
    const verdict = await admin.call(['ACL', 'DRYRUN', user, ...words]);
    return !/has no permissions/.test(typeof verdict === 'string' ? verdict : String(verdict));
  }

  /** With as many arguments as it wants at least; null: this server does not know it. */
  async function wordsOf(admin: Admin, command: string): Promise<string[] | null> {
    const [info] = (await admin.must(['COMMAND', 'INFO', command])) as unknown as [
      [string, number] | null,
    ];
    if (info === null) return null;
    const words = command.split('|');
    while (words.length < Math.abs(info[1])) words.push('1');
    return words;
  }

  test(`${name}: a user with all rights has those of all clients, and no other`, async (t) => {
    const { server } = await startTrial(t, located);
    const admin = await server.admin();
    const listed = [DENIED, ALLOWED, FOLLOWER_DENIED].flatMap((each) => Object.keys(each));
    const names = ['get', 'set', 'eval', ...listed];
    const asked = await Promise.all(names.map((each) => wordsOf(admin, each)));
    const commands = asked.filter((words) => words !== null);
    ok(commands.length > 80);
    const all = one('allkeys allchannels +@all');
    await admin.must(['ACL', 'SETUSER', all.name, ...userRules(all, 'leader')]);
    for (const words of commands)
      equal(
        await mayRun(admin, all.name, words),
        await mayRun(admin, 'default', words),
        words.join(' '),
      );
    for (const [as, beyond] of [
      ['follower', FOLLOWER_DENIED],
      ['eventual', EVENTUAL_DENIED],
    ] as const) {
      await admin.must(['ACL', 'SETUSER', all.name, ...userRules(all, as)]);
      for (const command of Object.keys(beyond)) {
        const words = (await wordsOf(admin, command)) ?? [];
        equal(await mayRun(admin, all.name, words), false, `${as}: ${command}`);
      }
    }
    admin.close();
  });

  test(`${name}: of what is dangerous a user has what it names, and what was not taken later`, async (t) => {
    const { server } = await startTrial(t, located);
    const admin = await server.admin();
    const cases: [string, string[], string[]][] = [
      ['~* +@read', ['get k', 'role', 'hello'], ['set k v', 'keys *', 'flushall', 'info']],
      ['~* +@read +keys +info', ['keys *', 'info'], ['flushall', 'config get port']],
      ['~* +@all -@write', ['get k', 'role'], ['flushall', 'info', 'set k v']],
      ['~* +@all -flushall', ['flushdb', 'info'], ['flushall']],
      [
        '~* +config +client',
        ['config get port', 'client list'],
        ['config rewrite', 'client pause 1'],
      ],
      ['~app:* +@all', ['set app:1 v'], ['set k v', 'replicaof no one']],
      ['~* +script +function', ['script exists 1'], ['script debug yes', 'function restore x']],
    ];
    for (const [rules, may, mayNot] of cases) {
      await admin.must(['ACL', 'SETUSER', 'app', ...userRules(one(rules), 'leader')]);
      for (const words of may)
        equal(await mayRun(admin, 'app', words.split(' ')), true, `${rules}: ${words}`);
      for (const words of mayNot)
        equal(await mayRun(admin, 'app', words.split(' ')), false, `${rules}: ${words}`);
    }
    admin.close();
  });
}
