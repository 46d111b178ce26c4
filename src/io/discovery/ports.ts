/** What discovery needs of the world. `system.ts` is the real one. */

/** Monotonic. */
export interface Clock {
  nowMs(): number;
  /** Ends early, and normally, when `signal` aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/**
 * The names of this machine's resolver. Failures are a `DiscoveryError`; a name that does not
 * exist, or has no such record, is no failure but an empty answer.
 */
export interface Names {
  /** IPv4 and IPv6 addresses, as every other program here gets them: search domains, hosts file. */
  addresses(name: string): Promise<readonly string[]>;
  /** SRV records of exactly this name. */
  services(name: string): Promise<readonly { readonly host: string; readonly port: number }[]>;
}

export interface WebRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Certificates, PEM, of who may vouch for an https server; null: those that Node knows. */
  readonly ca: string | null;
  /** Of the whole exchange, body included. */
  readonly msMax: number;
  readonly signal: AbortSignal;
}

export interface WebAnswer {
  readonly status: number;
  /** Throws a `DiscoveryError` when the connection breaks. Leaving the loop closes it. */
  readonly body: AsyncIterable<Uint8Array>;
}

export interface WebChange extends WebRequest {
  readonly method: 'POST' | 'PATCH';
  /** Of the type that the headers say. */
  readonly body: string;
}

export interface Web {
  /** Follows no redirect. Throws a `DiscoveryError` when there is no answer. */
  get(request: WebRequest): Promise<WebAnswer>;
  /** The same, with a body to take. It may have been taken where there is no answer. */
  change(change: WebChange): Promise<WebAnswer>;
}

export interface Files {
  /** Throws a `DiscoveryError` when it cannot be read. */
  read(path: string): Promise<string>;
}

export interface DiscoveryPorts {
  readonly clock: Clock;
  readonly names: Names;
  readonly web: Web;
  readonly files: Files;
  /** From 0 up to, not including, 1. */
  readonly chance: () => number;
}
