import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { nodeId } from '../../core/scalars.ts';
import { NO_HISTORY, type ServerSeen } from './ports.ts';
import { Telling } from './telling.ts';

const A = nodeId('a@00000001');
const B = nodeId('b@00000001');
const SEEN: ServerSeen = {
  role: 'replica',
  history: NO_HISTORY,
  offset: 0,
  leftAt: null,
  upstream: null,
  isLinkUp: false,
  isLoading: false,
  isOnDisk: true,
  isShut: true,
  minReplicas: 0,
  replicas: [],
};

/** At which ticks of the next `ticks` somebody is told, and who. */
function told(telling: Telling, ticks: number, seenAt: (tick: number) => ServerSeen | null) {
  return Array.from({ length: ticks }, (_, tick) => telling.tick(seenAt(tick), A)).flatMap(
    (who, tick) => (who === null ? [] : [`${tick} ${who}`]),
  );
}

test('each look is told once, to who leads; all are told now and then; silence is told, too', () => {
  const telling = new Telling();
  const looks = Array.from({ length: 4 }, () => ({ ...SEEN }));
  const seenAt = (tick: number) => looks[tick >> 3] ?? null;
  deepEqual(told(telling, 32, seenAt), ['0 leader', '8 leader', '16 leader', '24 leader']);
  deepEqual(
    told(telling, 8, () => looks[3] ?? null),
    ['4 leader', '7 all'],
  );
  deepEqual(
    told(telling, 30, () => looks[3] ?? null),
    ['11 leader', '23 leader'],
  );
  deepEqual(
    told(telling, 2, () => null),
    ['0 leader'],
    'that it is down is news',
  );
  deepEqual(telling.tick(null, B), 'leader', 'another leads, and knows nothing');
});
