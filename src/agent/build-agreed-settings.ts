/** The settings of the spec, for this node's own server program. */
import type { ServerSettings } from '../core/control/spec.ts';
import { ServerError } from '../io/server/errors.ts';
import type { LocatedServer } from '../io/server/locate.ts';
import type { Agent } from './agent.ts';
import { AgreedSettings, type Judged } from './agreed-settings.ts';
import { LIMITS } from './limits.ts';
import type { OwnServer } from './own-server.ts';
import { judgeSettings } from './server-settings.ts';

/** Those of the agent's configuration have been judged. */
export function buildAgreedSettings(
  agent: Pick<Agent, 'config' | 'journal' | 'onFatal'>,
  located: LocatedServer,
  server: () => Pick<OwnServer, 'call'> | null,
): AgreedSettings {
  const { config, journal } = agent;
  const judge = async (settings: ServerSettings): Promise<Judged | null> => {
    try {
      return await judgeSettings(settings, located);
    } catch (error) {
      // Started for nothing but this, on a machine in trouble: it is asked again.
      if (!(error instanceof ServerError)) throw error;
      journal.warn('settings.notJudged', { error });
      return null;
    }
  };
  return new AgreedSettings({
    own: config.server,
    judge,
    call: async (words) => (await server()?.call(words)) ?? null,
    note: (level, event, facts) => journal[level](event, facts),
    fatal: (error) => agent.onFatal(error),
    lookTicks: LIMITS.settingsLookTicks,
  });
}
