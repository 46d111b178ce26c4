/**
 * Who answers reads that come in on a follower. leader: it does. local: the follower's own server,
 * never older than what the connection has seen of the leader. linearizable: the same server, once
 * it has applied all that was acknowledged to anybody before the read came.
 */
export const READS_MODES = ['leader', 'local', 'linearizable'] as const;
export type ReadsMode = (typeof READS_MODES)[number];

export function isReadsMode(value: unknown): value is ReadsMode {
  return READS_MODES.some((mode) => mode === value);
}
