/** What a server's own COMMAND says: flags that tell what may not share a connection. */

import type { ListedCommand } from '../core/lanes/command-rules.ts';
import type { Reply } from '../core/resp/reply-reader.ts';

/** What cannot be read is left out: the relay's own tables hold without it. */
export function parseCommands(reply: Reply): ListedCommand[] {
  if (!Array.isArray(reply)) return [];
  const commands: ListedCommand[] = [];
  for (const entry of reply as readonly Reply[]) {
    if (!Array.isArray(entry)) continue;
    const [name, , flags] = entry as readonly Reply[];
    if (typeof name !== 'string' || !Array.isArray(flags)) continue;
    commands.push({ name, flags: new Set((flags as readonly Reply[]).map(String)) });
  }
  return commands;
}
