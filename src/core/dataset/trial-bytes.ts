/** Bytes for tests: any, and of those that mean something to a protocol more than chance has. */
const TELLING = [0, 10, 13, 34, 36, 39, 42, 43, 45, 58, 123, 125, 255];

/** The same for the same seed. */
export function bytes(seed: number, length: number): Buffer {
  let state = seed * 2_654_435_761 + 1;
  return Buffer.from(
    Array.from({ length }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      const next = state >>> 8;
      return next % 3 === 0 ? (TELLING[next % TELLING.length] as number) : next & 0xff;
    }),
  );
}
