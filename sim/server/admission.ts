/** What the server refuses before it runs it, in the order in which it looks. */
import type { Client } from './client.ts';
import type { Command } from './command.ts';
import type { Engine } from './engine.ts';

const NO_REPLICAS = 'NOREPLICAS Not enough good replicas to write.';
const READ_ONLY = "READONLY You can't write against a read only replica.";
const MASTER_DOWN =
  "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";

/** The error's text; null when the command may be queued or run. */
export function refusalOf(
  engine: Engine,
  client: Client,
  command: Command | undefined,
  words: readonly string[],
): string | null {
  if (command === undefined) return unknown(words);
  const { arity } = command;
  if (arity > 0 ? words.length !== arity : words.length < -arity) {
    return `ERR wrong number of arguments for '${command.name.toLowerCase()}' command`;
  }
  if (client.isPrimary) return null;
  if (!client.isAuthenticated && !command.needsNoAuth) return 'NOAUTH Authentication required.';
  const { transaction } = client;
  const nests = engine.flavor.nestingSpoils && ['MULTI', 'WATCH'].includes(command.name);
  if (transaction !== null && (command.inTransaction === 'refused' || nests)) {
    return 'ERR Command not allowed inside a transaction';
  }
  // EXEC is what its commands are.
  const queued = command.name === 'EXEC' && transaction !== null ? transaction.commands : [];
  const isAny = (test: (each: Command) => boolean): boolean =>
    queued.some((each) => test(engine.commandOf(each) as Command));
  if (command.isWrite || isAny((each) => each.isWrite)) {
    const refusal = writeRefusal(engine, client);
    if (refusal !== null) return refusal;
  }
  const isAlone = engine.link.isOn && !engine.link.isConnected;
  if (!isAlone || engine.settings.flag('replica-serve-stale-data')) return null;
  return command.isForStale && !isAny((each) => !each.isForStale) ? null : MASTER_DOWN;
}

/** Also what a script is told when it may not write. */
export function writeRefusal(engine: Engine, client: Client): string | null {
  if (client.isPrimary) return null;
  if (engine.link.isOn) return engine.settings.flag('replica-read-only') ? READ_ONLY : null;
  const wanted = engine.settings.number('min-replicas-to-write');
  return engine.replicas.goodCount < wanted ? NO_REPLICAS : null;
}

function unknown(words: readonly string[]): string {
  const rest = words.slice(1).map((word) => `'${word.slice(0, 128)}' `);
  const seen = rest.join('').slice(0, 128);
  return `ERR unknown command '${words[0]?.slice(0, 128)}', with args beginning with: ${seen}`;
}
