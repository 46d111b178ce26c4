/** What a node that is stopped on purpose leads is led by others first, within a bound. */
import type { Assembly } from './assembly.ts';
import type { NodeConfig } from './config.ts';
import type { Journal } from './journal.ts';
import { LIMITS } from './limits.ts';
import type { DataGroup } from './shard/data-group.ts';

export interface StoppingNode {
  readonly config: Pick<NodeConfig, 'ephemeral'>;
  readonly group: DataGroup | null;
  readonly assembly: Assembly | null;
  readonly journal: Journal;
}

export async function handOverFirst(node: StoppingNode): Promise<void> {
  const { config, group, assembly, journal } = node;
  if (config.ephemeral) await assembly?.leave();
  if (group === null || !group.strong.isOpen || group.raft.isSoleVoter) {
    await assembly?.handOver();
    return;
  }
  const over = new Promise<void>((resolve) => {
    setTimeout(resolve, LIMITS.stopMsMax).unref();
    group.handOver(null, (ok, why) => {
      journal.info('agent.handedOver', { ok, why });
      resolve();
    });
  });
  await Promise.all([over, assembly?.handOver()]);
}
