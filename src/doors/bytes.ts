/** Byte counts as people write and read them; the suffixes mean what redis.conf says they mean. */

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1000,
  kb: 1024,
  m: 1000 ** 2,
  mb: 1024 ** 2,
  g: 1000 ** 3,
  gb: 1024 ** 3,
};

/** `64mb`, `32 KB`, `1000` to a count of bytes; null when it is not one. */
export function parseBytes(text: string): number | null {
  const [, digits = '', suffix = ''] = /^(\d{1,16})\s*([a-z]{0,2})$/i.exec(text.trim()) ?? [];
  const unit = UNITS[suffix.toLowerCase()];
  if (digits === '' || unit === undefined) return null;
  const count = Number(digits) * unit;
  return Number.isSafeInteger(count) ? count : null;
}

/** Short for a screen: `0 B`, `812 B`, `1.4 MB`. Powers of 1024, as the server's own INFO does. */
export function formatBytes(count: number): string {
  if (count < 1024) return `${count} B`;
  let scaled = count;
  let suffix = 'B';
  for (const next of ['KB', 'MB', 'GB', 'TB', 'PB']) {
    if (scaled < 1024) break;
    scaled /= 1024;
    suffix = next;
  }
  return `${scaled < 10 ? scaled.toFixed(1) : Math.round(scaled)} ${suffix}`;
}
