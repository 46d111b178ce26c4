/**
 * The primary of an eventual deployment is cut off, its packets dropped: it takes no write beside
 * the next one, and what it took that never got out is counted, kept and told.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { whyNoHosts } from '../../faults/hosts.ts';
import { HELD_MS } from '../../src/core/lease/spans.ts';
import { EventualMachines } from './eventual-machines.ts';
import { EventualWriter, missingKeys, Prober } from './eventual-watch.ts';
import { figures } from './figures.ts';
import { until } from './processes.ts';

const FAILOVER_MS_MAX = 20_000;
/** Between what the test notes and what the machine did, when it is busy. */
const LATE_MS = 1_000;
/** Until a former primary that was cut off is killed. */
const ALONE_MS = 500;

interface Told {
  readonly bytes: number;
  readonly isExact: boolean;
  readonly path: string;
}

/** What a node said last of writes that it alone had. */
function lossTold(log: string): Told | null {
  const line = log.split('\n').findLast((each) => each.includes('"primary.lostWrites"'));
  return line === undefined ? null : (JSON.parse(line) as Told);
}

/** The last so many bytes of the append-only file that was kept; all where they are a guess. */
function keptEnd({ path, bytes, isExact }: Told): string {
  const directory = join(path, 'appendonlydir');
  const parts = readdirSync(directory).filter((name) => name.endsWith('.incr.aof'));
  const all = Buffer.concat(parts.map((name) => readFileSync(join(directory, name))));
  return all.subarray(isExact ? -bytes : 0).toString();
}

for (const harm of ['comes back', 'is killed'] as const)
  test(`a primary that is cut off and ${harm}: never two, and its last writes are told`, async (t) => {
    const reason = whyNoHosts();
    if (reason !== null) return t.skip(reason);
    const machines = await EventualMachines.build(t);
    const watched = { places: machines.sockets, password: machines.password };
    const prober = new Prober(t, watched);
    const waited = new EventualWriter(t, watched, 'v', 2);
    const former = await machines.settled();
    const own = { ...watched, places: [machines.sockets[former] as string] };
    const alone = new EventualWriter(t, own, 'alone', 0);
    await until('writes are taken', FAILOVER_MS_MAX, () => alone.acknowledged.length > 20);
    const history = prober.last?.history ?? '';
    await machines.isolate(former);
    const cutMs = performance.now();
    if (harm === 'is killed') {
      await sleep(ALONE_MS);
      await machines.kill(former);
    }
    const first = await until('another takes writes', FAILOVER_MS_MAX, () =>
      prober.firstAfter(cutMs, history),
    );
    const last = prober.taken.findLast((each) => each.history === history);
    await sleep(HELD_MS);
    await machines.heal();
    if (harm === 'is killed') machines.start(former);
    await Promise.all([alone.stop(), waited.stop()]);
    assert.notEqual(await machines.settled(), former);
    assert.deepEqual(prober.strays, [], 'no write is taken beside a newer primary');
    assert.ok((last?.ackedMs ?? 0) < cutMs + HELD_MS + LATE_MS, 'it is shut within its lease');
    const next = first.node;
    assert.deepEqual(await missingKeys(watched, next, waited.acknowledged), []);
    const lost = await missingKeys(watched, next, alone.acknowledged);
    assert.ok(lost.length > 0, 'it took some alone');
    const told = lossTold(machines.log(former));
    assert.ok(told !== null, 'it says so');
    assert.equal(told.isExact, harm === 'comes back');
    const kept = keptEnd(told);
    assert.deepEqual(
      lost.filter((key) => !kept.includes(key)),
      [],
      'the file that was kept has them all',
    );
    figures(`eventual-partition-${harm.split(' ')[0]}`, {
      failoverMs: first.ackedMs - cutMs,
      aloneMs: (last?.ackedMs ?? 0) - cutMs,
      lostWrites: lost.length,
      lostBytes: told.bytes,
      waited: waited.acknowledged.length,
    });
  });
