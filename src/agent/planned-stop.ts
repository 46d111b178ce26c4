/** What a node that is stopped on purpose leads is led by others first, within a bound. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Agent } from './agent.ts';
import type { Assembly } from './assembly.ts';
import { LIMITS } from './limits.ts';

/** `assembly`: null when the node was stopped before it had one. */
export async function handOverFirst(agent: Agent, assembly: Assembly | null): Promise<void> {
  const { config, group, journal, eventual } = agent;
  if (config.ephemeral) await assembly?.leave();
  if (eventual !== null && assembly !== null) {
    if (eventual.primary?.node === assembly.id) await handOverPrimary(agent);
    await assembly.handOver();
    return;
  }
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

async function handOverPrimary({ orders, journal }: Agent): Promise<void> {
  const over = new AbortController();
  const late = sleep(LIMITS.stopMsMax, null, { signal: over.signal }).catch(() => null);
  const result = await Promise.race([orders.switchover(null), late]);
  over.abort();
  journal.info('agent.handedOver', { ok: result?.ok ?? false, why: result?.text ?? 'too late' });
}
