/** What COMMAND would say of those commands of the model that only read. */
import type { ListedCommand } from '../../src/core/lanes/command-rules.ts';
import { LIST_COMMANDS } from './list-commands.ts';
import { SET_HASH_COMMANDS } from './set-hash-commands.ts';
import { STRING_COMMANDS } from './string-commands.ts';

const FLAGS = new Set(['readonly']);

export const READ_COMMANDS: readonly ListedCommand[] = [
  ...STRING_COMMANDS,
  ...LIST_COMMANDS,
  ...SET_HASH_COMMANDS,
]
  .filter(({ mayReplicate }) => !mayReplicate)
  .map(({ name }) => ({ name, flags: FLAGS }));
