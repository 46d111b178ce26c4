/** At the end: every server at the same offset of the stream, and nothing in which two differ. */
import { type Contents, contentsOf, differences } from '../test/system/digest.ts';
import { until } from '../test/system/processes.ts';
import type { LiveNode } from './live-node.ts';

const LEVEL_MS = 60_000;

export interface Comparison {
  readonly keys: number;
  readonly differences: readonly string[];
}

/** Throws when the servers do not come level. */
export async function comparedData(nodes: readonly LiveNode[]): Promise<Comparison> {
  return until('all servers level and readable', LEVEL_MS, async () => {
    const before = await levelOffset(nodes);
    if (before === null) return null;
    const all: Contents[] = [];
    for (const node of nodes) {
      const pid = node.serverPid();
      if (pid === null) return null;
      all.push(await contentsOf(pid));
    }
    // What was still on its way, an expiry say, would look like a difference.
    if ((await levelOffset(nodes)) !== before) return null;
    const [first, ...others] = all as [Contents, ...Contents[]];
    const found = others.flatMap((each, i) =>
      differences(first, each).map((words) => `node1 and node${i + 2} differ: ${words}`),
    );
    return { keys: first.size, differences: found };
  });
}

async function levelOffset(nodes: readonly LiveNode[]): Promise<number | null> {
  const answers = await Promise.all(nodes.map((node) => node.status()));
  const offsets = answers.map(({ ready, status }) => {
    if (!ready || status === null) return -1;
    return status.role === 'leader' ? status.offsets.executed : status.offsets.applied;
  });
  const [first = -1] = offsets;
  return first >= 0 && offsets.every((each) => each === first) ? first : null;
}
