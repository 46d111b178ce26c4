/**
 * `althing up`: a whole deployment on this machine, one agent process per node, supervised.
 *
 * It shows what the nodes say of themselves and decides nothing for them. However it ends, the
 * agents end with it, and their servers with them; the data stays.
 */
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentDeath } from './agent-process.ts';
import { agentEnvironment, agentProgram } from './agent-program.ts';
import { addressesOf, Deployment } from './deployment.ts';
import type { Display } from './display.ts';
import { type Choice, LiveScreen } from './live-screen.ts';
import { PlainLines } from './plain-lines.ts';
import { findBusyPort } from './port-holder.ts';
import { findServer } from './server-binary.ts';
import { defaultStateDirectory, openStateDirectory } from './state-directory.ts';
import { Trials } from './trials.ts';
import { UpError } from './up-error.ts';

export interface UpOptions {
  readonly nodes: number;
  readonly basePort: number;
  readonly dir: string | null;
  readonly fresh: boolean;
  readonly restart: boolean;
  readonly server: string | null;
  readonly logLimit: string | null;
  /** Null: one node of several on a machine has none. */
  readonly relayThreads: string | null;
  readonly passwordFile: string | null;
  readonly localPorts: boolean;
  readonly sentinelPorts: boolean;
  readonly isEventual: boolean;
  /** Null: one. */
  readonly shards: { readonly count: number; readonly replicas: number } | null;
  /** From where the first node brings data in; null: nothing is brought in. */
  readonly importData: string | null;
}

const PORT_MAX = 65_535;
const DONE = 0;
const FAILED = 1;
const LOOK_EVERY_MS = 500;

export async function up(options: UpOptions): Promise<number> {
  try {
    return await run(options);
  } catch (error) {
    if (!(error instanceof UpError)) throw error;
    process.stderr.write(`althing up: ${error.message}\n`);
    return FAILED;
  }
}

async function run(options: UpOptions): Promise<number> {
  const server = findServer(options.server, process.env);
  const addresses = addressesOf(options.nodes, options.basePort, {
    hasLocal: options.localPorts,
    hasSentinel: options.sentinelPorts,
    hasBus: options.shards !== null,
  });
  assertPorts(options.basePort, addresses);
  const directory = openStateDirectory(
    options.dir ?? defaultStateDirectory(process.env),
    addresses.map(({ node }) => node),
    options.fresh,
  );
  const busy = await findBusyPort(addresses, directory.path);
  if (busy !== null) throw new UpError(busy);

  const stop = new AbortController();
  let display: Display | null = null;
  let down = 0;
  const deployment = new Deployment({
    directory,
    addresses,
    server,
    restart: options.restart,
    logLimit: options.logLimit,
    // What has no meaning in an eventual deployment is refused there only where it was given.
    relayThreads: options.relayThreads ?? (options.isEventual ? null : '0'),
    isEventual: options.isEventual,
    shards: options.shards,
    importData: importPath(options),
    passwordFile: options.passwordFile,
    secretFile: directory.secretFile,
    program: agentProgram(process.env),
    environment: agentEnvironment(process.env),
    onDeath: (death) => {
      display?.say(deathText(death));
      down += death.restarts ? 0 : 1;
      // Agents that refuse their settings will refuse them for ever.
      if (options.restart && down === addresses.length) stop.abort(FAILED);
    },
  });
  const trials = new Trials(deployment, options.passwordFile, (text) => display?.say(text));
  const onKey = (choice: Choice): void => {
    if (choice === 'quit') stop.abort(DONE);
    else trials.choose(choice);
  };
  const onTerminal = process.stdout.isTTY === true && process.stdin.isTTY === true;
  display = onTerminal
    ? new LiveScreen({ directory: directory.path, trials, onKey })
    : new PlainLines((line) => process.stdout.write(`${line}\n`));
  return await serve(deployment, display, stop, directory.path, trials);
}

function assertPorts(basePort: number, addresses: ReturnType<typeof addressesOf>): void {
  if (addresses.some(({ sentinel }) => sentinel !== null && sentinel > PORT_MAX))
    throw new UpError(
      `--base-port ${basePort} leaves no room for Sentinel ports 20000 above; ` +
        'give a lower one, or --no-sentinel',
    );
  if (addresses.some(({ bus }) => bus !== null && bus > PORT_MAX))
    throw new UpError(
      `--base-port ${basePort} leaves no room for the servers' own ports 10000 above; ` +
        'give a lower one',
    );
}

/** As whoever typed it means it, wherever the agents run. */
function importPath({ importData, isEventual }: UpOptions): string | null {
  if (importData === null) return null;
  if (!isEventual)
    throw new UpError('--import-data is for deployments with --consistency eventual');
  return resolve(importData);
}

async function serve(
  deployment: Deployment,
  display: Display,
  stop: AbortController,
  path: string,
  trials: Trials,
): Promise<number> {
  const onSignal = (): void => stop.abort(DONE);
  // Once told, further signals change nothing: the stop is bounded, and Ctrl-C may come twice.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  process.stdout.on('error', onSignal);
  try {
    display.open(deployment.addresses, path);
    deployment.start();
    while (!stop.signal.aborted) {
      const picture = await deployment.look();
      trials.see(picture);
      display.show(picture);
      await sleep(LOOK_EVERY_MS, undefined, { signal: stop.signal }).catch(() => {});
    }
    display.say('stopping ...');
  } finally {
    trials.close();
    await deployment.stop();
    display.close();
  }
  process.stdout.write(`stopped; the data stays in ${path}\n`);
  return stop.signal.reason === FAILED ? FAILED : DONE;
}

function deathText({ node, pid, how, lastWords, restarts }: AgentDeath): string {
  const words = lastWords === '' ? '' : `, its last words: ${lastWords}`;
  const next = restarts ? 'starting it again in 1 s' : 'it stays down';
  return `${node}: agent (pid ${pid}) died by ${how}${words}; ${next}`;
}
