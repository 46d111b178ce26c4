/** Clocks of nodes that are apart: a time that is left is one, and what has expired stays so. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { buildShims } from '../../faults/shims/build.ts';
import { RIGHT_CLOCK } from '../../faults/shims/control.ts';
import { NodeShims } from '../../faults/shims/node-shims.ts';
import { Deployment } from './deployment.ts';
import { until } from './processes.ts';
import { fileScope } from './scope.ts';
import { Wire } from './wire.ts';

const built = await buildShims();
const skip = 'skipped' in built ? built.skipped : false;

const APART_MS = 5_000;
const KEYS = 20;
const LIFE_MS = 600;
/** For questions one after the other, on a loaded machine. */
const MEANWHILE_MS = 2_000;
const STEP_MS = 40_000;

const shims: NodeShims[] = [];
const scope = fileScope();
let deployment: Deployment;

before(async () => {
  if (skip !== false) return;
  const library = 'path' in built ? built.path : '';
  deployment = await Deployment.agents(scope, {
    environmentOf: (i, { dir }) => {
      const dataDirectory = join(dir, `node${i + 1}`);
      shims[i] ??= new NodeShims({ library, dataDirectory, scratch: join(dir, `shim${i + 1}`) });
      return { ...shims[i].environment };
    },
  });
});

async function leadBy(i: number): Promise<void> {
  await until(`node${i + 1} leads`, STEP_MS, async () => {
    if ((await deployment.leader()) === i) return true;
    await deployment.switchover(i).catch(() => undefined);
    return false;
  });
  await deployment.ready();
}

test('Q80, X44: with clocks five seconds apart a time is one for all, and the expired stay so', {
  skip,
}, async () => {
  const [ahead, right, behind] = [0, 1, 2] as const;
  shims[ahead]?.control.setClock({ ...RIGHT_CLOCK, offsetMs: APART_MS });
  shims[behind]?.control.setClock({ ...RIGHT_CLOCK, offsetMs: -APART_MS });
  const times: number[] = [];
  for (const i of deployment.indices) {
    const around = new Wire(await deployment.serverSocket(i));
    const [seconds] = (await around.must('TIME')) as string[];
    times.push(Number(seconds) * 1_000);
    around.close();
  }
  const [first = 0, , last = 0] = times;
  assert.ok(first - last > APART_MS, 'servers go by the clocks of their nodes');
  await leadBy(right);

  const wires = deployment.ports.map((port) => new Wire(port));
  await wires[0]?.must('SET', 'long', 'v', 'PX', 100_000);
  const left = await Promise.all(wires.map((wire) => wire.must('PTTL', 'long')));
  const [most, least] = [Math.max(...left.map(Number)), Math.min(...left.map(Number))];
  assert.ok(most - least < MEANWHILE_MS, `${left}`);
  for (const wire of wires) wire.close();

  // Expired for a client of one leader, and looked for under the next, whose clock says otherwise.
  for (const [first, next] of [
    [right, behind],
    [ahead, behind],
    [ahead, right],
  ] as const) {
    await leadBy(first);
    const wire = new Wire(deployment.port(first));
    const keys = Array.from({ length: KEYS }, (_, n) => `${first}:${next}:${n}`);
    for (const key of keys) await wire.must('SET', key, 'v', 'PX', LIFE_MS);
    for (const key of keys)
      await until(`${key} expired`, STEP_MS, async () => (await wire.must('GET', key)) === null);
    wire.close();
    await leadBy(next);
    const other = new Wire(deployment.port(next));
    for (const key of keys) assert.equal(await other.must('GET', key), null, key);
    other.close();
  }
  await deployment.assertIdentical();
});
