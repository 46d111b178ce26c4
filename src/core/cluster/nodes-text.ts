/**
 * The reply of CLUSTER NODES, which is one node's own view of its cluster: everybody it knows, one
 * line each, and on its own line the slots that it is giving or taking.
 *
 * `<id> <ip:port@bus[,hostname…]> <flags> <primary|-> <ping> <pong> <epoch> <link> <slots…>`
 */
import { parseRange, type Slot, type SlotRange } from './slots.ts';

/** Forty hex digits, made by the server; never an address. */
export type ClusterNodeId = string;

export interface NodeLine {
  readonly id: ClusterNodeId;
  /** Empty where the teller does not know it: its own, before anybody has told it. */
  readonly host: string;
  readonly port: number;
  /** Where nodes speak to each other. */
  readonly busPort: number;
  readonly flags: readonly string[];
  readonly isPrimary: boolean;
  /** Of a replica. */
  readonly primary: ClusterNodeId | null;
  readonly epoch: number;
  readonly slots: readonly SlotRange[];
  /** Slot to whom it goes; only a node's own line has these two. */
  readonly migrating: ReadonlyMap<Slot, ClusterNodeId>;
  readonly importing: ReadonlyMap<Slot, ClusterNodeId>;
}

/** Where the bus is, unless it was set. */
export const BUS_PORT_ABOVE = 10_000;

/** Null when this is not what a server answers. Words that are unknown are passed over. */
export function parseNodes(text: string): NodeLine[] | null {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const parsed = lines.map(parseLine);
  return parsed.length > 0 && parsed.every((line) => line !== null) ? parsed : null;
}

function parseLine(line: string): NodeLine | null {
  const [id = '', where = '', flagText = '', primary = '', , , epoch = '', , ...slotWords] = line
    .trim()
    .split(' ');
  const address = /^(.*):(\d{1,5})(?:@(\d{1,5}))?(?:,.*)?$/.exec(where);
  if (!/^[0-9a-f]{40}$/.test(id) || address === null || !/^\d+$/.test(epoch)) return null;
  const flags = flagText.split(',');
  return {
    ...{ id, flags },
    host: address[1] ?? '',
    port: Number(address[2]),
    busPort: Number(address[3] ?? Number(address[2]) + BUS_PORT_ABOVE),
    isPrimary: flags.includes('master'),
    primary: /^[0-9a-f]{40}$/.test(primary) ? primary : null,
    epoch: Number(epoch),
    slots: slotWords.map(parseRange).filter((range) => range !== null),
    migrating: openSlots(slotWords, '->-'),
    importing: openSlots(slotWords, '-<-'),
  };
}

/** `[93->-292f…]`: slot 93 goes to that node; `[77-<-e7d1…]`: slot 77 comes from there. */
function openSlots(words: readonly string[], arrow: string): Map<Slot, ClusterNodeId> {
  const found = words.map((word) => /^\[(\d{1,5})(->-|-<-)([0-9a-f]{40})\]$/.exec(word));
  return new Map(
    found
      .filter((match) => match !== null && match[2] === arrow)
      .map((match) => [Number(match?.[1]), match?.[3] ?? '']),
  );
}
