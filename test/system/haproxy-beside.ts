/** HAProxy in front of a deployment, with the configuration that is published. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type Deployment, ROOT } from './deployment.ts';
import { until } from './processes.ts';
import { atEnd, type Scope } from './scope.ts';
import { Wire } from './wire.ts';

const PROGRAM = process.env['ALTHING_TEST_HAPROXY'];
/** Two checks, the second soon after the first; the rest is a loaded machine's. */
export const MOVED_MS_MAX = 15_000;
/** Above the base port: within what a deployment has claimed, and beside its own. */
const [WRITE_AT, READ_AT] = [13, 14];

export function whyNoHaproxy(): string | null {
  return PROGRAM === undefined ? 'there is no haproxy: see `npm run servers`' : null;
}

export class Haproxy {
  readonly #deployment: Deployment;
  readonly #socket: string;

  private constructor(deployment: Deployment, socket: string) {
    this.#deployment = deployment;
    this.#socket = socket;
  }

  static async begin(scope: Scope, deployment: Deployment): Promise<Haproxy> {
    const path = join(deployment.dir, 'haproxy.cfg');
    const haproxy = new Haproxy(deployment, join(deployment.dir, 'haproxy.sock'));
    writeFileSync(path, haproxy.#configuration());
    const words = ['--pdeathsig', 'KILL', '--', PROGRAM ?? '', '-db', '-f', path];
    const child = spawn('setpriv', words, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4_000);
    });
    atEnd(scope, async () => {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    });
    await until('haproxy answers', MOVED_MS_MAX, () => {
      assert.equal(child.exitCode, null, said);
      return haproxy.#serversUp().then(
        () => true,
        () => false,
      );
    });
    return haproxy;
  }

  /** A connection that lands where writes go. */
  writer(): Wire {
    return new Wire(this.#deployment.basePort + WRITE_AT);
  }

  /** A connection that lands on a follower. */
  reader(): Wire {
    return new Wire(this.#deployment.basePort + READ_AT);
  }

  /** Until it sends writes to `leader` and reads to `followers`, and to nobody else; how long. */
  async isIn(leader: number, followers: readonly number[]): Promise<number> {
    const wanted = [`primary/node${leader + 1}`, ...followers.map((i) => `replicas/node${i + 1}`)];
    const begin = performance.now();
    let seen: string[] = [];
    await until('haproxy has the roles right', MOVED_MS_MAX, async () => {
      seen = await this.#serversUp();
      return seen.join() === wanted.sort().join();
    }).catch((error: Error) => {
      throw new Error(`${error.message}: ${wanted.join()} and not ${seen.join()}`);
    });
    return Math.round(performance.now() - begin);
  }

  /** The published configuration, with this deployment's ports in the place of its nodes. */
  #configuration(): string {
    const { basePort, indices } = this.#deployment;
    const published = readFileSync(join(ROOT, 'deploy', 'haproxy.cfg'), 'utf8');
    const ported = published
      .replace('bind :6379', `bind 127.0.0.1:${basePort + WRITE_AT}`)
      .replace('bind :6380', `bind 127.0.0.1:${basePort + READ_AT}`)
      .replace('global\n', `global\n    stats socket ${this.#socket}\n`);
    return indices.reduce(
      (text, i) =>
        text.replaceAll(
          `node${i + 1}:6379 check port 8379`,
          `127.0.0.1:${this.#deployment.port(i)} check port ${this.#deployment.httpPort(i)}`,
        ),
      ported,
    );
  }

  /** `backend/server` of those that are up. */
  async #serversUp(): Promise<string[]> {
    const link = connect(this.#socket);
    await once(link, 'connect');
    link.write('show stat\n');
    let text = '';
    for await (const chunk of link) text += String(chunk);
    const [header = '', ...rows] = text.trim().split('\n');
    const status = header.split(',').indexOf('status');
    return rows
      .map((row) => row.split(','))
      .filter((row) => /^node\d$/.test(row[1] ?? '') && /^UP/.test(row[status] ?? ''))
      .map(([backend, server]) => `${backend}/${server}`)
      .sort();
  }
}
