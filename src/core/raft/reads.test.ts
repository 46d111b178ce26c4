import { equal } from 'node:assert/strict';
import { test } from 'node:test';
import { Rounds } from './reads.ts';

test('a wanted round starts heartbeats at once when none are under way', () => {
  const rounds = new Rounds();
  rounds.begin();
  equal(rounds.want(rounds.next), true);
  rounds.beginHeartbeat();
  equal(rounds.last, 2);
});

test('what is wanted while heartbeats are under way shares the next ones', () => {
  const rounds = new Rounds();
  rounds.want(1);
  rounds.beginHeartbeat();
  equal(rounds.want(rounds.next), false);
  equal(rounds.want(rounds.next), false);
  equal(rounds.confirm(1), true);
  equal(rounds.isHeartbeatDue, true);
  rounds.beginHeartbeat();
  equal(rounds.confirm(2), true);
  equal(rounds.isHeartbeatDue, false);
});

test('heartbeats under way that are young enough are enough', () => {
  const rounds = new Rounds();
  rounds.beginHeartbeat();
  equal(rounds.want(1), false);
  rounds.confirm(1);
  equal(rounds.isHeartbeatDue, false);
  equal(rounds.want(1), false);
});

test('a round from the future asks for no more than the next broadcast', () => {
  const rounds = new Rounds();
  equal(rounds.want(1000), true);
  rounds.beginHeartbeat();
  rounds.confirm(1);
  equal(rounds.isHeartbeatDue, false);
});
