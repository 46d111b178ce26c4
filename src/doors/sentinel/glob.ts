/**
 * Patterns as servers match channels with (`stringmatchlen`): `*`, `?`, `[ab]`, `[^a-c]`, `\x`.
 *
 * Cost: at most pattern times text, however many stars there are, since only the last star is ever
 * tried again.
 */
export function isGlobMatch(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let starAt = 0;
  while (t < text.length) {
    if (pattern[p] === '*') {
      star = p++;
      starAt = t;
      continue;
    }
    const next = matchOne(pattern, p, text[t] as string);
    if (next > 0) {
      p = next;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++starAt;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

/** Where the pattern goes on when its item at `p` matches the character; 0 when it does not. */
function matchOne(pattern: string, p: number, character: string): number {
  const item = pattern[p];
  if (item === undefined) return 0;
  if (item === '?') return p + 1;
  if (item === '[') return matchClass(pattern, p, character);
  if (item === '\\' && p + 1 < pattern.length) return pattern[p + 1] === character ? p + 2 : 0;
  return item === character ? p + 1 : 0;
}

/** A class without its bracket ends with the pattern, as in servers. */
function matchClass(pattern: string, from: number, character: string): number {
  let p = from + 1;
  const isNot = pattern[p] === '^';
  if (isNot) p++;
  let isIn = false;
  while (p < pattern.length && pattern[p] !== ']') {
    if (pattern[p] === '\\' && p + 1 < pattern.length) {
      isIn ||= pattern[++p] === character;
    } else if (pattern[p + 1] === '-' && p + 2 < pattern.length) {
      const [low = '', high = ''] = [pattern[p], pattern[p + 2]].toSorted();
      isIn ||= low <= character && character <= high;
      p += 2;
    } else {
      isIn ||= pattern[p] === character;
    }
    p++;
  }
  return isIn === isNot ? 0 : Math.min(p + 1, pattern.length);
}
