/** What comes out of a run. */
import type { Report } from './report.ts';

export interface TravelFigures {
  /** Connections that sessions shared, and their own. */
  readonly lanes: number;
  readonly ownConnections: number;
  /** Pieces of replies that came by lanes, with a fence and without. */
  readonly fenced: number;
  readonly unfenced: number;
  /** Connections to the node that leads, of sessions elsewhere. */
  readonly passed: number;
  /** Reads that a server answered which follows. */
  readonly readsHere: number;
}

/** What a run amounted to; a run that did nothing proves nothing. */
export interface Figures extends TravelFigures {
  readonly events: number;
  readonly virtualUs: number;
  /** Requests that the history is about. */
  readonly asked: number;
  readonly answered: number;
  /** Pieces of replies that left a node. */
  readonly releases: number;
  readonly streamBytes: number;
  readonly reigns: number;
  readonly crashes: number;
  readonly serverLives: number;
  readonly installs: number;
  /** Of the members, committed. */
  readonly changes: number;
  readonly compactions: number;
  readonly packetsPeak: number;
  readonly checks: number;
  /** From the end of the faults until all nodes were level. */
  readonly healUs: number;
  /** Objects whose history was too wide to be judged. */
  readonly undecided: number;
}

export interface Outcome {
  readonly seed: number;
  /** In one sentence, or null. */
  readonly failure: string | null;
  readonly figures: Figures;
}

export interface Verdict extends Outcome {
  readonly stack: string | null;
  readonly report: Report;
}

/** Of a run of the founding world. */
export interface FoundingFigures {
  readonly events: number;
  readonly virtualUs: number;
  readonly machines: number;
  readonly deployments: number;
  /** 1 when a founding that was stuck began anew with emptied directories. */
  readonly emptied: number;
  /** The latest round of a charter that somebody signed: 1 where the first attempt was enough. */
  readonly rounds: number;
  readonly crashes: number;
  readonly wipes: number;
  /** Of members of both groups, committed. */
  readonly changes: number;
  readonly checks: number;
  readonly healUs: number;
}

export interface FoundingOutcome {
  readonly seed: number;
  readonly failure: string | null;
  readonly figures: FoundingFigures;
}

export interface FoundingVerdict extends FoundingOutcome {
  readonly stack: string | null;
  readonly report: Report;
}

export interface EventualFigures {
  readonly events: number;
  readonly virtualUs: number;
  readonly machines: number;
  /** Primaries that opened, and those that were handed over to. */
  readonly openings: number;
  readonly handOvers: number;
  /** Writes that clients were told of, and those of them that no later primary has. */
  readonly accepted: number;
  readonly lost: number;
  readonly crashes: number;
  readonly wipes: number;
  readonly wardenKills: number;
  readonly checks: number;
  readonly healUs: number;
}

export interface EventualOutcome {
  readonly seed: number;
  readonly failure: string | null;
  readonly figures: EventualFigures;
}

export interface EventualVerdict extends EventualOutcome {
  readonly stack: string | null;
  readonly report: Report;
}

/** Whichever world it was. */
export type AnyOutcome =
  | ({ readonly world: 'data' } & Outcome)
  | ({ readonly world: 'founding' } & FoundingOutcome)
  | ({ readonly world: 'eventual' } & EventualOutcome);
export type AnyVerdict =
  | ({ readonly world: 'data' } & Verdict)
  | ({ readonly world: 'founding' } & FoundingVerdict)
  | ({ readonly world: 'eventual' } & EventualVerdict);
