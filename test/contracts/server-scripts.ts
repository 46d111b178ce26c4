/** Plays scripts of commands, and writes down what was answered and what came in the stream. */
import { equal } from 'node:assert/strict';
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

/**
 * A step is `a WORDS`: connection `a` says it, and its reply is waited for. `a! WORDS` waits for
 * none, `a?` for one that is due, `= ms` lets time pass. Words with spaces stand in double quotes.
 */
export async function play(bed: ServerBed, reign: Reign, script: string): Promise<string> {
  const talks = new Map<string, Talk>();
  const told: string[] = [];
  let captured: number = START;
  for (const line of script
    .trim()
    .split('\n')
    .map((text) => text.trim())) {
    const [, who = '', mark = '', rest = ''] = /^([a-z=])([!?]?) ?(.*)$/.exec(line) ?? [];
    told.push(line);
    if (who === '=') {
      await bed.sleep(Number(rest));
    } else {
      const talk = talks.get(who) ?? (await agentOf(reign.life));
      talks.set(who, talk);
      if (mark !== '?') talk.send(...wordsOf(rest));
      if (mark === '!') await bed.sleep(40);
      else told.push(`  ${masked(await talk.reply())}`);
    }
    const { offset } = await roleOf(reign.agent);
    const stream = await reign.capture.bytes(offset - captured);
    captured = offset;
    equal(reign.capture.unread, '', 'ROLE tells the end of the stream');
    for (const command of commandsOf(stream)) told.push(`  > ${masked(command)}`);
  }
  return told.join('\n');
}

function wordsOf(text: string): string[] {
  return [...text.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain = '']) => quoted ?? plain);
}
