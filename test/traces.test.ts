/**
 * Stories of whole groups with recorded output: `test/traces/*.trace`.
 *
 * A block is commands, `----`, and what happened. `node test/traces.test.ts --update` writes what
 * happened anew; a person reads the difference. Time is in ticks. Heartbeats and repeated
 * acknowledgements are left out.
 */
import { equal, ok } from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Notice } from '../src/core/raft/driver.ts';
import type { Message } from '../src/core/raft/protocol.ts';
import { type Envelope, idOf, SmallWorld } from '../src/core/raft/small-world.test.ts';

const FOLDER = join(import.meta.dirname, 'traces');
const RULER = '----';
const SEED = 1;

class Story {
  #world: SmallWorld | null = null;
  #ticks = 0;
  readonly #told = new Map<string, number>();
  lines: string[] = [];

  run(command: string): void {
    const [verb = '', ...words] = command.split(' ');
    if (verb === 'cluster') {
      this.#world = new SmallWorld(words.join(''), SEED);
      this.#world.onSend = (envelope) => this.#sent(envelope);
      this.#world.onNotice = (by, notice) => this.#noticed(by, notice);
      return;
    }
    const world = this.#world;
    ok(world, 'a story begins with its cluster');
    const [name = '', other = ''] = words;
    switch (verb) {
      case 'timeout':
        while (world.raft(name).role === 'follower') world.tick(name);
        break;
      case 'tick':
        for (let left = Number(name); left > 0; left--) this.#tick(world);
        break;
      case 'propose':
        world.propose(world.member(name), other);
        break;
      case 'lose':
        world.wire.length = 0;
        break;
      case 'cut':
        world.isolate(name);
        break;
      case 'deafen':
        // What `other` says does not reach `name` any more; the other way it does.
        world.cuts.add(`${idOf(other)}>${idOf(name)}`);
        break;
      case 'heal':
        world.cuts.clear();
        break;
      case 'crash':
        world.crash(name);
        break;
      case 'restart':
        world.restart(name);
        break;
      case 'transfer':
        world.handle(name, { kind: 'transferWanted', to: idOf(other) });
        break;
      case 'join':
        world.join(name);
        break;
      case 'learn':
        world.change(name, 'addLearner', other);
        break;
      case 'promote':
        world.change(name, 'promote', other);
        break;
      case 'remove':
        world.change(name, 'remove', other);
        break;
      case 'leave':
        world.change(name, 'remove', name, { leaderMayLeave: true });
        break;
      case 'compact':
        world.compact(world.member(name), world.raft(name).committed);
        break;
      default:
        ok(false, `an unknown command: ${command}`);
    }
    // What is proposed may still be lost by the next command.
    if (verb !== 'propose') world.settle();
  }

  nodes(): string[] {
    return [...(this.#world?.members.values() ?? [])].map(({ id, driver: { raft }, isUp }) => {
      const at = `last ${raft.last.index}/${raft.last.term}, committed ${raft.committed}`;
      return `       ${id[0]}  ${isUp ? `${raft.role} in term ${raft.term}, ${at}` : 'down'}`;
    });
  }

  #tick(world: SmallWorld): void {
    this.#ticks++;
    world.tick();
    world.settle();
  }

  #tell(by: string, text: string): void {
    this.lines.push(`[${String(this.#ticks).padStart(4)}] ${by[0]}  ${text}`);
  }

  #sent({ from, to, message }: Envelope): void {
    const text = this.#textOf(from, message);
    if (text !== null) this.#tell(from, `-> ${to[0]}  ${text}`);
  }

  #textOf(from: string, m: Message): string | null {
    switch (m.kind) {
      case 'requestVote':
        return `${m.pre ? 'pre-' : ''}vote, term ${m.term}, log ${m.last.index}/${m.last.term}?`;
      case 'voteReply':
        return `${m.granted ? 'yes' : 'no'}, term ${m.term}`;
      case 'append':
        if (m.entries.length === 0) return null;
        return `${m.entries.length} after ${m.after.index}/${m.after.term}, commit ${m.commit}`;
      case 'appendReply': {
        if (!m.ok) return `rejects ${m.index}, hint ${m.hint.index}/${m.hint.term}`;
        const key = `${from} ${m.term}`;
        if (m.index <= (this.#told.get(key) ?? 0)) return null;
        this.#told.set(key, m.index);
        return `has ${m.index}`;
      }
      case 'offerSnapshot':
        return `offers a snapshot up to ${m.snapshot.last.index}`;
      case 'timeoutNow':
        return 'campaign now';
      case 'removed':
        return `you were removed, up to ${m.index}`;
    }
  }

  #noticed(by: string, notice: Notice): void {
    switch (notice.kind) {
      case 'becameLeader':
        this.#tell(by, `leads term ${notice.term}`);
        return;
      case 'steppedDown':
        this.#tell(by, `steps down from term ${notice.term}: ${notice.why}`);
        return;
      case 'commit':
        this.#tell(by, `commits up to ${notice.upTo.index}/${notice.upTo.term}`);
        return;
      case 'refused':
        this.#tell(by, `refuses a proposal: ${notice.why}`);
        return;
      case 'transfer':
        this.#tell(by, `handover ${notice.state}: ${notice.why}`);
        return;
      case 'installed':
        this.#tell(by, `installs a snapshot up to ${notice.snapshot.last.index}`);
        return;
      case 'configurationChanged': {
        const { voters, learners } = notice.configuration;
        const names = (ids: readonly string[]) => ids.map((each) => each[0]).join(' ');
        const learning = learners.length === 0 ? '' : `, learning ${names(learners)}`;
        this.#tell(by, `${notice.state} ${notice.index}: voters ${names(voters)}${learning}`);
        return;
      }
      case 'changeRefused':
        this.#tell(by, `refuses to ${notice.change.kind} ${notice.change.node[0]}: ${notice.why}`);
        return;
      case 'toldRemoved':
        this.#tell(by, `keeps quiet: ${notice.by[0]} says that it was removed`);
        return;
      case 'accepted':
      case 'leaderChanged':
      case 'roundConfirmed':
        return;
    }
  }
}

/** The trace with its output written anew. */
function replay(text: string): string {
  const story = new Story();
  const blocks = text.trimEnd().split(/\n\n+/);
  const replayed = blocks.map((block) => {
    const commands = block.split(`\n${RULER}`)[0] ?? '';
    const isProse = commands.split('\n').every((line) => line.startsWith('#'));
    if (isProse) return commands;
    story.lines = [];
    for (const line of commands.split('\n')) if (!line.startsWith('#')) story.run(line);
    return [commands, RULER, ...story.lines, ...story.nodes()].join('\n');
  });
  return `${replayed.join('\n\n')}\n`;
}

for (const name of readdirSync(FOLDER).filter((file) => file.endsWith('.trace'))) {
  test(`the story of ${name} goes as recorded`, () => {
    const path = join(FOLDER, name);
    const recorded = readFileSync(path, 'utf8');
    const replayed = replay(recorded);
    if (process.argv.includes('--update')) writeFileSync(path, replayed);
    else equal(replayed, recorded, 'node test/traces.test.ts --update writes it anew');
  });
}
