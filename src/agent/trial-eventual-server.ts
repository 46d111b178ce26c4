/** A real server with its warden, driven as the role keeper does, for tests. */

import { createServer } from 'node:net';
import type { TestContext } from 'node:test';
import { CONF_LIMITS } from '../io/server/conf.ts';
import type { LocatedServer } from '../io/server/locate.ts';
import { findSetpriv } from '../io/server/process.ts';
import { trialDir, until } from '../io/server/trial.ts';
import type { ServerSeen, ServerStep } from './eventual/ports.ts';
import { OwnEventualServer } from './eventual-server.ts';
import { createJournal } from './journal.ts';

export class TrialServer {
  readonly server: OwnEventualServer;
  readonly address: string;
  readonly directory: string;
  life = 0;
  isUp = false;
  seenLast: ServerSeen | null = null;
  busyTimes = 0;
  emptyStarts = 0;
  downs: string[] = [];
  beforeFollowing = 0;

  private constructor(
    directory: string,
    port: number,
    located: LocatedServer,
    setpriv: string | null,
  ) {
    this.directory = directory;
    this.address = `127.0.0.1:${port}`;
    const listen = { host: '127.0.0.1', port };
    const destination = { write: () => undefined };
    this.server = new OwnEventualServer({
      program: located.path,
      flavor: located.flavor,
      setpriv,
      runDir: `${directory}/server`,
      dataDir: `${directory}/data`,
      listen,
      announced: () => listen,
      clientPassword: null,
      users: [],
      replicaPassword: () => 'between servers',
      cluster: null,
      settingLines: () => [],
      limits: { ...CONF_LIMITS, backlogBytes: 1 << 20, clientsMax: 100 },
      beforeStarting: async () => undefined,
      beforeFollowing: async () => {
        this.beforeFollowing += 1;
      },
      journal: createJournal({ name: 'trial', node: 'a', destination }),
    });
    this.server.listen({
      empty: (_life, done) => {
        this.emptyStarts += 1;
        done();
      },
      up: (life) => {
        this.isUp = life === this.life;
      },
      down: (_life, why) => {
        this.isUp = false;
        this.downs.push(why);
      },
      seen: (_life, seen) => {
        this.seenLast = seen;
      },
      busy: () => {
        this.busyTimes += 1;
      },
    });
  }

  static async make(t: TestContext, located: LocatedServer): Promise<TrialServer> {
    const directory = await trialDir(t);
    const trial = new TrialServer(directory, await freePort(), located, await findSetpriv());
    t.after(() => trial.server.end());
    await trial.start();
    return trial;
  }

  async start(): Promise<void> {
    this.life += 1;
    this.server.start(this.life);
    await until('it is up', () => this.isUp);
    await this.seen(({ isLoading }) => !isLoading);
  }

  async kill(): Promise<void> {
    this.server.kill(this.life, 'the test wants it');
    await until('it is down', () => !this.isUp);
  }

  /** Looks until it stands so. */
  async seen(isAsWanted: (seen: ServerSeen) => boolean = () => true): Promise<ServerSeen> {
    this.seenLast = null;
    await until('it stands as it should', () => {
      const seen = this.seenLast;
      if (seen !== null && isAsWanted(seen)) return true;
      this.server.look(this.life);
      return false;
    });
    return this.seenLast as unknown as ServerSeen;
  }

  take(step: ServerStep): Promise<boolean> {
    return new Promise((resolve) => this.server.take(this.life, step, resolve));
  }

  call(...words: string[]) {
    return this.server.call(words);
  }
}

async function freePort(): Promise<number> {
  const listener = createServer();
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const address = listener.address();
  await new Promise<void>((resolve) => listener.close(() => resolve()));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
