/** The bounds of discovery, each with its reason. */

export interface DiscoveryLimits {
  readonly lookEveryMs: number;
  readonly pollEveryMs: number;
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
  readonly lookMsMax: number;
  readonly dnsKeepMs: number;
  readonly learnedKeepMs: number;
  readonly sourceAddressesMax: number;
  readonly targetsMax: number;
  readonly askedMax: number;
  readonly askMsMax: number;
  readonly peersBytesMax: number;
  readonly listPageItems: number;
  readonly listPagesMax: number;
  readonly listBytesMax: number;
  readonly lineBytesMax: number;
  readonly watchSeconds: number;
  readonly watchGraceMs: number;
  readonly watchShortMs: number;
  readonly watchAgainMs: number;
  readonly recordBytesMax: number;
}

export const DISCOVERY_LIMITS: DiscoveryLimits = {
  /** Between two questions to DNS or to peers that were answered; half of it is chance. */
  lookEveryMs: 2_000,
  /** Between two lists of the Kubernetes API: it is shared by everybody in the cluster. */
  pollEveryMs: 5_000,
  /** First pause after a failure, doubled by every further one. */
  backoffMsMin: 500,
  /** A source that is back is noticed within this. */
  backoffMsMax: 5_000,
  /** An answer later than this counts as none; the name server may be gone. */
  lookMsMax: 10_000,
  /** Some servers answer with a few of many addresses: what was named so recently still counts. */
  dnsKeepMs: 60_000,
  /** A peer that no peer names any more is forgotten after this. */
  learnedKeepMs: 600_000,
  /** Four times the most nodes; the rest of a longer answer is left out, and the status says so. */
  sourceAddressesMax: 256,
  /** Names of one SRV answer, or of peers, that are looked up in one round. */
  targetsMax: 64,
  /** Candidates asked in one round; the next round goes on with the others. */
  askedMax: 32,
  /** Their answer comes from memory. */
  askMsMax: 3_000,
  /** Addresses of 64 peers are some 10 KiB. */
  peersBytesMax: 256 * 1024,
  /** A pod is some 10 KiB of JSON. */
  listPageItems: 100,
  listPagesMax: 10,
  listBytesMax: 16 * 1024 * 1024,
  /** The API server takes no object larger than 3 MiB. */
  lineBytesMax: 4 * 1024 * 1024,
  /** A watch whose network has died in silence is noticed after this and the grace. */
  watchSeconds: 60,
  watchGraceMs: 10_000,
  /** One that ends sooner and brought nothing is not asked for again at once. */
  watchShortMs: 1_000,
  /** After a refusal to watch, lists alone do for so long. */
  watchAgainMs: 60_000,
  /** A ConfigMap with one id in it, and what the API server adds. */
  recordBytesMax: 64 * 1024,
};
