/**
 * The configuration file of a server that loads files of others, for as long as they are read: it
 * listens on a private socket, and writes nothing but what its own file needs.
 */
import { AGENT_USER, quote, socketPathOf } from './conf.ts';
import { sha256 } from './users.ts';

/** Below the data directory, as in the manifest there. */
export const SCRATCH_AOF = { directory: 'appendonlydir', name: 'appendonly.aof' } as const;

export interface ScratchConf {
  /** Private to this server, emptied before every start. */
  readonly runDir: string;
  /** What it loads: an append-only directory with its manifest. */
  readonly scratchDir: string;
  /** Of `AGENT_USER`; random, for this life of the server. */
  readonly agentPassword: string;
}

export function renderScratchConf({ runDir, scratchDir, agentPassword }: ScratchConf): string {
  const lines = [
    'port 0',
    `unixsocket ${quote(socketPathOf(runDir))}`,
    'unixsocketperm 700',
    'protected-mode no',
    'daemonize no',
    'supervised no',
    'logfile ""',
    // What it says of a file that is cut off is passed on.
    'loglevel notice',
    `dir ${quote(scratchDir)}`,
    'appendonly yes',
    `appenddirname ${SCRATCH_AOF.directory}`,
    `appendfilename ${SCRATCH_AOF.name}`,
    'appendfsync no',
    'aof-load-truncated yes',
    'auto-aof-rewrite-percentage 0',
    'save ""',
    'shutdown-timeout 0',
    'crash-memcheck-enabled no',
    // Whatever the other server had: more are refused when it loads, and an empty one costs little.
    'databases 4096',
    'proto-max-bulk-len 1gb',
    'client-output-buffer-limit normal 0 0 0',
    'enable-debug-command no',
    'enable-module-command no',
    'user default off',
    `user ${AGENT_USER} reset on #${sha256(agentPassword)} ~* &* +@all`,
  ];
  return `${lines.join('\n')}\n`;
}
