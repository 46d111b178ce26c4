/** The run's end of a door: connections and words from a node's own loopback. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { AgentAnswer } from '../src/doors/cli/up/agent-http.ts';

/** For `post` a path and a body belong to it. */
interface Asked {
  readonly ask: 'connect' | 'status' | 'post';
  readonly port: number;
  readonly path?: string;
  readonly body?: unknown;
}

export type DoorQuestion = Asked & { readonly id: number };

export interface DoorAnswer {
  readonly id: number;
  readonly error?: string;
  readonly status?: AgentAnswer;
  readonly code?: number;
  readonly text?: string;
}

export interface PostAnswer {
  /** 0 when nobody answered. */
  readonly code: number;
  readonly text: string;
}

/** Longer than anything that a door itself waits for. */
const ANSWER_MS = 30_000;
const NOBODY: AgentAnswer = { ready: false, status: null };

export class DoorLink {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: DoorAnswer, socket: Socket | null) => void>();
  #next = 1;

  /** `on`: the words that run a command on the node's host. */
  constructor(on: readonly string[]) {
    const [program = '', ...args] = [
      ...['setpriv', '--pdeathsig', 'KILL', '--', ...on],
      ...[process.execPath, join(import.meta.dirname, 'door.ts')],
    ];
    this.#child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    this.#child.on('message', (answer: DoorAnswer, socket: unknown) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if (waiting) waiting(answer, socket instanceof Socket ? socket : null);
      else if (socket instanceof Socket) socket.destroy();
    });
    this.#child.on('exit', () => {
      for (const [id, tell] of this.#waiting) tell({ id, error: 'the door is gone' }, null);
      this.#waiting.clear();
    });
  }

  /** A connection to `port` on the node; throws with the reason when there is none. */
  async connect(port: number): Promise<Socket> {
    const { error, socket } = await this.#ask({ ask: 'connect', port });
    if (socket === null) throw new Error(error ?? 'no connection came');
    return socket;
  }

  async status(port: number): Promise<AgentAnswer> {
    return (await this.#ask({ ask: 'status', port })).status ?? NOBODY;
  }

  async post(port: number, path: string, body: unknown): Promise<PostAnswer> {
    const { code, text, error } = await this.#ask({ ask: 'post', port, path, body });
    return { code: code ?? 0, text: text ?? error ?? '' };
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  #ask(question: Asked): Promise<DoorAnswer & { socket: Socket | null }> {
    const id = this.#next++;
    return new Promise((resolve) => {
      const late = setTimeout(() => {
        this.#waiting.delete(id);
        resolve({ id, error: 'the door does not answer', socket: null });
      }, ANSWER_MS);
      this.#waiting.set(id, (answer, socket) => {
        clearTimeout(late);
        resolve({ ...answer, socket });
      });
      if (this.#child.connected) this.#child.send({ id, ...question }, () => undefined);
      else this.#waiting.get(id)?.({ id, error: 'the door is gone' }, null);
    });
  }
}
