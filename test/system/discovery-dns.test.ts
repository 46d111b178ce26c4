/**
 * Discovery over a real name server whose answers change while it runs: round-robin names, short
 * names, SRV records, names that do not exist, a server that is gone and comes back.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from './deployment.ts';
import type { Picture } from './discovery-watch.ts';
import { OwnResolver, whyNoResolver } from './own-resolver.ts';
import { until } from './processes.ts';

const PATIENCE_MS = 10_000;
const KEEP_MS = 600;
const LIMITS = { lookEveryMs: 60, backoffMsMin: 60, backoffMsMax: 200, dnsKeepMs: KEEP_MS };
const SRV_FLAG = '--srv-host=_peers._tcp.shop.svc.test';
const A_RECORDS = 'dns:orders:7379';
const SRV_RECORDS = 'srv:_peers._tcp.shop';

test('addresses follow a real name server, whatever it answers', async (t) => {
  const why = whyNoResolver();
  if (why !== null) return t.skip(why);
  const watch = join(ROOT, 'test', 'system', 'discovery-watch.ts');
  const given = 'orders; srv:_peers._tcp.shop';
  const resolver = new OwnResolver(
    { after: (fn) => t.after(fn) },
    {
      // As in a pod: a short name is one of the search domain's.
      resolvConf: ['search svc.test', 'options ndots:5 timeout:1 attempts:1'],
      ownAddress: '10.1.0.2/24',
      command: [process.execPath, watch, given, JSON.stringify(LIMITS)],
    },
  );
  const picture = (what: string, holds: (seen: Picture) => boolean): Promise<Picture> =>
    until(what, PATIENCE_MS, () => {
      const seen = resolver.lastLine === '' ? null : (JSON.parse(resolver.lastLine) as Picture);
      return seen !== null && holds(seen) && seen;
    }).catch((error: Error) => {
      throw new Error(`${error.message}; last seen: ${resolver.lastLine}`);
    });
  const shows = (what: string, ...candidates: string[]): Promise<Picture> =>
    picture(what, (seen) => seen.candidates.join() === candidates.join());

  const says = (what: string, source: string, words: string | null): Promise<Picture> =>
    picture(what, ({ errors }) => {
      const said = errors[source] ?? null;
      return words === null ? said === null : (said ?? '').startsWith(words);
    });

  await says('no name server', A_RECORDS, 'orders: the name server does not answer');
  const asked = '_peers._tcp.shop.svc.test';
  await says('likewise', SRV_RECORDS, `SRV records of ${asked}: the name server does not answer`);

  const three = ['10.1.0.1', '10.1.0.2', 'fd00::3'].map((host) => `${host} orders.svc.test`);
  await resolver.serve([...three, '10.1.0.9 other.svc.test']);
  const seen = await shows('all three', '10.1.0.1:7379', '10.1.0.2:7379', '[fd00::3]:7379');
  assert.equal(seen.own, '10.1.0.2:7379');
  await says('no complaint', A_RECORDS, null);
  await says('no such records', SRV_RECORDS, '_peers._tcp.shop has no SRV records');

  resolver.rewrite(['10.1.0.2 orders.svc.test', '10.1.0.4 orders.svc.test']);
  await picture('a new one', ({ candidates }) => candidates.includes('10.1.0.4:7379'));
  await shows('those that are gone are forgotten', '10.1.0.2:7379', '10.1.0.4:7379');

  await resolver.endServer();
  await says('it is gone', A_RECORDS, 'orders: the name server does not answer');
  await new Promise((resolve) => setTimeout(resolve, 2 * KEEP_MS));
  await shows('what it said last stays', '10.1.0.2:7379', '10.1.0.4:7379');

  const targets = ['a.svc.test,7401', 'a.svc.test,7402', 'b.svc.test,7401'];
  await resolver.serve(
    ['10.1.0.5 a.svc.test', '10.1.0.6 b.svc.test'],
    targets.map((target) => `${SRV_FLAG},${target}`),
  );
  const ports = ['10.1.0.5:7401', '10.1.0.5:7402', '10.1.0.6:7401'];
  const moved = await shows('SRV brings the ports', ...ports);
  assert.equal(moved.own, null);
  await says('the name is gone', A_RECORDS, 'orders has no addresses');
  await says('SRV is well', SRV_RECORDS, null);
});
