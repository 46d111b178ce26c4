/** One `althing cluster` command from its words to its exit code. */
import type { ClusterNodeId } from '../../../core/cluster/nodes-text.ts';
import { nameOf, type Observation } from '../../../core/cluster/observation.ts';
import { isInTheWay, mayPass, type Problem, problemsOf } from '../../../core/cluster/problems.ts';
import { type Step, stepText } from '../../../core/cluster/steps.ts';
import type { Cluster, ClusterAddress, MovePace, OpenCluster } from '../../cluster.ts';
import { EXIT } from '../exit-codes.ts';
import { printable, type Terminal } from '../terminal.ts';
import { accessOf, type ConsentOptions, type ReachOptions } from './options.ts';
import { Progress } from './progress.ts';

export interface ClusterPorts {
  readonly open: OpenCluster;
  readonly terminal: Terminal;
  /** Asks the person at the terminal; null where there is none. */
  readonly ask: ((question: string) => Promise<string>) | null;
  /** Aborted by the first Ctrl-C. */
  readonly signal: AbortSignal;
}

/** What gossip has not told everybody yet is waited for so long before a command says no. */
const GOSSIP_MS_MAX = 15_000;
/** After a change: replicas load their data meanwhile. */
const SETTLE_MS_MAX = 30_000;

/** Words that are no command of this kind: nothing was asked. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export class Session {
  readonly cluster: Cluster;
  readonly ports: ClusterPorts;
  readonly terminal: Terminal;

  constructor(cluster: Cluster, ports: ClusterPorts) {
    this.cluster = cluster;
    this.ports = ports;
    this.terminal = ports.terminal;
  }

  out(text: string): void {
    this.terminal.out(`${text}\n`);
  }

  failed(text: string): number {
    this.terminal.err(`${printable(text)}\n`);
    return EXIT.failed;
  }

  /** The cluster without anything that a change would make worse; null when that was told. */
  async sound(): Promise<Observation | null> {
    const seen = await this.cluster.settled(GOSSIP_MS_MAX);
    const problems = problemsOf(seen).filter(isInTheWay);
    if (problems.length === 0) return seen;
    for (const problem of problems) this.terminal.err(`${problemLine(problem)}\n`);
    this.failed('Nothing was changed: mend this first (althing cluster fix)');
    return null;
  }

  /** Shows the plan and asks; null to go on, else the exit code. */
  async consent(
    steps: readonly Step[],
    seen: Observation,
    { yes = false, dryRun = false }: ConsentOptions,
  ): Promise<number | null> {
    for (const step of steps) this.out(`  ${stepText(step, namer(seen))}`);
    if (dryRun) return EXIT.done;
    if (yes) return null;
    const { ask } = this.ports;
    if (ask === null)
      return this.failed('Nothing was changed: there is nobody to ask here. To do it: --yes');
    const answer = await ask('Do it? (type yes) ');
    return answer.trim() === 'yes' ? null : this.failed('Nothing was changed.');
  }

  /** Carries it out and looks at what came of it. */
  async carryOut(steps: readonly Step[], seen: Observation, pace: MovePace): Promise<number> {
    const slots = steps.reduce((sum, step) => sum + (movesSlots(step) ? step.slots.length : 0), 0);
    const progress = new Progress(slots, this.terminal);
    const { signal } = this.ports;
    const onMoved = progress.add.bind(progress);
    const onNote = (text: string): void => this.out(printable(text));
    const left = await this.cluster.carryOut({ steps, seen, pace, onMoved, onNote, signal });
    progress.end();
    for (const text of left) this.failed(text);
    if (signal.aborted) return this.failed('Interrupted: the same command goes on from here.');
    return left.length === 0 ? EXIT.done : EXIT.failed;
  }

  /** After a change: done only when nothing is in the way of clients. */
  async verdict(): Promise<number> {
    const problems = problemsOf(await this.cluster.settled(SETTLE_MS_MAX));
    const wrong = problems.filter((problem) => isInTheWay(problem) || mayPass(problem));
    for (const problem of wrong) this.terminal.err(`${problemLine(problem)}\n`);
    if (wrong.length > 0) return EXIT.failed;
    this.out('OK: all nodes agree, and all slots are served.');
    return EXIT.done;
  }
}

function movesSlots(step: Step): step is Extract<Step, { kind: 'move' | 'gather' }> {
  return step.kind === 'move' || step.kind === 'gather';
}

export function problemLine({ severity, code, text }: Problem): string {
  return `${severity.toUpperCase()} ${code}: ${printable(text)}`;
}

export function namer(seen: Observation): (id: ClusterNodeId) => string {
  const all = [...seen.nodes, ...seen.missing];
  return (id) => {
    const node = all.find((other) => other.id === id);
    return node === undefined ? id : nameOf(node);
  };
}

/** Opens the cluster at `entry` and runs; failures of the world become words and an exit code. */
export async function withSession(
  entry: ClusterAddress,
  options: ReachOptions,
  ports: ClusterPorts,
  run: (session: Session) => Promise<number>,
): Promise<number> {
  let cluster: Cluster | null = null;
  try {
    cluster = await ports.open(entry, accessOf(options));
    return await run(new Session(cluster, ports));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof UsageError) {
      ports.terminal.err(`${error.message}\n`);
      return EXIT.usage;
    }
    // Whatever has no code is a fault of ours.
    if (typeof code !== 'string') throw error;
    ports.terminal.err(`${printable(error.message)}\n`);
    return code === 'NODE_UNREACHABLE' || code === 'NODE_SILENT' ? EXIT.unreachable : EXIT.failed;
  } finally {
    await cluster?.close();
  }
}
