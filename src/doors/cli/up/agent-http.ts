/** The two questions that `up` asks an agent, over HTTP on loopback. */
import { request } from 'node:http';
import type { Status } from '../../view.ts';

/** A live agent answers at once; one that is paused must not hold up the picture of the others. */
const STATUS_PATIENCE_MS = 400;
/** A switchover waits for the new leader; the agent bounds it, this is a little more. */
const SWITCHOVER_PATIENCE_MS = 15_000;
/** The status of nine nodes is a few kilobytes. */
const BODY_BYTES_MAX = 1024 * 1024;

export interface AgentAnswer {
  readonly ready: boolean;
  readonly status: Status | null;
}

/** `/ready` carries the same body as `/status`, and says whether clients are served. */
export async function askStatus(port: number): Promise<AgentAnswer> {
  try {
    const { code, body } = await call(port, 'GET', '/ready', STATUS_PATIENCE_MS);
    return { ready: code === 200, status: JSON.parse(body) as Status };
  } catch {
    return { ready: false, status: null };
  }
}

/** Asks for another leader, any. The answer is in words either way. */
export async function askSwitchover(port: number): Promise<string> {
  try {
    const { body } = await call(port, 'POST', '/switchover', SWITCHOVER_PATIENCE_MS, '{}');
    const { text } = JSON.parse(body) as { text?: unknown };
    return typeof text === 'string' ? text : body.trim();
  } catch (error) {
    return `switchover: ${(error as Error).message}`;
  }
}

function call(
  port: number,
  method: string,
  path: string,
  patienceMs: number,
  body = '',
): Promise<{ code: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = body === '' ? {} : { 'content-type': 'application/json' };
    const outgoing = request(
      { host: '127.0.0.1', port, method, path, headers, agent: false },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => {
          text += chunk;
          if (text.length > BODY_BYTES_MAX) answer.destroy(new Error('answer too long'));
        });
        answer.on('error', reject);
        answer.on('end', () => resolve({ code: answer.statusCode ?? 0, body: text }));
      },
    );
    outgoing.on('error', reject);
    // Of the whole exchange, not of silence on the socket.
    const limit = setTimeout(() => outgoing.destroy(new Error('no answer in time')), patienceMs);
    outgoing.on('close', () => clearTimeout(limit));
    outgoing.end(body);
  });
}
