/** The server program beside this node, and whether it takes its settings, before any starts. */
import { versionText } from '../io/server/flavor.ts';
import { type LocatedServer, locateServer } from '../io/server/locate.ts';
import type { NodeConfig } from './config.ts';
import { assertSettings } from './server-settings.ts';

/** Throws what is wrong with the program or its settings. Null for a witness, which has none. */
export async function findOwnProgram({
  witness,
  serverPath,
  server,
}: Pick<NodeConfig, 'witness' | 'serverPath' | 'server'>): Promise<LocatedServer | null> {
  if (witness) return null;
  const located = await locateServer({
    explicit: serverPath,
    path: process.env['PATH'] ?? '',
    cacheDir: process.env['ALTHING_CACHE'] ?? null,
  });
  await assertSettings(server, located);
  return located;
}

/** Product and version; empty where there is none. */
export function programVersion(program: LocatedServer | null): string {
  return program === null ? '' : versionText(program.flavor);
}
