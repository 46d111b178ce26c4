/** What travels between machines of the founding world. */
import type { TransferMessage } from '../../src/core/raft/fetch.ts';
import type { Message } from '../../src/core/raft/protocol.ts';
import type { NodeId } from '../../src/core/scalars.ts';
import type { Refusal } from '../../src/io/peers/hello.ts';

export type Packet =
  | { readonly kind: 'hello'; readonly body: Buffer }
  | { readonly kind: 'refused'; readonly run: string; readonly refusal: Refusal }
  | {
      readonly kind: 'sent';
      readonly from: NodeId;
      readonly run: string;
      readonly to: NodeId;
      readonly what: Sent;
    };

export type Sent =
  | { readonly kind: 'control'; readonly message: Message }
  | { readonly kind: 'transfer'; readonly message: TransferMessage }
  | { readonly kind: 'data'; readonly message: Message }
  | { readonly kind: 'report'; readonly body: unknown };
