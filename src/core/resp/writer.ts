/** Commands and replies to bytes (RESP2; the few RESP3 forms that we send ourselves). */

const CRLF = '\r\n';

/** One command as an array of bulk strings. Text is sent as UTF-8. */
export function encodeCommand(words: readonly (string | Uint8Array)[]): Buffer {
  const parts: (string | Uint8Array)[] = [];
  let text = `*${words.length}${CRLF}`;
  for (const word of words) {
    if (typeof word === 'string') {
      text += `$${Buffer.byteLength(word)}${CRLF}${word}${CRLF}`;
    } else {
      parts.push(`${text}$${word.length}${CRLF}`, word);
      text = CRLF;
    }
  }
  if (parts.length === 0) return Buffer.from(text);
  parts.push(text);
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
}

export function simpleReply(text: string): Buffer {
  return Buffer.from(`+${oneLine(text)}${CRLF}`);
}

/** `text` begins with the code that clients match on, for example `CLUSTERDOWN no leader`. */
export function errorReply(text: string): Buffer {
  return Buffer.from(`-${oneLine(text)}${CRLF}`);
}

export function integerReply(value: number): Buffer {
  return Buffer.from(`:${value}${CRLF}`);
}

export function bulkReply(value: string | Uint8Array): Buffer {
  const body = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([Buffer.from(`$${body.length}${CRLF}`), body, Buffer.from(CRLF)]);
}

export function nullReply(protocol: 2 | 3): Buffer {
  return Buffer.from(protocol === 3 ? `_${CRLF}` : `$-1${CRLF}`);
}

export function arrayReply(elements: readonly Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.from(`*${elements.length}${CRLF}`), ...elements]);
}

/** A line break inside a simple string or an error would end it early. */
function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]+/g, ' ');
}
