/** What a newcomer may do to a running deployment with single keys, to see the promise hold. */
import { readFileSync } from 'node:fs';
import { askSwitchover } from './agent-http.ts';
import type { Deployment } from './deployment.ts';
import type { Picture } from './picture.ts';
import { type Tally, Writer } from './writer.ts';

export type Trial = 'writer' | 'kill' | 'pause' | 'switchover';

/** Longer than any election timeout, so that the paused leader wakes up in another's term. */
const PAUSE_MS = 5_000;
const NO_LEADER = 'there is no leader now';

export class Trials {
  readonly #deployment: Deployment;
  readonly #passwordFile: string | null;
  readonly #say: (text: string) => void;
  #leader: string | null = null;
  #writer: Writer | null = null;
  #wake: NodeJS.Timeout | null = null;

  constructor(deployment: Deployment, passwordFile: string | null, say: (text: string) => void) {
    this.#deployment = deployment;
    this.#passwordFile = passwordFile;
    this.#say = say;
  }

  see(picture: Picture): void {
    this.#leader = picture.leader;
  }

  tally(): Tally | null {
    return this.#writer?.tally() ?? null;
  }

  choose(trial: Trial): void {
    switch (trial) {
      case 'writer':
        this.#toggleWriter();
        break;
      case 'kill':
        this.#onLeader('SIGKILL', (node) => `killed the agent of ${node}`);
        break;
      case 'pause':
        this.#pause();
        break;
      case 'switchover':
        this.#switchover();
        break;
    }
  }

  close(): void {
    this.#writer?.abandon();
    if (this.#wake) clearTimeout(this.#wake);
  }

  #toggleWriter(): void {
    const state = this.#writer?.tally().state ?? 'off';
    if (state === 'checking') return;
    if (state === 'writing') {
      this.#writer?.stop().then((tally) => this.#say(verdict(tally)));
      return;
    }
    const ports = this.#deployment.addresses.map(({ clients }) => clients);
    this.#writer = new Writer(ports, this.#password(), String(Date.now()));
    this.#writer.start();
    this.#say('writer: writing unique values through every port');
  }

  #password(): string | null {
    if (this.#passwordFile === null) return null;
    return readFileSync(this.#passwordFile, 'utf8').split('\n')[0] ?? '';
  }

  #pause(): void {
    if (this.#wake) return;
    const node = this.#leader;
    this.#onLeader('SIGSTOP', () => `paused the agent of ${node} for ${PAUSE_MS / 1000} s`);
    if (node === null) return;
    this.#wake = setTimeout(() => {
      this.#wake = null;
      this.#deployment.agent(node)?.signal('SIGCONT');
      this.#say(`woke the agent of ${node}`);
    }, PAUSE_MS);
  }

  #switchover(): void {
    const leader = this.#deployment.addresses.find(({ node }) => node === this.#leader);
    if (!leader) {
      this.#say(NO_LEADER);
      return;
    }
    this.#say(`asking ${leader.node} to hand over`);
    askSwitchover(leader.http).then(this.#say);
  }

  #onLeader(signal: NodeJS.Signals, told: (node: string) => string): void {
    if (this.#leader === null) {
      this.#say(NO_LEADER);
      return;
    }
    this.#deployment.agent(this.#leader)?.signal(signal);
    this.#say(told(this.#leader));
  }
}

export function verdict({ acknowledged, lost, longestGapMs }: Tally): string {
  const found = lost === null ? 'could not be read back' : `${lost} lost`;
  return `writer: ${acknowledged} acknowledged, ${found}, longest gap ${longestGapMs} ms`;
}
