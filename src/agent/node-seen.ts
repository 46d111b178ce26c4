/** What a plan sees of a node: by its own hello and report. */
import type { NodeSeen } from '../core/plan/observation.ts';
import type { Hello } from '../io/peers/hello.ts';

export function nodeSeen(hello: Hello, isLeaving: boolean): NodeSeen {
  const { peerAddress, clientAddress, httpAddress, serverVersion } = hello;
  const { zone = '', ephemeral = false, witness = false } = hello;
  const facts = { peerAddress, clientAddress, httpAddress, zone, serverVersion, ephemeral };
  return {
    facts: witness ? { ...facts, witness } : facts,
    isLeaving,
  };
}
