/** Every bound of the relay, with its reason. */

export interface RelayBounds {
  /** Sessions at once, those passed through from other nodes included: the server's default. */
  readonly sessionsMax: number;
  /** How long a command waits for a route: longer than an election, shorter than patience. */
  readonly waitMs: number;
  /** Pause between two attempts to connect: a server that is just starting refuses at once. */
  readonly retryMs: number;
  /** Request bytes that wait per session; above it the client is not read. */
  readonly waitingBytesMax: number;
  /** Request bytes that wait in all sessions; above it no client is read, for `waitMs` at most. */
  readonly waitingBytesTotalMax: number;
  /** Reply bytes on their way to one client, held ones included; above it its server connection
   * is not read. What a client that never reads still asks for waits in the server, which closes
   * it at its own `client-output-buffer-limit` (`io/server/conf.ts`). */
  readonly replyBytesMax: number;
  /** Reply bytes on their way to all clients. Above it every session is bound by `replyBytesLow`:
   * who does not read must not use up what the others need. */
  readonly replyBytesTotalMax: number;
  readonly replyBytesLow: number;
  /** Reply bytes on their way to one client that a lane has brought, once others waited for it as
   * long as they must. Above it the client is closed: its replies can wait nowhere else. */
  readonly laneReplyBytesMax: number;
  /** Lanes at once: databases times users times two protocols are few. */
  readonly lanesMax: number;
  /** Connections of sessions that could do without: above it the oldest are given back. */
  readonly ownConnectionsMax: number;
  /** A command that must be seen whole to be judged; longer ones are refused. */
  readonly wholeBytesMax: number;
  /** A command that has come in part waits here for the rest, up to this: what is longer needs a
   * connection of its own. All sessions at once stay near `unfinishedBytesTotalMax`. */
  readonly gatherBytesMax: number;
  /** Unfinished commands kept in all sessions; a session that grows above it is closed. */
  readonly unfinishedBytesTotalMax: number;
  /** Largest argument that the server takes: its own `proto-max-bulk-len`, or the two would cut
   * the stream differently. */
  readonly bulkBytesMax: number;
  /** How long a client that is being closed may take to read its last replies. */
  readonly closeGraceMs: number;
  /** TCP keep-alive: a client whose machine is gone is noticed within a few of these. */
  readonly keepAliveMs: number;
}

/** All but the server's own bound, which is told by whoever wrote its configuration. */
export const RELAY_BOUNDS: Omit<RelayBounds, 'bulkBytesMax'> = {
  sessionsMax: 10_000,
  waitMs: 3_000,
  retryMs: 50,
  waitingBytesMax: 1024 * 1024,
  waitingBytesTotalMax: 128 * 1024 * 1024,
  replyBytesMax: 1024 * 1024,
  replyBytesTotalMax: 256 * 1024 * 1024,
  replyBytesLow: 64 * 1024,
  laneReplyBytesMax: 64 * 1024 * 1024,
  lanesMax: 256,
  ownConnectionsMax: 1_000,
  wholeBytesMax: 1024 * 1024,
  gatherBytesMax: 16 * 1024,
  unfinishedBytesTotalMax: 128 * 1024 * 1024,
  closeGraceMs: 5_000,
  keepAliveMs: 60_000,
};
