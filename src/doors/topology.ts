/**
 * Who serves the data, as clients have to know it: what the Sentinel protocol is answered from, in
 * every mode. Facts as one node sees them now; where `epoch` is higher, they are newer.
 */

/** Where something listens: a host without brackets, and a port. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** A node that answers the Sentinel protocol. */
export interface DoorNode extends Endpoint {
  /** Of the node, the same for as long as its directory lives. */
  readonly id: string;
  /** As far as this node sees. */
  readonly isUp: boolean;
}

/** A node that holds the data, at the address for clients. */
export interface DataNode extends DoorNode {
  /** False while it is being loaded. */
  readonly isLevel: boolean;
  /** Bytes of the stream that it has; null when nobody here knows. */
  readonly offset: number | null;
}

export interface Topology {
  /** Of the deployment. */
  readonly name: string;
  /** Grows with every change of the primary. */
  readonly epoch: number;
  /** The last one that was known, up or not; null before the first. */
  readonly primary: DataNode | null;
  /** Without the primary, in an order that does not change by itself. */
  readonly replicas: readonly DataNode[];
  readonly self: DoorNode;
  /** The other nodes. */
  readonly others: readonly DoorNode[];
  /** How many voters must agree, of how many there are; and how many of them are up. */
  readonly quorum: number;
  readonly voters: number;
  readonly votersUp: number;
  /** After so long without a word a primary is given up, ms. */
  readonly downAfterMs: number;
  /** A switchover takes no longer, ms. */
  readonly failoverMs: number;
  /** Of the servers; empty when it is not known. */
  readonly serverVersion: string;
}

/** `host:port`, an IPv6 host in brackets; null for anything else, an empty text too. */
export function endpointOf(address: string): Endpoint | null {
  const [, bracketed, plain = '', port = ''] =
    /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(address) ?? [];
  const host = bracketed ?? plain;
  return host === '' ? null : { host, port: Number(port) };
}
