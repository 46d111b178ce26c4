/** Who may change something through a door: loopback, or whoever knows the deployment's secret. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** One line end at the end of a secret's file belongs to the editor, not to the secret. */
export function withoutLineEnd(content: Buffer): Buffer {
  let end = content.length;
  if (end > 0 && content[end - 1] === 0x0a) end--;
  if (end > 0 && content[end - 1] === 0x0d) end--;
  return content.subarray(0, end);
}

/** The bearer token of the HTTP door: whoever has the secret's file can compute it. */
export function httpToken(secret: Buffer): string {
  return createHmac('sha256', secret).update('althing-http').digest('hex');
}

/** Compares in constant time, whatever the lengths. */
export function isSameToken(given: string, wanted: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}

/** True for names and addresses that only this machine can reach. Brackets are accepted. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  if (bare === 'localhost' || bare === '::1') return true;
  return /^(::ffff:)?127(\.\d{1,3}){3}$/.test(bare);
}
