/** For tests: a server that follows nobody and takes no writes of clients. */
import type { ServerSeen } from './ports.ts';

export const TRIAL_SEEN: ServerSeen = {
  role: 'replica',
  history: '1'.repeat(40),
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
