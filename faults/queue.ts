/**
 * Unique elements through blocking pops: each acknowledged push comes out at most once, and none
 * is lost.
 *
 * A pop whose end is not known may have taken one element, which then nobody was told of; so many
 * may be missing, and not one more.
 */
export type PushFate = 'ok' | 'fail' | 'unknown';

export interface QueueVerdict {
  readonly pushed: number;
  readonly popped: number;
  readonly remaining: number;
  /** Pops that may have taken an element untold. */
  readonly unknownPops: number;
  /** Acknowledged, not popped, not there at the end. */
  readonly missing: number;
  readonly problems: readonly string[];
}

const SHOWN = 5;

export class QueueLog {
  readonly #pushes = new Map<string, PushFate>();
  readonly #pops: string[] = [];
  #unknownPops = 0;

  push(element: string, fate: PushFate): void {
    this.#pushes.set(element, fate);
  }

  pop(element: string): void {
    this.#pops.push(element);
  }

  unknownPop(): void {
    this.#unknownPops++;
  }

  /** `remaining`: what lies in the queues when nobody pushes or pops any more. */
  verdict(remaining: readonly string[]): QueueVerdict {
    const problems: string[] = [];
    const out = [...this.#pops, ...remaining];
    const say = (what: string, elements: readonly string[]): void => {
      if (elements.length === 0) return;
      const shown = elements.slice(0, SHOWN).join(' ');
      problems.push(`${elements.length} ${what}: ${shown}`);
    };
    const seen = new Set<string>();
    const twice = out.filter((each) => seen.has(each) || !seen.add(each));
    say('elements came out more than once', twice);
    say(
      'elements came out that nobody pushed',
      out.filter((each) => !this.#pushes.has(each)),
    );
    const ghosts = out.filter((each) => this.#pushes.get(each) === 'fail');
    say('elements came out whose push was refused', ghosts);
    const acknowledged = [...this.#pushes].filter(([, fate]) => fate === 'ok');
    const missing = acknowledged.map(([element]) => element).filter((each) => !seen.has(each));
    if (missing.length > this.#unknownPops)
      say(`acknowledged elements are missing, with ${this.#unknownPops} untold pops`, missing);
    return {
      pushed: acknowledged.length,
      popped: this.#pops.length,
      remaining: remaining.length,
      unknownPops: this.#unknownPops,
      missing: missing.length,
      problems,
    };
  }
}
