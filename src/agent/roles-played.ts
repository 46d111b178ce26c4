/** An eventual deployment's part of a node, as the assembly sees it. */
import {
  type EventualSpec,
  isEventual,
  isSharded,
  type Spec,
  shardsOf,
} from '../core/control/spec.ts';
import type { Observation } from '../core/plan/observation.ts';
import type { Notice } from '../core/raft/driver.ts';
import type { ControlGroup } from './control/control-group.ts';

/** The roles of an eventual deployment's servers, which follow from what is agreed on here. */
export interface RolesPlayed {
  readonly founding: EventualSpec;
  opened(group: ControlGroup): void;
  noticed(notice: Notice): void;
  changed(): void;
  observe(seen: Observation): Observation;
}

/** Why this node cannot be of a deployment with this spec: no consistency becomes the other. */
export function foundedOtherwise(spec: Spec | null, roles: RolesPlayed | null): Error | null {
  if (spec === null) return null;
  if (isEventual(spec) === (roles !== null)) return foundedInOtherShards(spec, roles);
  const was = isEventual(spec) ? 'eventual' : 'strong';
  return new Error(
    `WRONG_CONSISTENCY: this deployment was founded with --consistency ${was}; ` +
      'start this node so, or in an empty directory as a node of another deployment',
  );
}

/** Nor does one shard become many: servers are a cluster from their first start, or never. */
function foundedInOtherShards(spec: Spec, roles: RolesPlayed | null): Error | null {
  if (roles === null || isSharded(spec) === shardsOf(roles.founding) > 1) return null;
  const shards = shardsOf(spec.eventual);
  return new Error(
    `WRONG_SHARDS: this deployment has ${shards}, so start this node with --shards ${shards}; ` +
      'or in an empty directory as a node of another deployment',
  );
}
