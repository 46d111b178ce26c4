/** `core/resp` against a real server: what is malformed here must be malformed there. */
import { equal } from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { ReplyCounter } from '../../core/resp/reply-counter.ts';
import { ErrorReply, ReplyReader } from '../../core/resp/reply-reader.ts';
import { RequestScanner } from '../../core/resp/request-scanner.ts';
import { encodeCommand } from '../../core/resp/writer.ts';
import { ReadBuffer } from '../read-buffer.ts';
import { connectServer } from './admin.ts';
import { CONF_LIMITS } from './conf.ts';
import { versionText } from './flavor.ts';
import { startTrial, trialServers, until } from './trial.ts';

const LIMITS = { bulkBytesMax: CONF_LIMITS.bulkBytesMax, wholeBytesMax: 4096, gatherBytesMax: 0 };

/** Each is sent alone, followed by a PING on the same connection. */
const STREAMS = [
  'PING\r\n',
  'PING\n',
  '\r\n',
  '   \r\n',
  'ECHO "a\\x41 b"\r\n',
  "ECHO 'it\\'s'\r\n",
  'ECHO "a\r\n',
  'ECHO "a"b\r\n',
  'ECHO a"b"c\r\n',
  '*0\r\n',
  '*-1\r\n',
  '*-100\r\n',
  '*1\r\n$4\r\nPING\r\n',
  // The server does not look at what stands where CR LF should be.
  '*1\rx$4\rxPINGxx',
  '*2147483648\r\n',
  '*01\r\n',
  '*+1\r\n',
  '*1x\r\n',
  '*\r\n',
  '*1\r\n:4\r\nPING\r\n',
  '*1\r\n$-1\r\n',
  '*1\r\n$04\r\n',
  `*1\r\n$${CONF_LIMITS.bulkBytesMax + 1}\r\n`,
  '*2\r\n$4\r\nECHO\r\n$0\r\n\r\n',
];

for (const located of await trialServers()) {
  const name = versionText(located.flavor);

  test(`${name} finds as many commands as RequestScanner, and is as strict`, async (t) => {
    const { server } = await startTrial(t, located);
    for (const text of STREAMS) {
      const scanner = new RequestScanner(() => false, LIMITS);
      let commands = 0;
      let complaint = '';
      const passed: Uint8Array[] = [];
      scanner.push(Buffer.concat([Buffer.from(text, 'latin1'), encodeCommand(['PING'])]));
      for (let found = scanner.next(); found !== 'starved'; found = scanner.next()) {
        // As the relay does: blanks are left out.
        if (found !== 'blank') passed.push(scanner.bytes.subarray(scanner.start, scanner.end));
        if (found === 'command') commands += 1;
        if (found === 'malformed') complaint = scanner.text;
      }
      equal(scanner.pendingBytes, 0, JSON.stringify(text));

      const socket = connectServer(server.socketPath, new ReadBuffer());
      const reader = new ReplyReader(1 << 20);
      let replies = 0;
      let answer = '';
      socket.on('data', (chunk: Buffer) =>
        reader.push(chunk, (reply) => {
          if (reply instanceof ErrorReply && reply.text.startsWith('ERR Protocol')) {
            answer = reply.text.slice(4);
          } else replies += 1;
        }),
      );
      await once(socket, 'connect');
      for (const bytes of passed) socket.write(bytes);
      await until(`an answer to ${JSON.stringify(text)}`, () =>
        complaint === '' ? replies === commands : answer !== '',
      );
      equal(answer, complaint, JSON.stringify(text));
      equal(replies, commands, JSON.stringify(text));
      socket.destroy();
    }
  });

  test(`${name}: ReplyCounter counts one reply per command, in RESP2 and RESP3`, async (t) => {
    const { server } = await startTrial(t, located);
    const script = [
      'HSET h a 1 b 2',
      'HGETALL h',
      'ZADD z 1.5 a',
      'ZRANGE z 0 -1 WITHSCORES',
      'GET none',
      'COMMAND',
      'CONFIG GET *',
      'SMEMBERS none',
      'NOSUCH',
      'XADD x 1-1 f v',
      'XRANGE x - +',
      'MULTI',
      'HGETALL h',
      'EXEC',
      'CLIENT TRACKING on',
      'INFO',
      'MEMORY STATS',
      'LATENCY HISTOGRAM',
      'ACL CAT',
      'FUNCTION LIST',
      'PING',
    ].map((line) => encodeCommand(line.split(' ')));
    for (const hello of ['HELLO 2', 'HELLO 3']) {
      const counter = new ReplyCounter();
      const socket = connectServer(server.socketPath, new ReadBuffer());
      let replies = 0;
      socket.on('data', (chunk: Buffer) => {
        // RESP2 cannot track without a redirection: an error, and one reply all the same.
        equal(counter.countAll(chunk), 'starved');
        replies += counter.replies;
      });
      await once(socket, 'connect');
      socket.write(Buffer.concat([encodeCommand(hello.split(' ')), ...script]));
      await until('all replies', () => replies >= script.length + 1);
      equal(replies, script.length + 1);
      equal(counter.isInside, false);
      socket.destroy();
    }
  });
}
