import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { type DiskSight, DiskWatch } from './disk-watch.ts';

const LIMITS = { diskWaitTicksMax: 3, handOverRetryTicks: 5, unpersistedBytesMax: 100 };
const IDLE: DiskSight = { isOpen: true, hasPeers: true, diskWaitTicks: 0, unpersistedBytes: 0 };

function world() {
  const said: string[] = [];
  const watch = new DiskWatch(LIMITS, {
    setDiskBehind: (isBehind) => said.push(isBehind ? 'behind' : 'caught up'),
    handOver: () => said.push('handOver'),
  });
  const see = (sight: Partial<DiskSight>, ticks = 1) => {
    for (let i = 0; i < ticks; i++) watch.tick({ ...IDLE, ...sight });
    return said.splice(0);
  };
  return see;
}

test('a leader whose disk keeps a write waiting hands over, and tries again after a while', () => {
  const see = world();
  deepEqual(see({ diskWaitTicks: 2 }, 10), []);
  deepEqual(see({ diskWaitTicks: 3 }), ['handOver']);
  deepEqual(see({ diskWaitTicks: 3 }, 4), []);
  deepEqual(see({ diskWaitTicks: 3 }), ['handOver']);
});

test('who does not lead, or leads alone, has nothing to hand over', () => {
  const see = world();
  deepEqual(see({ diskWaitTicks: 9, isOpen: false }, 10), []);
  deepEqual(see({ diskWaitTicks: 9, hasPeers: false }, 10), []);
});

test('clients are not read while the disk is far behind the log, until it is half way back', () => {
  const see = world();
  deepEqual(see({ unpersistedBytes: 100 }), []);
  deepEqual(see({ unpersistedBytes: 101 }), ['behind']);
  deepEqual(see({ unpersistedBytes: 51 }), []);
  deepEqual(see({ unpersistedBytes: 50 }), ['caught up']);
  deepEqual(see({ unpersistedBytes: 101 }), ['behind']);
  deepEqual(see({ unpersistedBytes: 500, isOpen: false }), ['caught up']);
});
