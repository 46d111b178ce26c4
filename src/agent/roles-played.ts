/** An eventual deployment's part of a node, as the assembly sees it. */
import { type EventualSpec, isEventual, type Spec } from '../core/control/spec.ts';
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
  if (spec === null || isEventual(spec) === (roles !== null)) return null;
  const was = isEventual(spec) ? 'eventual' : 'strong';
  return new Error(
    `WRONG_CONSISTENCY: this deployment was founded with --consistency ${was}; ` +
      'start this node so, or in an empty directory as a node of another deployment',
  );
}
