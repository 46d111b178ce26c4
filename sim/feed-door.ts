/** Where the server finds its primary: `agent/feed-listener.ts` over lines. */
import type { Feed } from '../src/agent/strong/feed.ts';
import type { FeedWire } from '../src/agent/strong/ports.ts';
import { AsPrimary } from '../src/core/psync/as-primary.ts';
import type { FeedEnds } from './server-body.ts';
import type { Line } from './server-lines.ts';

export const FEED = { user: 'feed', password: 'secret', port: 6_000 };

export class FeedDoor {
  readonly #feed: () => Feed;
  readonly #onRefused: (why: string) => void;
  #current: Line | null = null;

  constructor(feed: () => Feed, onRefused: (why: string) => void) {
    this.#feed = feed;
    this.#onRefused = onRefused;
  }

  /** Its connection breaks, as when somebody kills it in the server: it comes again. */
  cut(): void {
    const line = this.#current;
    if (line === null) return;
    this.#current = null;
    line.close();
    this.#feed().disconnected();
  }

  accept(line: Line): FeedEnds {
    const primary = new AsPrimary({ auth: FEED });
    const feed = this.#feed();
    const isCurrent = () => this.#current === line;
    return {
      onClosed: () => {
        if (!isCurrent()) return;
        this.#current = null;
        feed.disconnected();
      },
      onDrain: () => {
        if (isCurrent()) feed.drained();
      },
      onBytes: (bytes) => {
        feed.heard();
        for (const event of primary.push(bytes)) {
          switch (event.kind) {
            case 'send':
              line.write(event.bytes);
              break;
            case 'wanted':
              this.#becomeCurrent(line);
              feed.wanted(wireOf(line, primary), event.replid ?? '', event.offset);
              break;
            case 'acknowledged':
              if (isCurrent()) feed.acknowledged(event.offset);
              break;
            case 'failed':
              this.#onRefused(event.text);
              line.close();
              break;
          }
        }
      },
    };
  }

  #becomeCurrent(line: Line): void {
    const before = this.#current;
    this.#current = line;
    if (before !== null && before !== line) before.close();
  }
}

function wireOf(line: Line, primary: AsPrimary): FeedWire {
  return {
    continue: (replid) => void line.write(primary.proceed(replid)),
    full: (replid, offset, rdbBytes) => void line.write(primary.replace(replid, offset, rdbBytes)),
    write: (bytes) => line.write(bytes),
    close: () => line.close(),
  };
}
