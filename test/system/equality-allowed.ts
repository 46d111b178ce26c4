/** In what a reply through the relay may differ from a bare server's, and why. */

/** What may differ, why, and what is compared instead. */
export const ALLOWED: Readonly<Record<string, { why: string; shown: (text: string) => string }>> = {
  unordered: {
    why: 'the order of a hash table follows a random seed of each server process',
    shown: (text) => text.split('\r\n').sort().join('\n'),
  },
  clock: {
    why: 'milliseconds that have passed, or the time itself',
    shown: (text) => text.replace(/\d{3,}/g, 'N').replace(/\$\d+/g, '$'),
  },
  idle: {
    why: 'milliseconds since an entry was delivered',
    shown: (text) => text.replace(/:\d+(\r\n:\d+\r\n)$/, ':N$1'),
  },
  stamp: {
    why: 'an id that the server makes from its clock',
    shown: (text) => text.replace(/\d{13}-\d+/g, 'ID'),
  },
  number: {
    why: 'the number of a connection',
    shown: (text) => text.replace(/:\d{1,9}\r\n/g, ':N\r\n'),
  },
  dice: {
    why: 'the command answers with a random choice',
    shown: (text) => text.replace(/\$\d+\r\n[^\r]*/g, '$'),
  },
  chosen: {
    why: 'who asks and where it runs is in the answer',
    shown: (text) => text.slice(0, 1),
  },
  agreed: {
    why: 'WAIT answers how many other nodes hold the write; a bare server has none',
    shown: (text) => text.replace(/:\d/g, ':N'),
  },
  reads: {
    why: 'says who answers reads; of a server that is no cluster node it is an error, or nothing',
    shown: () => '',
  },
  denied: {
    why: 'the command would break the guarantees: the relay or the ACL refuses it',
    shown: () => '',
  },
};
