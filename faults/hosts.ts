/**
 * Nodes as hosts of their own: a network namespace each, joined by a bridge in one more.
 *
 * Nothing is put into the machine's own namespace, and addresses are seen inside only. Every host
 * knows the others' hardware addresses by heart; a cut tells it a wrong one, so that its packets
 * go nowhere in silence, on running connections and on new ones, in one direction.
 */
import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

/** The pid in a name says whose it is: what belongs to nobody alive is removed by the next run. */
const NAME = /^althing-(?:test-)?(\d+)-[0-9a-f]{4}-/;
const NAMESPACES = '/run/netns';
const DEAD_ADDRESS = '02:00:00:00:de:ad';
/** A namespace that is busy, or a machine that is: nothing here takes longer than moments. */
const COMMAND_MS = 20_000;

export class Hosts {
  readonly count: number;
  readonly #prefix: string;
  readonly #cuts = new Set<string>();

  /** Throws when this machine does not let us; what was made until then is gone again. */
  constructor(count: number, owner: 'faults' | 'test' = 'faults') {
    this.count = count;
    const kind = owner === 'test' ? 'test-' : '';
    this.#prefix = `althing-${kind}${process.pid}-${randomBytes(2).toString('hex')}`;
    try {
      this.#build();
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  get indices(): number[] {
    return Array.from({ length: this.count }, (_, i) => i);
  }

  nameOf(i: number): string {
    return `${this.#prefix}-n${i + 1}`;
  }

  addressOf(i: number): string {
    return `10.77.7.${i + 1}`;
  }

  /** Words to put before a command, to run it on host `i`. */
  on(i: number): string[] {
    return ['ip', 'netns', 'exec', this.nameOf(i)];
  }

  isCut(from: number, to: number): boolean {
    return this.#cuts.has(`${from}>${to}`);
  }

  /** From now on exactly these directions lead nowhere. */
  async setCuts(cuts: readonly (readonly [from: number, to: number])[]): Promise<void> {
    const wanted = new Set(cuts.map(([from, to]) => `${from}>${to}`));
    const changes = this.indices.map((from) => {
      const lines: string[] = [];
      for (const to of this.indices) {
        const cut = `${from}>${to}`;
        if (from === to || wanted.has(cut) === this.#cuts.has(cut)) continue;
        lines.push(this.#neighbor(to, wanted.has(cut) ? DEAD_ADDRESS : hardwareOf(to)));
      }
      return lines.length === 0 ? null : ip(['-n', this.nameOf(from), '-batch', '-'], lines);
    });
    this.#cuts.clear();
    for (const cut of wanted) this.#cuts.add(cut);
    await Promise.all(changes);
  }

  /** At once, so that it can run while the process ends. */
  remove(): void {
    for (const name of namespaces().filter((each) => each.startsWith(`${this.#prefix}-`)))
      removeNamespace(name);
  }

  #build(): void {
    const bridge = `${this.#prefix}-br`;
    ipNow(['netns', 'add', bridge]);
    ipNow(['-n', bridge, 'link', 'add', 'br0', 'type', 'bridge']);
    ipNow(['-n', bridge, 'link', 'set', 'br0', 'up']);
    for (const i of this.indices) {
      const name = this.nameOf(i);
      const port = `p${i + 1}`;
      ipNow(['netns', 'add', name]);
      const pair = ['type', 'veth', 'peer', 'name', 'eth0', 'address', hardwareOf(i)];
      ipNow(['-n', bridge, 'link', 'add', port, ...pair, 'netns', name]);
      ipNow(['-n', bridge, 'link', 'set', port, 'master', 'br0', 'up']);
      ipNow(
        ['-n', name, '-batch', '-'],
        [
          'link set lo up',
          'link set eth0 up',
          `addr add ${this.addressOf(i)}/24 dev eth0`,
          ...this.indices
            .filter((other) => other !== i)
            .map((other) => this.#neighbor(other, hardwareOf(other))),
        ],
      );
    }
  }

  #neighbor(to: number, hardware: string): string {
    return `neigh replace ${this.addressOf(to)} dev eth0 lladdr ${hardware} nud permanent`;
  }
}

/** Why hosts cannot be made here, or null. */
export function whyNoHosts(): string | null {
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  const { status, error } = spawnSync('ip', ['-V']);
  if (error !== undefined || status !== 0) return 'there is no ip (iproute2)';
  try {
    new Hosts(1).remove();
    return null;
  } catch (error) {
    return `network namespaces cannot be made: ${(error as Error).message}`;
  }
}

/** Namespaces of runs that are dead, with what still runs in them. */
export function removeAbandonedHosts(): void {
  for (const name of namespaces()) {
    const owner = Number(NAME.exec(name)?.[1] ?? 0);
    if (owner !== 0 && !isRun(owner)) removeNamespace(name);
  }
}

/** Whether `pid` is a run of this program: numbers are given again to others. */
export function isRun(pid: number): boolean {
  try {
    return /faults|\.test\.ts/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  } catch {
    return false;
  }
}

function namespaces(): string[] {
  try {
    return readdirSync(NAMESPACES);
  } catch {
    return [];
  }
}

function removeNamespace(name: string): void {
  const { stdout } = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' });
  for (const pid of (stdout ?? '').split('\n').map(Number)) {
    try {
      if (pid > 1) process.kill(pid, 'SIGKILL');
    } catch {
      // It has gone by itself.
    }
  }
  spawnSync('ip', ['netns', 'del', name], { timeout: COMMAND_MS });
}

function hardwareOf(i: number): string {
  return `02:00:00:00:07:${(i + 1).toString(16).padStart(2, '0')}`;
}

function ipNow(args: readonly string[], lines: readonly string[] = []): void {
  const { status, stderr, error } = spawnSync('ip', args, {
    input: lines.join('\n'),
    encoding: 'utf8',
    timeout: COMMAND_MS,
  });
  if (status === 0) return;
  throw new Error(`ip ${args.join(' ')}: ${error?.message ?? stderr.trim()}`);
}

function ip(args: readonly string[], lines: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = execFile('ip', args, { timeout: COMMAND_MS }, (error) => {
      if (error === null) resolve();
      else reject(error);
    });
    child.stdin?.end(lines.join('\n'));
  });
}
