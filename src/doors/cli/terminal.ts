/** Where a command writes: its screen, its errors, and whether colour is welcome there. */
import { styleText } from 'node:util';

export interface Terminal {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly colour: boolean;
  /** True when a person watches: a screen may be redrawn in place. */
  readonly isScreen: boolean;
}

export function processTerminal(): Terminal {
  const isScreen = process.stdout.isTTY === true;
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    // https://no-color.org: present and not empty.
    colour: isScreen && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb',
    isScreen,
  };
}

export type Ink = 'red' | 'yellow' | 'green' | 'bold' | 'dim';

export function painter(colour: boolean): (ink: Ink, text: string) => string {
  return (ink, text) => (colour ? styleText(ink, text, { validateStream: false }) : text);
}

/** Text from another machine without what would move the cursor. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
}
