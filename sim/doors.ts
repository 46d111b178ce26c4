/** Where clients come in: at every host whose node is alive and has a server. */
import type { Door } from './client-connection.ts';
import type { Host } from './host.ts';

export function doorsOf(hosts: Iterable<Host>): readonly Door[] {
  return [...hosts].map((host) => ({
    host: host.name,
    admit: (source, client) => {
      const { life } = host;
      if (life === null) return null;
      const session = life.admit(client);
      if (session === null) return null;
      // What comes for an earlier life never arrives; its clients find out by waiting.
      const enter = (run: () => void): void =>
        host.enter(source, (present) => {
          if (present === life) run();
        });
      return {
        request: (piece) => enter(() => session.request(piece)),
        drained: () => enter(() => session.drained()),
        close: () => enter(() => session.close()),
      };
    },
  }));
}
