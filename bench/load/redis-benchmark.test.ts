import { deepEqual, throws } from 'node:assert/strict';
import { test } from 'node:test';
import { parseCsv } from './redis-benchmark.ts';

test('parseCsv finds the row of the command, whatever is around it', () => {
  const output =
    'WARNING: Could not fetch server CONFIG\n' +
    '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms",' +
    '"p99_latency_ms","max_latency_ms"\n' +
    '"GET","1075268.75","0.651","0.280","0.631","0.871","0.959","1.143"\n';
  deepEqual(parseCsv(output, 'get'), {
    perSecond: 1075268.75,
    p50Ms: 0.631,
    p99Ms: 0.959,
    maxMs: 1.143,
    curve: [
      [50, 0.631],
      [95, 0.871],
      [99, 0.959],
      [100, 1.143],
    ],
  });
  throws(() => parseCsv(output, 'set'), /no p50/);
});
