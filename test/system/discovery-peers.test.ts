/** One address of one node is enough to find a deployment: peers tell of peers over HTTP. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Discovery } from '../../src/io/discovery/discovery.ts';
import { parseSources } from '../../src/io/discovery/specification.ts';
import { systemPorts } from '../../src/io/discovery/system.ts';
import { Deployment } from './deployment.ts';
import { until } from './processes.ts';
import { atEnd } from './scope.ts';

const PATIENCE_MS = 10_000;
const LIMITS = { lookEveryMs: 60, backoffMsMin: 60, backoffMsMax: 100, learnedKeepMs: 500 };

test('all nodes are found from one, and one that has died is forgotten', async (t) => {
  const deployment = await Deployment.agents(t);
  const discoveryOf = (name: string): Discovery => {
    const parsed = parseSources(`127.0.0.1:${deployment.peerPort(0)}`, 7379);
    assert.ok(parsed.ok);
    const discovery = new Discovery({
      specs: parsed.specs,
      peers: { name, httpPort: deployment.httpPort(0) },
      kubernetes: null,
      ports: systemPorts(),
      onChange: () => undefined,
      log: () => undefined,
      fatal: (error) => {
        throw error;
      },
      limits: LIMITS,
    });
    atEnd(t, () => discovery.stop());
    discovery.start();
    return discovery;
  };
  const addressesOf = (...nodes: number[]) =>
    nodes.map((i) => `127.0.0.1:${deployment.peerPort(i)}`).join();
  const { name } = await deployment.status(0);
  const discovery = discoveryOf(name);
  const shows = (what: string, wanted: string) =>
    until(what, PATIENCE_MS, () => {
      const seen = discovery.candidates().map(({ text }) => text);
      return seen.join() === wanted;
    });
  await shows('all three', addressesOf(0, 1, 2));

  const stranger = discoveryOf('another');
  const errorOf = () => stranger.status().at(-1)?.lastError?.text ?? '';
  await until('a refusal', PATIENCE_MS, () => errorOf().includes(`called "${name}", not another`));
  assert.equal(stranger.candidates().length, 1);

  await deployment.stopNode(2, 'SIGKILL');
  await shows('the two that live', addressesOf(0, 1));
});
