/** INFO's text as typed facts. A section that was not asked for leaves its facts null. */

export interface ServerInfo {
  /** Every `name:value` line as it came. */
  readonly fields: ReadonlyMap<string, string>;
  readonly runId: string | null;
  /** Valkey says 7.2.4 as its `redis_version`, for clients; its own is `valkeyVersion`. */
  readonly redisVersion: string | null;
  readonly valkeyVersion: string | null;
  readonly isLoading: boolean | null;
  readonly role: 'primary' | 'replica' | null;
  readonly replid: string | null;
  readonly replid2: string | null;
  readonly replOffset: number | null;
  readonly secondReplOffset: number | null;
  readonly isLinkUp: boolean | null;
  readonly connectedReplicas: number | null;
  /** Above 0 on a follower: a command of the stream failed there, it has diverged (H3). */
  readonly unexpectedErrorReplies: number | null;
  readonly usedMemoryBytes: number | null;
  readonly maxMemoryBytes: number | null;
  readonly connectedClients: number | null;
  readonly uptimeSeconds: number | null;
}

export function parseInfo(text: string): ServerInfo {
  const fields = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon > 0 && !line.startsWith('#')) fields.set(line.slice(0, colon), line.slice(colon + 1));
  }
  const textOf = (name: string) => fields.get(name) ?? null;
  const numberOf = (name: string) => {
    const value = Number(fields.get(name));
    return fields.has(name) && Number.isFinite(value) ? value : null;
  };
  const flagOf = (name: string, yes: string) =>
    fields.has(name) ? fields.get(name) === yes : null;
  const role = fields.get('role');
  return {
    fields,
    runId: textOf('run_id'),
    redisVersion: textOf('redis_version'),
    valkeyVersion: textOf('valkey_version'),
    isLoading: flagOf('loading', '1'),
    role: role === 'master' ? 'primary' : role === 'slave' ? 'replica' : null,
    replid: textOf('master_replid'),
    replid2: textOf('master_replid2'),
    replOffset: numberOf('master_repl_offset'),
    secondReplOffset: numberOf('second_repl_offset'),
    isLinkUp: flagOf('master_link_status', 'up'),
    connectedReplicas: numberOf('connected_slaves'),
    unexpectedErrorReplies: numberOf('unexpected_error_replies'),
    usedMemoryBytes: numberOf('used_memory'),
    maxMemoryBytes: numberOf('maxmemory'),
    connectedClients: numberOf('connected_clients'),
    uptimeSeconds: numberOf('uptime_in_seconds'),
  };
}

/** `valkey 8.0.1` or `redis 7.0.15`; null when INFO did not say. */
export function versionOf(info: ServerInfo): string | null {
  if (info.valkeyVersion !== null) return `valkey ${info.valkeyVersion}`;
  return info.redisVersion === null ? null : `redis ${info.redisVersion}`;
}
