/** What strong mode makes of a server's answer to `ROLE`. */
import type { Role } from '../../core/psync/role.ts';
import { replOffset } from '../../core/scalars.ts';
import type { RoleSeen } from './ports.ts';

export function roleSeen(role: Role): RoleSeen {
  switch (role.kind) {
    case 'primary':
      return { kind: 'primary', offset: role.offset, replicas: role.replicas.length };
    case 'replica':
      return {
        kind: 'replica',
        isConnected: role.link === 'connected' && role.offset !== null,
        offset: role.offset ?? replOffset(0),
      };
    case 'busy':
    case 'loading':
      return { kind: 'busy', text: role.kind };
    case 'unreadable':
      return { kind: 'failed', text: role.text };
  }
}
