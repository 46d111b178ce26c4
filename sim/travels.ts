/** How replies came, of all nodes. A run in which nobody moves tests no move. */
export class Travels {
  /** Pieces given away by lanes, with their fence. */
  fenced = 0;
  unfenced = 0;
  lanes = 0;
  /** Connections of sessions' own. */
  owns = 0;
  /** The same to the relay of the node that leads. */
  passed = 0;
  /** Reads that a server answered which follows. */
  readsHere = 0;
}
