import { equal } from 'node:assert/strict';
import { test } from 'node:test';
import { MonitorFilter } from './monitor-filter.ts';

const FENCE = '+1700000000.123456 [0 unix:/run/s] "RoLe"\r\n';
const OTHERS = [
  '+OK\r\n',
  '+1700000000.123456 [0 unix:/run/s] "ROLE"\r\n',
  '+1700000000.123456 [0 unix:/run/s] "GET" "x] \\"RoLe\\""\r\n',
  '+1700000000.123456 [0 unix:/run/s] "ECHO" "RoLe"\r\n',
  `+1700000000.123456 [0 unix:/run/s] "SET" "k" "${'v'.repeat(400)}"\r\n`,
  '$12\r\n] "RoLe"\r\nab\r\n',
];

test('MonitorFilter takes out fences and nothing else, wherever the stream is cut', () => {
  const stream = Buffer.from(FENCE + OTHERS.map((line) => line + FENCE).join(FENCE));
  for (let cut = 0; cut <= stream.length; cut++) {
    const filter = new MonitorFilter();
    const shown = [stream.subarray(0, cut), stream.subarray(cut)].map((chunk) =>
      filter.push(chunk).toString(),
    );
    equal(shown.join(''), OTHERS.join(''), `cut at ${cut}`);
  }
});

test('MonitorFilter keeps no more of an unfinished line than a fence is long', () => {
  const filter = new MonitorFilter();
  equal(filter.push(Buffer.from(`+1 [0 x] "SET" "${'v'.repeat(1_000)}`)).length, 1_016);
  equal(filter.push(Buffer.from('more"\r\n')).toString(), 'more"\r\n');
  equal(filter.push(Buffer.from(FENCE)).length, 0);
});
