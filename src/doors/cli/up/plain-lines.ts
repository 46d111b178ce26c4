/** `up` without a terminal: one line for each thing that changed, for logs and for programs. */
import type { Display } from './display.ts';
import { isServing, type NodeAddresses, type Picture, problemsOf } from './picture.ts';

/**
 * Looks that a problem must last to be told, three seconds of them: founding has some that pass.
 */
const PROBLEM_LOOKS = 6;

export class PlainLines implements Display {
  readonly #write: (line: string) => void;
  #leader: string | null = null;
  #saidReady = false;
  #ready = new Set<string>();
  #problems = new Map<string, number>();

  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  open(addresses: readonly NodeAddresses[], directory: string): void {
    this.#write(`${addresses.length} nodes, state in ${directory}`);
    for (const { node, clients, peers, http } of addresses)
      this.#write(`${node}: clients ${clients}, peers ${peers}, http ${http}`);
  }

  say(text: string): void {
    this.#write(text);
  }

  show(picture: Picture): void {
    if (!this.#saidReady && isServing(picture)) {
      this.#saidReady = true;
      this.#write(readyLine(picture));
    } else if (this.#saidReady) {
      this.#tellLeader(picture);
      this.#tellReadiness(picture);
    }
    this.#leader = picture.leader;
    this.#ready = readyNodes(picture);
    this.#tellProblems(picture);
  }

  close(): void {}

  #tellLeader({ leader, term }: Picture): void {
    if (leader === this.#leader) return;
    this.#write(leader === null ? 'leader: none' : `leader: ${leader} (term ${term})`);
  }

  #tellReadiness(picture: Picture): void {
    const now = readyNodes(picture);
    for (const { addresses } of picture.nodes) {
      const { node } = addresses;
      if (now.has(node) === this.#ready.has(node)) continue;
      this.#write(now.has(node) ? `${node}: serving` : `${node}: not serving`);
    }
  }

  #tellProblems(picture: Picture): void {
    const now = problemsOf(picture);
    const looks = new Map(now.map(({ text }) => [text, (this.#problems.get(text) ?? 0) + 1]));
    for (const { node, text, todo } of now) {
      if (looks.get(text) === PROBLEM_LOOKS) this.#write(`problem (${node}): ${text}; ${todo}`);
    }
    this.#problems = looks;
  }
}

function readyNodes(picture: Picture): Set<string> {
  return new Set(picture.nodes.filter((each) => each.ready).map((each) => each.addresses.node));
}

function readyLine({ nodes, leader, term }: Picture): string {
  const clients = nodes.map(({ addresses }) => `redis-cli -p ${addresses.clients}`).join(', ');
  const http = nodes[0]?.addresses.http;
  return (
    `ready: ${clients} (leader ${leader}, term ${term}); ` +
    `curl -s http://127.0.0.1:${http}/status`
  );
}
