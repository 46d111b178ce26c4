/** A node of strong mode for the tests of this room: its Raft, server and relay are fakes. */
import type { Entry, EntryId } from '../../core/raft/protocol.ts';
import { logIndex, replOffset, term } from '../../core/scalars.ts';
import { encodeData } from './entry.ts';
import { Feed } from './feed.ts';
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
export function trialNode() {
  const said: string[] = [];
  const index = new StreamIndex({
    last: { index: logIndex(0), term: term(0) },
    offset: replOffset(0),
    reigns: [],
  });
  let nowTerm = 1;
  const entries: Entry[] = [];
  const say = (text: string) => {
    said.push(text);
  };
  const append = (payload: Uint8Array): Entry => {
    const entry = { index: logIndex(index.last.index + 1), term: term(nowTerm), payload };
    index.append(index.last, [entry]);
    entries.push(entry);
    return entry;
  };
  const feed = new Feed('f'.repeat(40), index, {
    log: { read: (after, last, _max, done) => done(entries.slice(after.index, last.index)) },
    openSnapshot: (done) => done(null),
    emptyRdb: Buffer.from('RDB'),
    diverged: (why) => node.diverged(why),
  });
  const node: Strong = new Strong(
    LIMITS,
    {
      server: {
        start: (life) => say(`start ${life}`),
        kill: (life) => say(`kill ${life}`),
        askRole: () => undefined,
        promote: () => say('promote'),
        demote: () => say('demote'),
        attach: () => say('attach'),
        detach: () => say('detach'),
        sendFence: () => {
          if (node.isFenceWanted) node.fenceSent();
        },
        acknowledge: () => undefined,
        setCapturePaused: (isPaused) => say(isPaused ? 'pauseCapture' : 'resumeCapture'),
        pauseWrites: (_life, forMs) => say(forMs > 0 ? 'pauseWrites' : 'unpauseWrites'),
      },
      raft: {
        nextRound: 1,
        propose: (payload) => {
          if (it.isRefusing) node.refused('handingOver');
          else node.accepted(append(payload).index);
        },
        wantRound: () => undefined,
        transfer: () => say('transfer'),
        resign: () => say('resign'),
        setReadiness: () => undefined,
      },
      relay: {
        open: () => say('open'),
        endReign: () => say('endReign'),
        setLeader: () => undefined,
        setReadsPaused: (isPaused) => say(isPaused ? 'pauseReads' : 'resumeReads'),
      },
      note: () => undefined,
    },
    index,
    feed,
  );
  const replies: string[] = [];
  const it = {
    isRefusing: false,
    node,
    feed,
    said,
    replies,
    index,
    last: (): EntryId => index.last,
    /** All that the log holds, or all but the last of it. */
    commit: (but = 0) => node.committed(index.idAt(logIndex(index.last.index + but))),
    /** Bytes that are in the log from earlier. */
    logged: (text: string) => {
      append(encodeData(index.endOffset, [Buffer.from(text)], text.length));
    },
    lead: (t: number) => {
      nowTerm = t;
      node.becameLeader(t, append(new Uint8Array()));
    },
    follow: () => {
      node.start();
      node.serverUp(node.life);
    },
    open: () => {
      it.follow();
      it.lead(1);
      it.commit();
      node.roleSeen(node.life, { kind: 'replica', isConnected: true, offset: replOffset(0) });
      node.promoted(node.life, REIGN, replOffset(0));
      node.attached(node.life, REIGN);
      it.commit();
      said.length = 0;
    },
    reply: (text: string, round = 0) =>
      node.addReply(
        { release: (bytes) => replies.push(bytes.toString()) },
        Buffer.from(text),
        round,
      ),
    fence: (offset: number) =>
      node.fenceAnswered(node.life, { kind: 'primary', offset: replOffset(offset), replicas: 1 }),
  };
  return it;
}

/** Not narrowed by an assertion before. */
export function stageOf(node: Strong): string {
  return node.stage.kind;
}
