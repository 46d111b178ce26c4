/** What every command tells the shell. */
export const EXIT = {
  /** Done; for `status`: healthy. */
  done: 0,
  /** Failed; for `status`: something is wrong. */
  failed: 1,
  usage: 2,
  /** No agent answers at the URL. */
  unreachable: 3,
} as const;
