/**
 * Hosts and addresses as people write them, and IP addresses in one spelling each, so that the same
 * place named by two sources is seen to be one. Pure.
 */
import { isIP, isIPv4, isIPv6, SocketAddress } from 'node:net';

/** An IP address, IPv6 without brackets, and a port. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

const PORT_MAX = 65_535;

/** A host without port: name, IPv4, or IPv6 with or without brackets; comes out with brackets. */
export function parseHost(given: string): string | null {
  const bare = bareHost(given);
  if (isIPv6(bare)) return `[${bare}]`;
  if (bare !== given) return null;
  if (isIPv4(given)) return given;
  // All digits and dots is an IPv4 address that went wrong, not a name.
  if (/^[\d.]+$/.test(given)) return null;
  return /^[A-Za-z0-9_]([A-Za-z0-9._-]{0,252})$/.test(given) ? given : null;
}

export function bareHost(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}

/** From 1 to 65535 in digits, else null. */
export function parsePort(text: string): number | null {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= PORT_MAX ? port : null;
}

/** `host` or `host:port`; the host comes out bare, the port null where none is given. */
export function parseHostPort(text: string): { host: string; port: number | null } | null {
  const whole = parseHost(text);
  if (whole !== null) return { host: bareHost(whole), port: null };
  const [, hostText = '', portText = ''] = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(text) ?? [];
  const host = parseHost(hostText);
  const port = parsePort(portText);
  return host === null || port === null ? null : { host: bareHost(host), port };
}

export function addressText({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/**
 * The one spelling of an IP address that another machine may be asked at; null for what is none:
 * names, "all addresses", multicast, and link-local ones, which mean nothing without an interface.
 */
export function placeHost(text: string): string | null {
  if (text.includes('%') || isIP(text) === 0) return null;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text)?.[1];
  if (mapped !== undefined) return placeHost(mapped);
  if (isIPv4(text)) {
    const first = Number(text.split('.')[0]);
    return first === 0 || first >= 224 ? null : text;
  }
  const { address } = new SocketAddress({ address: text, family: 'ipv6' });
  return address === '::' || /^(ff|fe[89ab])/.test(address) ? null : address;
}

export function isLoopbackHost(host: string): boolean {
  return host === '::1' || /^127\./.test(host);
}

/** By text, so that every node lists the same addresses in the same order. */
export function byText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
