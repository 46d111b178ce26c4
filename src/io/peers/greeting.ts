/**
 * Both hellos of a connection, seen from either side.
 *
 * The dialer speaks first; the other side answers with its own hello, which also means "you are
 * welcome", or with a refusal. Only then may anything else be sent. Bytes that follow the hello
 * stay in the socket, so that a relay's stream can be handed over whole.
 */
import type { Socket } from 'node:net';
import { FRAME_KIND, type Frame } from './codec.ts';
import { FrameReader, frameHeader, ProtocolError } from './frame-reader.ts';
import {
  decodeRefusal,
  encodeHello,
  encodeRefusal,
  type Greeting,
  HELLO_BYTES_MAX,
  type Hello,
  judgeHello,
  type Purpose,
  type Refusal,
} from './hello.ts';
import { type Address, refusalOfDial, type Transport } from './transport.ts';

/** What the two sides need to know to judge one another. */
export interface Gate {
  /** What this node says of itself now. */
  greeting(purpose: Purpose): Greeting;
  /** Everything that needs memory: incarnations, and the agent's own rules. Answers once. */
  admit(hello: Hello, done: (refusal: Refusal | null) => void): void;
}

export type Greeted =
  | { readonly kind: 'welcome'; readonly socket: Socket; readonly greeting: Greeting }
  | {
      readonly kind: 'refused';
      readonly refusal: Refusal;
      /** Who refused whom. */
      readonly by: 'us' | 'peer';
      /** The other side, where it could be read. */
      readonly hello: Hello | null;
    }
  | { readonly kind: 'lost'; readonly why: string };

/** `done` is called once, and not after the returned function was called, which gives up. */
export function dialPeer(
  o: {
    transport: Transport;
    address: Address;
    purpose: Purpose;
    gate: Gate;
    greetingMsMax: number;
  },
  done: (greeted: Greeted) => void,
): () => void {
  const { transport, address, purpose, gate } = o;
  const socket = transport.dial(address, () => {
    socket.write(frameBytes(encodeHello(gate.greeting(purpose))));
  });
  let isOver = false;
  const finish = (greeted: Greeted): void => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    done(greeted);
  };
  const timer = setTimeout(() => {
    socket.destroy();
    finish({ kind: 'lost', why: `no hello within ${o.greetingMsMax} ms` });
  }, o.greetingMsMax);
  readHello(socket, gate, purpose, finish, (greeting) => {
    finish({ kind: 'welcome', socket, greeting });
  });
  return () => {
    isOver = true;
    clearTimeout(timer);
    socket.destroy();
  };
}

/** The accepting side. Time is the caller's: destroying the socket ends it with `lost`. */
export function receivePeer(socket: Socket, gate: Gate, done: (greeted: Greeted) => void): void {
  readHello(socket, gate, null, done, (greeting) => {
    socket.write(frameBytes(encodeHello(gate.greeting(greeting.purpose))));
    done({ kind: 'welcome', socket, greeting });
  });
}

export function frameBytes(frame: Frame): Buffer {
  return Buffer.concat([frameHeader(frame.kind, frame.bytes), ...frame.parts]);
}

function readHello(
  socket: Socket,
  gate: Gate,
  purpose: Purpose | null,
  fail: (greeted: Greeted) => void,
  welcome: (greeting: Greeting) => void,
): void {
  const refuse = (refusal: Refusal, hello: Hello | null): void => {
    // To a relay's other end, which has taken the stream already, it would be a client's bytes.
    if (purpose === 'relay' || socket.destroyed) socket.destroy();
    else socket.write(frameBytes(encodeRefusal(refusal)), () => socket.destroy());
    fail({ kind: 'refused', refusal, by: 'us', hello });
  };
  const take = (kind: number, body: Buffer): void => {
    if (kind === FRAME_KIND.refused) {
      const refusal = decodeRefusal(body);
      socket.destroy();
      fail({ kind: 'refused', refusal, by: 'peer', hello: null });
      return;
    }
    if (kind !== FRAME_KIND.hello) throw new ProtocolError(`a frame of kind ${kind} before hello`);
    const verdict = judgeHello(body, gate.greeting('raft').hello);
    if (!verdict.ok) {
      refuse(verdict.refusal, null);
      return;
    }
    const { greeting } = verdict;
    gate.admit(greeting.hello, (refusal) => {
      if (socket.destroyed) fail({ kind: 'lost', why: 'closed while it was judged' });
      else if (refusal !== null) refuse(refusal, greeting.hello);
      else welcome(greeting);
    });
  };
  readFirstFrame(socket, take, (error) => {
    const refusal = error === null ? null : refusalOf(error);
    if (refusal !== null) {
      refuse(refusal, null);
      return;
    }
    socket.destroy();
    fail({ kind: 'lost', why: error?.message ?? 'closed before its hello' });
  });
}

function refusalOf(error: Error): Refusal | null {
  if (error instanceof ProtocolError) return { code: 'MALFORMED', text: error.message };
  return refusalOfDial(error);
}

/**
 * Yields one frame and leaves the rest in the socket, which then stands still until somebody
 * reads it. `readable` rather than `data`, because a stream that was paused by hand stays paused.
 */
function readFirstFrame(
  socket: Socket,
  onFrame: (kind: number, body: Buffer) => void,
  onFailed: (error: Error | null) => void,
): void {
  let failure: Error | null = null;
  const reader = new FrameReader(HELLO_BYTES_MAX, (kind, body) => {
    reader.stop();
    release();
    frame = { kind, body };
  });
  let frame: { kind: number; body: Buffer } | null = null;
  const onReadable = (): void => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    try {
      const rest = reader.push(chunk);
      if (rest.length > 0) socket.unshift(rest);
      const first = frame;
      // The error listener below lives as long as the socket: it should not keep the bytes.
      frame = null;
      if (first !== null) onFrame(first.kind, first.body);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      release();
      onFailed(speaksTls(chunk) ? tlsError() : error);
    }
  };
  const onError = (error: Error): void => {
    failure = error;
  };
  const onEnd = (): void => {
    socket.destroy();
  };
  const onClose = (): void => {
    release();
    onFailed(failure);
  };
  const release = (): void => {
    socket.off('readable', onReadable).off('end', onEnd).off('close', onClose);
  };
  // The error listener stays: an error after the hello is told by `close` to whoever took over.
  socket.on('error', onError);
  socket.on('readable', onReadable).on('end', onEnd).on('close', onClose);
}

/** A TLS alert or handshake record, where this side has no secret. */
function speaksTls(chunk: Buffer): boolean {
  return (chunk[0] === 0x15 || chunk[0] === 0x16) && chunk[1] === 0x03;
}

function tlsError(): Error {
  return Object.assign(new Error('the other side has a secret, this one has none'), {
    code: 'ERR_SSL_EXPECTED',
  });
}
