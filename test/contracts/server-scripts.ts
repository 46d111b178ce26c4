/**
 * Scripts of commands with what was answered and what came in the stream, as recorded on the real
 * servers: `server-effects.txt`.
 *
 * A step is `a WORDS`: connection `a` says it, and its reply is waited for. `a! WORDS` waits for
 * none, `a?` for one that is due, `a~ WORDS` also for what comes by itself soon, `= MS` lets time
 * pass. Words with spaces stand in double quotes.
 * Under it, indented, stand the reply and, after `>`, the commands that came in the stream.
 * `[redis7]` and `[valkey8]` are for one server only; `{DEL}` is what it calls a lazy deletion.
 */
import { equal } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { FLAVORS, type FlavorName } from '../../sim/server/flavor.ts';
import {
  agentOf,
  commandsOf,
  masked,
  type Reign,
  roleOf,
  type ServerBed,
  START,
  type Talk,
} from './server-bed.ts';

/** A command that waits must have arrived before the next step. */
const SENT_MS = 40;

/** The server looks for what is over ten times a second. */
const CRON_MS = 400;

export interface Script {
  readonly name: string;
  readonly steps: readonly string[];
  expected(flavor: FlavorName): string;
}

export function readScripts(): Script[] {
  const text = readFileSync(new URL('server-effects.txt', import.meta.url), 'utf8');
  return text
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const [name = '', ...lines] = section.replace(/\n$/, '').split('\n');
      return {
        name,
        steps: lines.filter((line) => !line.startsWith(' ')),
        expected: (flavor) => expectedOf(lines, flavor),
      };
    });
}

function expectedOf(lines: readonly string[], flavor: FlavorName): string {
  return lines
    .filter((line) => !/^ {2}\[(redis7|valkey8)\] /.test(line) || line.startsWith(`  [${flavor}]`))
    .map((line) => line.replace(/^ {2}\[(redis7|valkey8)\] /, '  '))
    .map((line) => line.replace('{DEL}', FLAVORS[flavor].deletion))
    .join('\n');
}

/** After every step ROLE must tell where the stream ends. */
export async function play(
  bed: ServerBed,
  reign: Reign,
  steps: readonly string[],
): Promise<string> {
  const talks = new Map<string, Talk>();
  const told: string[] = [];
  let captured: number = START;
  for (const step of steps) {
    const [, who = '', mark = '', rest = ''] = /^([a-z=])([!?~]?) ?(.*)$/.exec(step) ?? [];
    told.push(step);
    if (who === '=') {
      await bed.sleep(Number(rest));
    } else {
      const talk = talks.get(who) ?? (await agentOf(reign.life));
      talks.set(who, talk);
      if (mark !== '?') talk.send(...wordsOf(rest));
      if (mark === '!') await bed.sleep(SENT_MS);
      else told.push(`  ${masked(await talk.reply())}`);
      if (mark === '~') await bed.sleep(CRON_MS);
    }
    const { offset } = await roleOf(reign.agent);
    const stream = await reign.capture.bytes(offset - captured);
    captured = offset;
    equal(reign.capture.unread, '', `ROLE tells the end of the stream after: ${step}`);
    for (const command of commandsOf(stream)) told.push(`  > ${masked(command)}`);
  }
  return told.join('\n');
}

function wordsOf(text: string): string[] {
  return [...text.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain = '']) => quoted ?? plain);
}
