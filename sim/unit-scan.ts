/**
 * Where execution units end in a stretch of replication stream: a second opinion, that shares no
 * code with the product's cutter.
 */

/** Ends of all units, the last one at the end of `bytes`; or in words what does not fit. */
export function unitEnds(bytes: Buffer): readonly number[] | string {
  const ends: number[] = [];
  let at = 0;
  let isInside = false;
  while (at < bytes.length) {
    const command = commandAt(bytes, at);
    if (command === null) return `no whole command at ${at}`;
    at = command.end;
    if (command.name === 'MULTI') {
      if (isInside) return `a MULTI inside another before ${at}`;
      isInside = true;
    } else if (command.name === 'EXEC') {
      if (!isInside) return `an EXEC without MULTI before ${at}`;
      isInside = false;
    }
    if (!isInside) ends.push(at);
  }
  return isInside ? 'a MULTI without its EXEC' : ends;
}

function commandAt(bytes: Buffer, from: number): { name: string; end: number } | null {
  const words = headAt(bytes, from, '*');
  if (words === null || words.value < 1) return null;
  let at = words.end;
  let name = '';
  for (let word = 0; word < words.value; word += 1) {
    const head = headAt(bytes, at, '$');
    if (head === null) return null;
    const end = head.end + head.value;
    if (end + 2 > bytes.length || bytes.toString('latin1', end, end + 2) !== '\r\n') return null;
    if (word === 0) name = bytes.toString('latin1', head.end, end).toUpperCase();
    at = end + 2;
  }
  return { name, end: at };
}

function headAt(bytes: Buffer, at: number, sign: string): { value: number; end: number } | null {
  const line = bytes.indexOf('\r\n', at, 'latin1');
  if (line < 0) return null;
  const text = bytes.toString('latin1', at, line);
  return text.startsWith(sign) && /^.[0-9]+$/.test(text)
    ? { value: Number(text.slice(1)), end: line + 2 }
    : null;
}
