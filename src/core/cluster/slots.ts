/**
 * Hash slots of a Redis Cluster (cluster specification, "Key distribution model"): which slot a key
 * is in, and sets of slots as people and servers write them.
 */
import { assert } from '../../assert.ts';

/** 0 to 16383. */
export type Slot = number;

export const SLOTS_ALL = 16_384;

/** Both ends are in it. */
export interface SlotRange {
  readonly from: Slot;
  readonly to: Slot;
}

export function isSlot(value: number): value is Slot {
  return Number.isInteger(value) && value >= 0 && value < SLOTS_ALL;
}

/** `0-5460` or `7`; null for what is neither. */
export function parseRange(text: string): SlotRange | null {
  const [, first = '', last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  if (first === '') return null;
  const range = { from: Number(first), to: Number(last) };
  return isSlot(range.from) && isSlot(range.to) && range.from <= range.to ? range : null;
}

export function slotsOf(ranges: readonly SlotRange[]): Slot[] {
  const slots: Slot[] = [];
  for (const { from, to } of ranges) for (let slot = from; slot <= to; slot++) slots.push(slot);
  return slots;
}

/** How many these are; none is in two of the ranges. */
export function countOf(ranges: readonly SlotRange[]): number {
  return ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
}

/** The fewest ranges that hold exactly these slots, ascending. */
export function rangesOf(slots: Iterable<Slot>): SlotRange[] {
  const ranges: { from: Slot; to: Slot }[] = [];
  for (const slot of [...new Set(slots)].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && last.to === slot - 1) last.to = slot;
    else ranges.push({ from: slot, to: slot });
  }
  return ranges;
}

/** `0-5460,7000`; `-` for none. */
export function slotsText(slots: Iterable<Slot>): string {
  const texts = rangesOf(slots).map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`));
  return texts.join(',') || '-';
}

/** Slots 0 to 16383 in `parts` ranges whose sizes differ by one at most, as redis-cli cuts them. */
export function evenRanges(parts: number): SlotRange[] {
  assert(parts > 0 && parts <= SLOTS_ALL, 'a part has a slot at least');
  const end = (part: number): number => Math.round((part * SLOTS_ALL) / parts);
  return Array.from({ length: parts }, (_, i) => ({ from: end(i), to: end(i + 1) - 1 }));
}

/**
 * The slot of a key: CRC16 of what stands between its first `{` and the next `}`, when that is not
 * empty, else of all of it (cluster specification, "Hash tags").
 */
export function keySlot(key: Uint8Array): Slot {
  const open = key.indexOf(0x7b);
  const close = open < 0 ? -1 : key.indexOf(0x7d, open + 1);
  const tag = close > open + 1 ? key.subarray(open + 1, close) : key;
  return crc16(tag) % SLOTS_ALL;
}

/** CRC16-CCITT in the variant XMODEM: polynomial 1021 (hex), from 0. */
function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
    crc &= 0xffff;
  }
  return crc;
}
