/**
 * What a former primary had that the next one never got: counted, kept, and told until somebody has
 * looked (`docs/decisions/0012`).
 *
 * Its append-only file, as it was, gets a second name below `DIR/lost` before the server takes the
 * next one's data: nothing is copied, and the server goes on in new files.
 */
import { link, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { HistoryPoint, Primary } from '../core/control/state.ts';
import type { Alone } from '../core/psync/alone.ts';
import type { Problem } from '../doors/view.ts';
import { AOF_DIRECTORY, type Grown, type Tail } from './eventual-record.ts';
import type { Journal } from './journal.ts';

/** Each may be as large as the data were: older ones are removed. */
const KEPT_MAX = 3;
const REPORT = 'report.json';
/** Between two looks whether somebody has removed one. */
const LOOK_TICKS = 400;

export interface Loss {
  /** By which the next primary was appointed. */
  readonly decision: number;
  /** Where its history leaves the one of the lost writes; null: that is not known any more. */
  readonly from: HistoryPoint | null;
  /** Of the former history, beyond `from`; null: nobody can count them. */
  readonly bytes: number | null;
  /** The server counted them itself, and was not started again meanwhile. */
  readonly isExact: boolean;
  /**
   * There may be more: its file was written anew after they were counted last, was not compared
   * with what the next primary has, or ends before that does.
   */
  readonly isLeast: boolean;
}

/**
 * Counts what a server is about to give up, through its lives: by its own word, or, once it was
 * started again, by its file. The word of an earlier life says no more than that it was so much at
 * least.
 */
export class LossCount {
  #counted: Loss | null = null;
  #grown: Grown | null = null;

  /** Another life begins, over a file that has come so far; null: of nothing agreed on. */
  started(grown: Grown | null): void {
    this.#grown = grown;
    if (this.#counted !== null) this.#counted = { ...this.#counted, isExact: false };
  }

  /** By the server that lives. */
  counted(loss: Loss): void {
    this.#counted = loss;
  }

  /** It takes writes: what it has is what was agreed on. */
  opened(): void {
    this.#grown = null;
  }

  /** Of its file: what `primary` has of it too has to be found out first. Null: it says nothing. */
  tailBehind({ from, decision }: Primary): Tail | null {
    const isCounted = this.#counted?.decision === decision && this.#counted.isExact;
    if (isCounted || this.#grown?.wasPrimary !== true) return null;
    return this.#grown.history === from?.history ? this.#grown.tail : null;
  }

  /** Once, before `primary` is followed. `alone`: what of the tail it does not have. */
  take(primary: Primary, alone: Alone | null): Loss | null {
    const loss = lossBy(primary, this.#counted, this.#grown, alone);
    this.#counted = null;
    this.#grown = null;
    return loss;
  }
}

/**
 * A file that was not compared grew by at most what was lost and what was not, and without what a
 * primary says of itself to its replicas: that is about so much, and where it is nothing, a bound.
 */
function lossBy(
  { decision, from, history }: Primary,
  lastCounted: Loss | null,
  grown: Grown | null,
  alone: Alone | null,
): Loss | null {
  const counted = lastCounted?.decision === decision ? lastCounted : null;
  if (counted?.isExact === true || grown?.wasPrimary !== true) return counted;
  if (grown.history === from?.history) {
    const grownBytes = grown.offset - from.offset;
    const bytes = alone?.bytes ?? Math.max(0, grownBytes, counted?.bytes ?? 0);
    const isLeast = alone?.isShort ?? (!grown.isCounted || bytes === 0);
    return bytes > 0 || isLeast ? { decision, from, bytes, isExact: false, isLeast } : null;
  }
  if (counted !== null || grown.history === history) return counted;
  return { decision, from: null, bytes: null, isExact: false, isLeast: false };
}

export interface LossesOptions {
  /** Of the node. */
  readonly dir: string;
  readonly dataDir: string;
  readonly journal: Journal;
}

export class Losses {
  readonly #o: LossesOptions;
  #kept: readonly { readonly path: string; readonly loss: Loss }[] = [];
  #ticks = 0;

  private constructor(options: LossesOptions) {
    this.#o = options;
  }

  static async open(options: LossesOptions): Promise<Losses> {
    const losses = new Losses(options);
    await losses.#look();
    return losses;
  }

  get problems(): Problem[] {
    return this.#kept.map(({ path, loss }) => ({
      code: 'WRITES_LOST',
      text: `${amountOf(loss)} of what this node took as primary never reached the next one`,
      todo:
        `its append-only file as it was is below ${path}: start a server on a copy of that, ` +
        'or read its end; remove it when it is not needed',
    }));
  }

  tick(): void {
    this.#ticks += 1;
    if (this.#ticks % LOOK_TICKS === 0 && this.#kept.length > 0)
      this.#look().catch((error: unknown) => this.#failed(error));
  }

  /** Resolves when it is kept, or could not be: then it is told and counted all the same. */
  async keep(loss: Loss): Promise<void> {
    const path = join(this.#o.dir, 'lost', String(loss.decision));
    this.#o.journal.warn('primary.lostWrites', { ...loss, path });
    try {
      await this.#keepAt(path, loss);
      await this.#look();
    } catch (error) {
      this.#failed(error);
      this.#kept = [...this.#kept, { path, loss }];
    }
  }

  async #keepAt(path: string, loss: Loss): Promise<void> {
    const [from, to] = [join(this.#o.dataDir, AOF_DIRECTORY), join(path, AOF_DIRECTORY)];
    await rm(path, { recursive: true, force: true });
    await mkdir(to, { recursive: true, mode: 0o700 });
    for (const name of await readdir(from)) await link(join(from, name), join(to, name));
    await writeFile(join(path, REPORT), JSON.stringify(loss), { mode: 0o600 });
  }

  async #look(): Promise<void> {
    const directory = join(this.#o.dir, 'lost');
    const names = await readdir(directory).catch(() => []);
    const newest = names.toSorted((a, b) => Number(b) - Number(a));
    for (const name of newest.slice(KEPT_MAX))
      await rm(join(directory, name), { recursive: true, force: true });
    const all = newest.slice(0, KEPT_MAX).map((name) => lossAt(join(directory, name)));
    this.#kept = (await Promise.all(all)).filter((each) => each !== null);
  }

  #failed(error: unknown): void {
    this.#o.journal.error('primary.lostWritesNotKept', { error });
  }
}

/** One whose report was not written yet is told as one that nobody can count. */
async function lossAt(path: string): Promise<{ path: string; loss: Loss } | null> {
  const text = await readFile(join(path, REPORT), 'utf8').catch(() => '{}');
  const {
    from = null,
    bytes = null,
    isExact = false,
    isLeast = false,
  } = JSON.parse(text) as Partial<Loss>;
  return { path, loss: { decision: Number(basename(path)), from, bytes, isExact, isLeast } };
}

function amountOf({ bytes, isExact, isLeast }: Loss): string {
  if (bytes === null) return 'some';
  if (isLeast) return `at least ${bytes} bytes, perhaps more,`;
  return isExact ? `${bytes} bytes` : `about ${bytes} bytes`;
}
