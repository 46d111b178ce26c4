/** What the server says of itself: ROLE and INFO. */
import type { Engine } from './engine.ts';
import { array, bulk, integer } from './resp.ts';

export function roleReply(engine: Engine): string {
  const { link, stream, replicas } = engine;
  if (!link.isOn) return array([bulk('master'), integer(stream.offset), replicas.rows()]);
  const offset = link.isConnected ? stream.offset : -1;
  return array([
    bulk('slave'),
    bulk(link.host),
    integer(link.port),
    bulk(link.state),
    integer(offset),
  ]);
}

export function infoText(engine: Engine, sections: readonly string[]): string {
  const wanted = new Set(sections.map((section) => section.toLowerCase()));
  const all = ['default', 'all', 'everything'].some((name) => wanted.has(name));
  const has = (name: string): boolean => wanted.size === 0 || all || wanted.has(name);
  const parts: string[] = [];
  if (has('server')) parts.push(section('Server', serverLines(engine)));
  if (has('clients')) {
    parts.push(section('Clients', [`connected_clients:${engine.clients.size}`]));
  }
  if (has('persistence')) parts.push(section('Persistence', ['loading:0']));
  if (has('stats')) {
    parts.push(section('Stats', [`unexpected_error_replies:${engine.unexpectedErrors}`]));
  }
  if (has('replication')) parts.push(section('Replication', replicationLines(engine)));
  return parts.join('\r\n');
}

function section(name: string, lines: readonly string[]): string {
  return `# ${name}\r\n${lines.map((line) => `${line}\r\n`).join('')}`;
}

function serverLines({ flavor, runId }: Engine): string[] {
  const { product, version } = flavor;
  const versions =
    product === 'redis'
      ? [`redis_version:${version}`]
      : ['redis_version:7.2.4', `valkey_version:${version}`];
  return [...versions, `run_id:${runId}`, 'uptime_in_seconds:1'];
}

function replicationLines({ link, stream, replicas }: Engine): string[] {
  const lines = [`role:${link.isOn ? 'slave' : 'master'}`];
  if (link.isOn) {
    lines.push(`master_host:${link.host}`, `master_port:${link.port}`);
    lines.push(`master_link_status:${link.isConnected ? 'up' : 'down'}`);
    lines.push(`slave_repl_offset:${stream.offset}`);
  }
  lines.push(`connected_slaves:${replicas.count}`);
  lines.push(`master_replid:${stream.replid}`, `master_replid2:${stream.replid2}`);
  lines.push(`master_repl_offset:${stream.offset}`);
  lines.push(`second_repl_offset:${stream.replid2Until}`);
  return lines;
}
