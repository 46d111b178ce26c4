/** Where clients come in: at every host whose node is alive and has a server. */
import type { NodeId } from '../src/core/scalars.ts';
import type { Admitted, Door } from './client-connection.ts';
import type { Host } from './host.ts';
import type { Life } from './life.ts';
import type { ClientPort, Session } from './session.ts';

export function doorsOf(hosts: Iterable<Host>): readonly Door[] {
  return [...hosts].map((host) => ({
    host: host.name,
    admit: (source, client) => enterBy(host, source, (life) => life.admit(client)),
  }));
}

/** The same for another node's relay, which passes on for its clients: `source` names them. */
export function reach(
  hosts: Iterable<Host>,
  node: NodeId,
  source: string,
  client: ClientPort,
): Admitted | null {
  const host = [...hosts].find(({ id }) => id === node);
  return host === undefined ? null : enterBy(host, source, (life) => life.accept(client));
}

function enterBy(
  host: Host,
  source: string,
  open: (life: Life) => Session | null,
): Admitted | null {
  const { life } = host;
  const session = life === null ? null : open(life);
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
}
