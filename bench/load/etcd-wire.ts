/** Put and (linearizable) Range over gRPC, as many streams at a time as the batch has requests. */
import { GrpcConnection } from '../etcd/grpc-connection.ts';
import { PATHS, putRequest, rangeRequest } from '../etcd/messages.ts';
import { type Batch, keyOf, type Wire, type WireEvents } from './wire.ts';

export class EtcdWire implements Wire {
  firstRefusal = '';
  readonly #port: number;
  readonly #events: WireEvents;
  readonly #value: Buffer;
  #connection: GrpcConnection | null = null;

  constructor(options: { port: number; valueBytes: number }, events: WireEvents) {
    this.#port = options.port;
    this.#events = events;
    this.#value = Buffer.alloc(options.valueBytes, 'x');
  }

  /** With a first call, so that the settings of both sides are in force. */
  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      let isOpen = false;
      const connection = new GrpcConnection(this.#port, (error) => {
        if (isOpen) this.#events.failed(error);
        else reject(error);
      });
      this.#connection = connection;
      connection.call(PATHS.range, rangeRequest(keyOf(0)), false, (answer) => {
        isOpen = true;
        if (answer === null) reject(new Error('the first call was refused'));
        else resolve();
      });
    });
  }

  send({ keys, isRead, count }: Batch): void {
    const connection = this.#connection;
    if (connection === null) throw new Error('not open');
    connection.cork();
    for (let place = 0; place < count; place++) {
      const key = keyOf(keys[place] ?? 0);
      if (isRead[place] === 1)
        connection.call(PATHS.range, rangeRequest(key), false, (answer, bytes) => {
          if (answer === null) this.#refused(place);
          // A response without a value is shorter than any value with its key.
          else this.#events.answered(place, bytes > this.#value.length ? 'ok' : 'missing');
        });
      else
        connection.call(PATHS.put, putRequest(key, this.#value), false, (answer) => {
          if (answer === null) this.#refused(place);
          else this.#events.answered(place, 'ok');
        });
    }
    connection.uncork();
  }

  close(): void {
    this.#connection?.close();
  }

  #refused(place: number): void {
    this.firstRefusal ||= 'etcd refused a call';
    this.#events.answered(place, 'refused');
  }
}
