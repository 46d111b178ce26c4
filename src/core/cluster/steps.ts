/**
 * What is done to a cluster, one step at a time. Every step may be done again: who was interrupted
 * looks anew, plans anew, and goes on from there.
 */
import { unreachable } from '../../assert.ts';
import type { ClusterNodeId } from './nodes-text.ts';
import { type Slot, slotsText } from './slots.ts';

export type Step =
  /** Slots of nobody become the node's. */
  | { readonly kind: 'add-slots'; readonly node: ClusterNodeId; readonly slots: readonly Slot[] }
  | { readonly kind: 'set-epoch'; readonly node: ClusterNodeId; readonly epoch: number }
  /** `node` is told of `other`. */
  | { readonly kind: 'meet'; readonly node: ClusterNodeId; readonly other: ClusterNodeId }
  /** Nothing goes on before all know all, these among them, and agree about roles and slots. */
  | { readonly kind: 'agree'; readonly nodes: readonly ClusterNodeId[] }
  /** Functions of `from`; a replica would get them with its data. */
  | { readonly kind: 'copy-functions'; readonly from: ClusterNodeId; readonly to: ClusterNodeId }
  | {
      readonly kind: 'replicate';
      readonly node: ClusterNodeId;
      readonly primary: ClusterNodeId;
    }
  /** Out of what `node` knows; within a minute on all nodes, or gossip brings it back. */
  | { readonly kind: 'forget'; readonly node: ClusterNodeId; readonly other: ClusterNodeId }
  /** It forgets everybody, and takes a new id: the old one is banned for a minute elsewhere. */
  | { readonly kind: 'reset'; readonly node: ClusterNodeId }
  /** Slots with their keys, while clients go on. Goes on where an earlier one ended. */
  | {
      readonly kind: 'move';
      readonly from: ClusterNodeId;
      readonly to: ClusterNodeId;
      readonly slots: readonly Slot[];
    }
  /** It stops saying that these are its own; its keys stay where they are. */
  | { readonly kind: 'disown'; readonly node: ClusterNodeId; readonly slots: readonly Slot[] }
  /** It says that these are its own, in an epoch that wins. */
  | { readonly kind: 'claim'; readonly node: ClusterNodeId; readonly slots: readonly Slot[] }
  /** Keys that `from` has of slots that are `to`'s. */
  | {
      readonly kind: 'gather';
      readonly from: ClusterNodeId;
      readonly to: ClusterNodeId;
      readonly slots: readonly Slot[];
    }
  /** It neither gives nor takes them any longer. */
  | { readonly kind: 'close'; readonly node: ClusterNodeId; readonly slots: readonly Slot[] }
  /** All other primaries are told whose they are. */
  | { readonly kind: 'announce'; readonly node: ClusterNodeId; readonly slots: readonly Slot[] };

/** In words; `name` shows a node. */
export function stepText(step: Step, name: (id: ClusterNodeId) => string): string {
  switch (step.kind) {
    case 'add-slots':
      return `${name(step.node)} gets slots ${slotsText(step.slots)}`;
    case 'set-epoch':
      return `${name(step.node)} begins with epoch ${step.epoch}`;
    case 'meet':
      return `${name(step.node)} meets ${name(step.other)}`;
    case 'agree':
      return 'wait until all nodes agree';
    case 'copy-functions':
      return `${name(step.to)} gets the functions of ${name(step.from)}`;
    case 'replicate':
      return `${name(step.node)} becomes a replica of ${name(step.primary)}`;
    case 'forget':
      return `${name(step.node)} forgets ${name(step.other)}`;
    case 'reset':
      return `${name(step.node)} forgets its cluster and takes a new id`;
    case 'move':
      return `move ${counted(step.slots)} from ${name(step.from)} to ${name(step.to)}`;
    case 'disown':
      return `${name(step.node)} gives up slots ${slotsText(step.slots)}`;
    case 'claim':
      return `${name(step.node)} takes slots ${slotsText(step.slots)}, in a new epoch`;
    case 'gather':
      return `keys of ${counted(step.slots)} go from ${name(step.from)} to ${name(step.to)}`;
    case 'close':
      return `close slots ${slotsText(step.slots)} on ${name(step.node)}`;
    case 'announce':
      return `all are told that slots ${slotsText(step.slots)} are of ${name(step.node)}`;
    default:
      return unreachable(step);
  }
}

function counted(slots: readonly Slot[]): string {
  return `${slots.length} slot${slots.length === 1 ? '' : 's'} (${slotsText(slots)})`;
}
