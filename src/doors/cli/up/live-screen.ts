/** The terminal of `up`: takes it over, paints the screen of `screen.ts`, reads single keys. */
import type { Display } from './display.ts';
import type { NodeAddresses, Picture } from './picture.ts';
import { renderScreen } from './screen.ts';
import type { Trial, Trials } from './trials.ts';

export type Choice = Trial | 'quit';

const KEYS: Readonly<Record<string, Choice>> = {
  w: 'writer',
  k: 'kill',
  p: 'pause',
  s: 'switchover',
  q: 'quit',
  '\u0003': 'quit',
};
const OPEN = '\x1b[?1049h\x1b[?25l';
const CLOSE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const REST_OF_LINE = '\x1b[K';
const REST_OF_SCREEN = '\x1b[J';
/** What happened last; the screen has room for about as many. */
const EVENTS_MAX = 50;

export interface LiveScreenOptions {
  readonly directory: string;
  readonly trials: Trials;
  readonly onKey: (choice: Choice) => void;
}

export class LiveScreen implements Display {
  readonly #options: LiveScreenOptions;
  readonly #color = (process.env['NO_COLOR'] ?? '') === '';
  readonly #events: string[] = [];
  #picture: Picture = { nodes: [], leader: null, term: 0 };
  #open = false;

  constructor(options: LiveScreenOptions) {
    this.#options = options;
  }

  open(addresses: readonly NodeAddresses[]): void {
    this.#open = true;
    this.#picture = {
      nodes: addresses.map((each) => ({ addresses: each, pid: null, status: null, ready: false })),
      leader: null,
      term: 0,
    };
    process.stdout.write(OPEN);
    process.stdin.setRawMode(true);
    process.stdin.on('data', this.#onInput).resume();
    process.stdout.on('resize', this.#paint);
    process.on('exit', this.#restore);
    this.#paint();
  }

  show(picture: Picture): void {
    if (picture.leader !== this.#picture.leader && picture.leader !== null)
      this.say(`${picture.leader} leads in term ${picture.term}`);
    this.#picture = picture;
    this.#paint();
  }

  say(text: string): void {
    this.#events.push(`${new Date().toTimeString().slice(0, 8)}  ${text}`);
    if (this.#events.length > EVENTS_MAX) this.#events.shift();
    this.#paint();
  }

  close(): void {
    this.#restore();
    process.stdin.off('data', this.#onInput).pause();
    process.stdout.off('resize', this.#paint);
    process.off('exit', this.#restore);
  }

  readonly #onInput = (bytes: Buffer): void => {
    for (const key of bytes.toString('utf8')) {
      const choice = KEYS[key];
      if (choice) this.#options.onKey(choice);
    }
  };

  readonly #restore = (): void => {
    if (!this.#open) return;
    this.#open = false;
    process.stdin.setRawMode(false);
    process.stdout.write(CLOSE);
  };

  readonly #paint = (): void => {
    if (!this.#open) return;
    const lines = renderScreen({
      picture: this.#picture,
      directory: this.#options.directory,
      tally: this.#options.trials.tally(),
      events: this.#events,
      width: process.stdout.columns || 80,
      height: process.stdout.rows || 24,
      color: this.#color,
    });
    const body = lines.map((line) => `${line}${REST_OF_LINE}`).join('\r\n');
    process.stdout.write(`${HOME}${body}${REST_OF_SCREEN}`);
  };
}
