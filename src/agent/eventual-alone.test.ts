/** Over real servers: one was the primary, and the next one has left its history behind. */
import { deepEqual, equal } from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { test } from 'node:test';
import { versionText } from '../io/server/flavor.ts';
import { trialServers } from '../io/server/trial.ts';
import { countAlone } from './eventual-alone.ts';
import { AOF_DIRECTORY, type Tail } from './eventual-record.ts';
import { monotonicMs } from './monotonic.ts';
import { TrialServer } from './trial-eventual-server.ts';

const LEASE_MS = 60_000;

for (const located of await trialServers())
  test(`${versionText(located.flavor)} has what came behind a point, and the file more than that`, async (t) => {
    const [former, next] = [await TrialServer.make(t, located), await TrialServer.make(t, located)];
    await former.take({ kind: 'promote' });
    await former.take({ kind: 'open', untilMs: monotonicMs() + LEASE_MS, minReplicas: 0 });
    t.after(() => former.server.disarm(former.life));
    await next.take({ kind: 'follow', address: former.address });
    await next.seen(({ isLinkUp }) => isLinkUp);
    await former.call('SET', 'before', 'it was recorded');
    const { history, offset: since } = await former.seen(({ isOnDisk }) => isOnDisk);
    const path = `${former.directory}/data/${AOF_DIRECTORY}/appendonly.aof.1.incr.aof`;
    const tail: Tail = { since, path, position: (await stat(path)).size };
    await former.call('SET', 'shared', 'x'.repeat(100));
    await former.call('WAIT', '1', '5000');
    const { offset } = await former.seen();
    await next.seen((seen) => seen.offset >= offset);
    await next.take({ kind: 'promote' });
    const { leftAt } = await next.seen(({ role }) => role === 'primary');
    const from = { history, offset: leftAt ?? 0 };
    const whole = await former.seen(({ isOnDisk }) => isOnDisk);
    equal(whole.history, history);
    const size = (await stat(path)).size;
    await former.call('SET', 'alone', 'y');
    await former.seen(({ isOnDisk, offset: at }) => isOnDisk && at > whole.offset);
    const alone = (await stat(path)).size - size;
    await former.kill();

    const endpoint = { host: '127.0.0.1', port: Number(next.address.split(':')[1]) };
    const known = { endpoint, password: 'between servers' };
    deepEqual(await countAlone(tail, from, known), { bytes: alone, isShort: false });
    const end = { ...tail, position: size + alone };
    deepEqual(await countAlone(end, from, known), { bytes: 0, isShort: true });
    equal(await countAlone({ ...tail, since: from.offset + 1 }, from, known), null);
    equal(await countAlone(tail, from, { ...known, password: 'another' }), null);
    const other = { ...from, history: '9'.repeat(40) };
    equal(await countAlone(tail, other, known), null, 'nobody has that');
  });
