/**
 * What the relay refuses or answers by itself, and why; the server's own ACL is the second wall.
 */
import type { CommandRules } from '../core/lanes/command-rules.ts';
import { DENIED } from '../io/server/acl.ts';
import { CLIENT_SETTINGS } from '../io/server/settings.ts';

/** `replicasHolding`: how many other nodes hold whatever was answered, since a majority does. */
export function commandRules(replicasHolding: () => number): CommandRules {
  const denied = Object.entries(DENIED).map(
    ([name, why]) => [name.replace('|', ' ').toUpperCase(), why] as const,
  );
  return {
    denied: new Map(denied),
    configAllowed: new Set(Object.keys(CLIENT_SETTINGS)),
    waitReply: () => replicasHolding(),
  };
}
