/** What a reply looks like: types, names of fields and their order, and values where asked. */

export type Shape = string | readonly Shape[];

interface Reading {
  readonly lines: Buffer;
  at: number;
}

/** Of all replies in `text`. Values of fields not in `kept` are told by their kind. */
export function shapeOf(text: string, kept: readonly string[]): Shape[] {
  const reading: Reading = { lines: Buffer.from(text), at: 0 };
  const all: Shape[] = [];
  while (reading.at < reading.lines.length) all.push(read(reading, kept));
  return all;
}

function line(reading: Reading): string {
  const end = reading.lines.indexOf('\r\n', reading.at);
  const text = reading.lines.toString('utf8', reading.at, end);
  reading.at = end + 2;
  return text;
}

function read(reading: Reading, kept: readonly string[]): Shape {
  const head = line(reading);
  const count = Number(head.slice(1));
  switch (head[0]) {
    case '$': {
      if (count < 0) return 'no text';
      const text = reading.lines.toString('utf8', reading.at, reading.at + count);
      reading.at += count + 2;
      return text;
    }
    case '*':
    case '>':
      return count < 0 ? 'no array' : fields(reading, head, count, kept);
    case '%':
      return fields(reading, head, 2 * count, kept);
    default:
      return head.startsWith(':') ? 'an integer' : head;
  }
}

function fields(reading: Reading, head: string, count: number, kept: readonly string[]): Shape {
  const items = Array.from({ length: count }, () => read(reading, kept));
  const isFields = items[0] === 'name' || head.startsWith('%');
  if (!isFields) return items.every((item) => typeof item === 'string') ? items.map(kind) : items;
  const named = items.map((item, i) => {
    const name = items[i - 1];
    if (i % 2 === 0 || typeof item !== 'string') return item;
    return kept.includes(String(name)) ? item : kind(item);
  });
  return [head[0] ?? '', ...named];
}

function kind(item: Shape): Shape {
  if (typeof item !== 'string') return item;
  if (/^[0-9a-f]{40}$/.test(item)) return 'an id';
  if (/^-?\d+$/.test(item)) return 'a number';
  return /^[\d.]+(:\d+)?$/.test(item) ? 'an address' : 'text';
}
