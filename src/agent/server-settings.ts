/** The `server:` map of the configuration, judged by our rules and then by the server itself. */
import { ServerError } from '../io/server/errors.ts';
import type { LocatedServer } from '../io/server/locate.ts';
import { CLIENT_SETTINGS, checkSettings } from '../io/server/settings.ts';
import { trySettings } from '../io/server/try-settings.ts';
import { nearestName } from './config-issue.ts';

/** Servers do not list what they know without running: what people set most, for suggestions. */
const OFTEN_SET = ['maxmemory', 'maxmemory-policy', 'maxmemory-samples', 'databases', 'io-threads'];

/** Lines for the server's configuration. Throws SETTING_REFUSED, before anything was started. */
export async function settingLines(
  map: Readonly<Record<string, string>>,
  { path }: LocatedServer,
): Promise<readonly string[]> {
  const checked = checkSettings(map);
  if (!checked.ok) {
    const words = checked.problems.map(({ name, reason }) => `server.${name} ${reason}`);
    throw new ServerError('SETTING_REFUSED', words.join('; '));
  }
  if (checked.lines.length === 0) return [];
  const refused = await trySettings(path, checked.lines);
  if (refused === null) return checked.lines;
  const [name = ''] = refused.line.split(' ');
  const nearest = nearestName(name, [...OFTEN_SET, ...Object.keys(CLIENT_SETTINGS)]);
  const todo =
    nearest === null || nearest === name ? 'correct or remove it' : `did you mean ${nearest}?`;
  // Its value may be a secret of the server: it is not repeated.
  throw new ServerError(
    'SETTING_REFUSED',
    `server.${name}: ${path} says ${refused.reason}; ${todo}`,
  );
}
