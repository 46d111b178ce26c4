/** Settings of the server, judged by our rules and then by the server itself. */
import type { ServerSettings } from '../core/control/spec.ts';
import { ServerError } from '../io/server/errors.ts';
import type { LocatedServer } from '../io/server/locate.ts';
import { CLIENT_SETTINGS, checkSettings } from '../io/server/settings.ts';
import { trySettings } from '../io/server/try-settings.ts';
import { nearestName } from './config-issue.ts';

/** Servers do not list what they know without running: what people set most, for suggestions. */
const OFTEN_SET = ['maxmemory', 'maxmemory-policy', 'maxmemory-samples', 'databases', 'io-threads'];

/** Throws SETTING_REFUSED, before anything was started. */
export async function assertSettings(map: ServerSettings, server: LocatedServer): Promise<void> {
  const { refused } = await judgeSettings(map, server);
  if (refused.size === 0) return;
  const words = [...refused].map(([name, why]) => `server.${name} ${why}`);
  throw new ServerError('SETTING_REFUSED', words.join('; '));
}

/** Those that this server starts with, and why it does not with each of the others. */
export async function judgeSettings(
  map: ServerSettings,
  { path }: LocatedServer,
): Promise<{ usable: ServerSettings; refused: ReadonlyMap<string, string> }> {
  const refused = new Map<string, string>();
  const checked = checkSettings(map);
  if (!checked.ok) for (const { name, reason } of checked.problems) refused.set(name, reason);
  for (;;) {
    const rest = Object.entries(map).filter(([name]) => !refused.has(name));
    const usable = Object.fromEntries(rest);
    const lines = linesOf(usable);
    const found = lines.length === 0 ? null : await trySettings(path, lines);
    if (found === null) return { usable, refused };
    const [name = ''] = found.line.split(' ');
    if (!(name in usable))
      throw new ServerError('SERVER_FAILED', `${path} refuses what it was not given: ${name}`);
    const nearest = nearestName(name, [...OFTEN_SET, ...Object.keys(CLIENT_SETTINGS)]);
    const todo =
      nearest === null || nearest === name ? 'correct or remove it' : `did you mean ${nearest}?`;
    // Its value may be a secret of the server: it is not repeated.
    refused.set(name, `is refused: ${path} says ${found.reason}; ${todo}`);
  }
}

/** Of what was judged. */
export function linesOf(usable: ServerSettings): readonly string[] {
  const checked = checkSettings(usable);
  return checked.ok ? checked.lines : [];
}
