/** In Kubernetes: what this node is, as a label of its pod. */
import { hostname } from 'node:os';
import { KubernetesApi, kubernetesPlace } from '../io/discovery/kubernetes-api.ts';
import { PodLabel } from '../io/discovery/pod-label.ts';
import { systemPorts } from '../io/discovery/system.ts';
import type { Agent } from './agent.ts';
import { ownRole } from './view-members.ts';

/** Null outside of a pod. `POD_NAME` is for pods whose host name is not theirs. */
export function ownPodLabel({ journal, onFatal }: Pick<Agent, 'journal' | 'onFatal'>) {
  const place = kubernetesPlace(process.env);
  if (place === null) return null;
  const ports = systemPorts();
  return new PodLabel({
    api: new KubernetesApi(place, ports),
    pod: process.env['POD_NAME'] || hostname(),
    clock: ports.clock,
    log: (level, event, facts) => journal[level](event, { ...facts }),
    fatal: onFatal,
  });
}

/** The primary is who serves: one that is elected and not open yet is none. */
export function labelledRole(agent: Agent): string {
  if (agent.view.isOpenLeader()) return 'primary';
  const role = ownRole(agent);
  if (role === 'follower' || role === 'replica')
    return agent.view.isHealthy() ? 'replica' : 'starting';
  return role === 'witness' || role === 'spare' || role === 'removed' ? role : 'starting';
}
