/** How `up` shows itself: plain lines, or a live screen. */
import type { NodeAddresses, Picture } from './picture.ts';

export interface Display {
  open(addresses: readonly NodeAddresses[], directory: string): void;
  show(picture: Picture): void;
  /** Something happened that the next picture does not tell. */
  say(text: string): void;
  /** Gives the terminal back. May be called twice. */
  close(): void;
}
