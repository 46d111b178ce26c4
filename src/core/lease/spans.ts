/**
 * How long the lease of an eventual shard's primary lasts, in ms (`docs/decisions/0012`).
 *
 * The holder counts from the moment at which it asked, the granter from when the question came in,
 * each on its own monotonic clock: the holder's lease is over first as long as the clocks differ in
 * speed by less than a tenth and whoever ends it is no later than what is left between the two.
 */

/** A tick comes every 25 ms. A lease outlives three questions that are lost. */
export const ASK_EVERY_MS = 200;
/** Without a new grant the server is shut, and has the time until `HELD_MS` to say that it is. */
export const SHUT_AFTER_MS = 800;
/** The warden kills a server then that is not known to be shut. */
export const HELD_MS = 1_200;
/** The granter lets nobody else open before. */
export const QUIET_MS = 1_500;
