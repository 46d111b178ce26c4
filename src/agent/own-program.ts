/** The server program beside this node, and the settings for it, before anything is started. */
import { type LocatedServer, locateServer } from '../io/server/locate.ts';
import type { NodeConfig } from './config.ts';
import { settingLines } from './server-settings.ts';

export interface OwnProgram {
  readonly located: LocatedServer;
  /** Lines for its configuration. */
  readonly settingLines: readonly string[];
}

/** Throws what is wrong with the program or its settings. Null for a witness, which has none. */
export async function findOwnProgram({
  witness,
  serverPath,
  server,
}: Pick<NodeConfig, 'witness' | 'serverPath' | 'server'>): Promise<OwnProgram | null> {
  if (witness) return null;
  const located = await locateServer({
    explicit: serverPath,
    path: process.env['PATH'] ?? '',
    cacheDir: process.env['ALTHING_CACHE'] ?? null,
  });
  return { located, settingLines: await settingLines(server, located) };
}

/** Product and version; empty where there is none. */
export function programVersion(program: OwnProgram | null): string {
  if (program === null) return '';
  const { product, major, minor, patch } = program.located.flavor;
  return `${product} ${major}.${minor}.${patch}`;
}
