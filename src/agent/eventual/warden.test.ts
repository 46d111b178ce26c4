import { equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { Warden } from './warden.ts';

test('a server that may be open is killed when its time is over, and not before', () => {
  const warden = new Warden();
  ok(!warden.mustKill(1e9), 'it starts shut');
  warden.extend(1_200);
  ok(!warden.mustKill(1_199));
  ok(warden.mustKill(1_200));
  warden.extend(1_400);
  warden.extend(1_300);
  equal(warden.dueMs, 1_400);
  warden.disarm();
  ok(!warden.mustKill(1e9), 'it was seen to be shut');
});

test('a server without its agent is killed, shut or not', () => {
  const warden = new Warden();
  warden.agentGone();
  ok(warden.mustKill(0));
});
