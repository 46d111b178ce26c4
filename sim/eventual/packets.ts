/** What travels between machines of the eventual world: words of agents, and of servers. */
import type { MemberFacts } from '../../src/core/control/state.ts';
import type { TransferMessage } from '../../src/core/raft/fetch.ts';
import type { Message } from '../../src/core/raft/protocol.ts';
import type { NodeId } from '../../src/core/scalars.ts';

export type Packet =
  | { readonly kind: 'agent'; readonly from: NodeId; readonly run: number; readonly what: Said }
  | { readonly kind: 'server'; readonly what: Replicated };

export type Said =
  | { readonly kind: 'hello'; readonly facts: MemberFacts }
  /** `to`: the run that it is for, as a connection would have it. */
  | { readonly kind: 'control'; readonly to: number; readonly message: Message }
  | { readonly kind: 'transfer'; readonly to: number; readonly message: TransferMessage }
  /** These have no connection: what judges them must do without. */
  | { readonly kind: 'report' | 'standing' | 'asked' | 'answered'; readonly body: unknown };

/** A replica asks from where it stands, again and again; `life` tells its processes apart. */
export type Replicated =
  | {
      readonly kind: 'pull';
      readonly host: string;
      readonly life: number;
      readonly history: string;
      readonly offset: number;
    }
  | {
      readonly kind: 'fed';
      readonly life: number;
      readonly by: string;
      readonly history: string;
      readonly from: number;
      readonly writes: readonly string[];
    }
  | {
      readonly kind: 'whole';
      readonly life: number;
      readonly by: string;
      readonly history: string;
      readonly offset: number;
      readonly writes: readonly string[];
    };
