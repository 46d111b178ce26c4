/** A node of strong mode for the tests of this room: its Raft, server and relay are fakes. */
import type { Entry, EntryId } from '../../core/raft/protocol.ts';
import { logIndex, replOffset, term } from '../../core/scalars.ts';
import { encodeData } from './entry.ts';
import { Feed } from './feed.ts';
import type { StrongPorts } from './ports.ts';
import { StreamIndex } from './stream-index.ts';
import { Strong } from './strong.ts';

export const REIGN = '1'.repeat(40);
export const SET = '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n';
export const LIMITS = {
  uncommittedBytesMax: 200,
  unitBytesMax: 1000,
  heldBytesMax: 1000,
  levelSlackBytes: 10,
  openTicksMax: 20,
  stepTicksMax: 10,
  fenceTicksMax: 5,
  busyTicksMax: 15,
  handOverTicksMax: 10,
};

/** A node whose Raft accepts everything and commits when told to. Effects land in `said`. */
export function trialNode(): TrialNode {
  return new TrialNode();
}

/** Its methods are fields, so that a test can take what it needs of them. */
class TrialNode {
  isRefusing = false;
  readonly said: string[] = [];
  /** What other threads are told, and among it when the reign began and ended. */
  readonly watched: string[] = [];
  readonly replies: string[] = [];
  readonly index: StreamIndex;
  readonly feed: Feed;
  readonly node: Strong;
  readonly #entries: Entry[] = [];
  #term = 1;

  constructor() {
    const nothing = { index: logIndex(0), term: term(0) };
    this.index = new StreamIndex({ last: nothing, offset: replOffset(0), reigns: [] });
    this.feed = new Feed('f'.repeat(40), this.index, {
      log: {
        read: (after, last, _max, done) => done(this.#entries.slice(after.index, last.index)),
      },
      openSnapshot: (done) => done(null),
      emptyRdb: Buffer.from('RDB'),
      diverged: (why) => this.node.diverged(why),
    });
    this.node = new Strong(LIMITS, this.#ports(), this.index, this.feed);
  }

  readonly last = (): EntryId => this.index.last;

  /** All that the log holds, or all but the last of it. */
  readonly commit = (but = 0): void =>
    this.node.committed(this.index.idAt(logIndex(this.index.last.index + but)));

  /** Bytes that are in the log from earlier. */
  readonly logged = (text: string): void => {
    this.#append(encodeData(this.index.endOffset, [Buffer.from(text)], text.length));
  };

  readonly lead = (t: number): void => {
    this.#term = t;
    this.node.becameLeader(t, this.#append(new Uint8Array()));
  };

  readonly follow = (): void => {
    this.node.start();
    this.node.serverUp(this.node.life);
  };

  readonly open = (): void => {
    const { node } = this;
    this.follow();
    this.lead(1);
    this.commit();
    node.roleSeen(node.life, { kind: 'replica', isConnected: true, offset: replOffset(0) });
    node.promoted(node.life, REIGN, replOffset(0));
    node.attached(node.life, REIGN);
    this.commit();
    this.said.length = 0;
  };

  readonly reply = (text: string, round = 0): void =>
    this.node.hold?.add(
      { release: (bytes) => this.replies.push(bytes.toString()) },
      Buffer.from(text),
      round,
    );

  readonly fence = (offset: number) =>
    this.node.fenceAnswered(this.node.life, {
      kind: 'primary',
      offset: replOffset(offset),
      replicas: 1,
    });

  #append(payload: Uint8Array): Entry {
    const entry = { index: logIndex(this.index.last.index + 1), term: term(this.#term), payload };
    this.index.append(this.index.last, [entry]);
    this.#entries.push(entry);
    return entry;
  }

  #ports(): StrongPorts {
    const say = (text: string) => {
      this.said.push(text);
    };
    return {
      server: {
        start: (life) => say(`start ${life}`),
        kill: (life) => say(`kill ${life}`),
        askRole: () => undefined,
        promote: () => say('promote'),
        demote: () => say('demote'),
        attach: () => say('attach'),
        detach: () => say('detach'),
        sendFence: () => {
          if (this.node.isFenceWanted) this.node.fenceSent();
        },
        acknowledge: () => undefined,
        setCapturePaused: (isPaused) => say(isPaused ? 'pauseCapture' : 'resumeCapture'),
        serveReads: () => undefined,
        pauseWrites: (_life, forMs) => say(forMs > 0 ? 'pauseWrites' : 'unpauseWrites'),
      },
      raft: {
        propose: (payload) => {
          if (this.isRefusing) this.node.refused('handingOver');
          else this.node.accepted(this.#append(payload).index);
        },
        wantRound: () => undefined,
        transfer: () => say('transfer'),
        resign: () => say('resign'),
        setReadiness: () => undefined,
      },
      relay: {
        open: () => {
          this.watched.push('open');
          say('open');
        },
        endReign: () => {
          this.watched.push('endReign');
          say('endReign');
        },
        setLeader: () => undefined,
        setSpell: () => undefined,
        setReadsPaused: (isPaused) => say(isPaused ? 'pauseReads' : 'resumeReads'),
      },
      watch: {
        began: () => undefined,
        executed: (offset) => this.watched.push(`executed ${offset}`),
        committed: (offset) => this.watched.push(`committed ${offset}`),
        confirmed: (round) => this.watched.push(`confirmed ${round}`),
        leased: () => undefined,
        replicasHolding: () => undefined,
      },
      note: () => undefined,
    };
  }
}

/** Not narrowed by an assertion before. */
export function stageOf(node: Strong): string {
  return node.stage.kind;
}
