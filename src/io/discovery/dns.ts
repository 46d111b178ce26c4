/**
 * Names that lead to nodes: A and AAAA records (`tasks.orders` in Swarm, a headless service in
 * Kubernetes, any round robin), and SRV records, which bring ports.
 *
 * Addresses come by the system's own look-up (docs/decisions/0008-discovery.md): short names,
 * search domains, the hosts file and the resolvers of containers work as for any other program.
 */
import { placeHost } from './address.ts';
import { DiscoveryError } from './errors.ts';
import type { DiscoveryLimits } from './limits.ts';
import type { DiscoveryPorts } from './ports.ts';
import { searchNames } from './search-names.ts';
import type { Answer, Place, Source } from './source.ts';
import { within } from './within.ts';

const RESOLV_CONF = '/etc/resolv.conf';

type Needs = Pick<DiscoveryPorts, 'clock' | 'names' | 'files'>;

export function dnsSource(
  label: string,
  { name, port }: { readonly name: string; readonly port: number },
  ports: Needs,
  limits: DiscoveryLimits,
): Source {
  return nameSource(label, ports, limits, async () =>
    answer(name, await placesOf(ports, name, port)),
  );
}

/** Priorities and weights say whom a client should prefer; here every target is a place to ask. */
export function srvSource(
  label: string,
  { name }: { readonly name: string },
  ports: Needs,
  limits: DiscoveryLimits,
): Source {
  return nameSource(label, ports, limits, () => targetsOf(ports, name, limits.targetsMax));
}

/** Looks a name up, within its bound, again and again. */
function nameSource(
  label: string,
  { clock }: Needs,
  limits: DiscoveryLimits,
  ask: () => Promise<Answer>,
): Source {
  return {
    label,
    everyMs: limits.lookEveryMs,
    keepMs: limits.dnsKeepMs,
    async *look(signal) {
      yield await within(ask(), { clock, msMax: limits.lookMsMax, signal });
    },
  };
}

/** `host` may be an address or a name. */
export async function placesOf(
  { names }: Pick<Needs, 'names'>,
  host: string,
  port: number,
): Promise<Place[]> {
  const own = placeHost(host);
  const found = own === null ? await names.addresses(host) : [own];
  const hosts = new Set(found.flatMap((text) => placeHost(text) ?? []));
  return [...hosts].map((each) => ({ address: { host: each, port }, http: null }));
}

function answer(name: string, places: readonly Place[]): Answer {
  return { places, complaint: places.length === 0 ? `${name} has no addresses` : null };
}

async function targetsOf(ports: Needs, name: string, targetsMax: number): Promise<Answer> {
  const found = await recordsOf(ports, name);
  if (found.length === 0) return { places: [], complaint: `${name} has no SRV records` };
  const taken = found.slice(0, targetsMax);
  const complaints =
    taken.length < found.length ? [`${found.length - taken.length} targets are left out`] : [];
  const asked = taken.map(({ host, port }) =>
    placesOf(ports, host, port).then(
      (places) => {
        if (places.length === 0) complaints.push(`target ${host} has no addresses`);
        return places;
      },
      (error: unknown) => {
        if (!(error instanceof DiscoveryError)) throw error;
        complaints.push(`target ${host}: ${error.message}`);
        return [];
      },
    ),
  );
  const places = (await Promise.all(asked)).flat();
  return { places, complaint: complaints.length === 0 ? null : complaints.toSorted().join('; ') };
}

async function recordsOf({ names, files }: Needs, name: string) {
  // A system without the file asks for the name as it is, as its own look-up would.
  const resolvConf = await files.read(RESOLV_CONF).catch((error: unknown) => {
    if (error instanceof DiscoveryError) return '';
    throw error;
  });
  for (const each of searchNames(name, resolvConf)) {
    const found = await names.services(each);
    // RFC 2782: a lone dot says that there is no such service.
    const targets = found.filter(({ host }) => host !== '' && host !== '.');
    if (targets.length > 0) return targets;
  }
  return [];
}
