/**
 * Gathers the settings from where they stand: YAML file, then environment, then flags; the later
 * wins. Every value given is checked, also one that is overruled: a typing error hides nowhere.
 */
import { dirname, resolve } from 'node:path';
import { parseSpecChange } from '../core/control/spec.ts';
import { type SettingKey, START_SETTINGS } from '../doors/cli/start-options.ts';
import { checkSettings } from '../io/server/settings.ts';
import { type FileEntry, readConfigFile } from './config-file.ts';
import { type ConfigIssue, nearestName } from './config-issue.ts';
import { type SettingValues, SHAPES, serverValue } from './config-schema.ts';

export interface ConfigInput {
  /** What commander parsed, by attribute name. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Relative paths in flags and variables start here; those in a file start at the file. */
  readonly workingDir: string;
  readonly hostname: string;
  /** Of this machine, as far as this process may use them. */
  readonly cores: number;
  /** Whether several listeners may share one port here. */
  readonly canSharePorts: boolean;
}

/** A key as its source spells it, and the source: `--port` and `flag`. */
export interface Place {
  readonly path: string;
  readonly source: string;
}

export interface Gathered {
  readonly values: SettingValues;
  readonly server: Readonly<Record<string, string>>;
  /** Where each value came from. */
  readonly places: ReadonlyMap<SettingKey, Place>;
  readonly issues: readonly ConfigIssue[];
}

/** Ours, but not settings of a node: the command line's, the bootstrap's and the tests'. */
const OTHER_VARIABLES = ['ALTHING_CONFIG', 'ALTHING_URL', 'ALTHING_CACHE', 'ALTHING_FULL'];
/**
 * Kubernetes and old Docker links describe a service named `althing` to every pod in variables
 * like these; they are not meant for us.
 */
const SERVICE_LINK = /^ALTHING_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP)\w*)$/;
const SERVICE_LINK_VALUE = /^(tcp|udp):\/\//;
const PATH_KEYS: ReadonlySet<SettingKey> = new Set([
  'dir',
  'secret-file',
  'password-file',
  'users-file',
  'import-data',
]);

export function gatherSettings(input: ConfigInput): Gathered {
  const gathering = new Gathering(input);
  const variables = ownVariables(input.environment);
  const configPath = input.flags['config'] ?? variables.get('ALTHING_CONFIG');
  if (typeof configPath === 'string') gathering.takeFile(resolve(input.workingDir, configPath));
  gathering.takeVariables(variables);
  gathering.takeFlags();
  return gathering;
}

/** An empty variable counts as none: Compose files cannot unset one. */
function ownVariables(environment: ConfigInput['environment']): ReadonlyMap<string, string> {
  const variables = new Map<string, string>();
  for (const [variable, value = ''] of Object.entries(environment)) {
    if (!variable.startsWith('ALTHING_') || variable.startsWith('ALTHING_TEST_')) continue;
    if (value === '' || SERVICE_LINK.test(variable) || SERVICE_LINK_VALUE.test(value)) continue;
    variables.set(variable, value);
  }
  return variables;
}

class Gathering implements Gathered {
  readonly values: SettingValues = {};
  readonly server: Record<string, string> = {};
  readonly places = new Map<SettingKey, Place>();
  readonly issues: ConfigIssue[] = [];
  readonly #input: ConfigInput;

  constructor(input: ConfigInput) {
    this.#input = input;
  }

  takeFile(path: string): void {
    const read = readConfigFile(path);
    if (!read.ok) {
      this.issues.push(...read.issues);
      return;
    }
    const known = START_SETTINGS.map(({ key }) => key);
    for (const entry of read.entries) {
      const key = known.find((each) => each === entry.key);
      if (entry.key === 'server') this.#takeServerMap(entry);
      else if (key === undefined) this.#unknown(entry.key, entry.source, [...known, 'server']);
      // `key:` without a value is a line that somebody left empty.
      else if (entry.value !== null)
        this.#take(key, entry.value, { path: entry.key, source: entry.source }, dirname(path));
    }
  }

  takeVariables(variables: ReadonlyMap<string, string>): void {
    const known = [...START_SETTINGS.map((each) => each.environment), ...OTHER_VARIABLES];
    for (const [variable, value] of variables) {
      const setting = START_SETTINGS.find((each) => each.environment === variable);
      const place = { path: variable, source: 'environment' };
      if (setting !== undefined) this.#take(setting.key, value, place, this.#input.workingDir);
      else if (!OTHER_VARIABLES.includes(variable)) this.#unknown(variable, 'environment', known);
    }
  }

  takeFlags(): void {
    for (const { key, attribute, flag } of START_SETTINGS) {
      const value = this.#input.flags[attribute];
      const place = { path: flag, source: 'flag' };
      if (value !== undefined) this.#take(key, value, place, this.#input.workingDir);
    }
  }

  #take(key: SettingKey, given: unknown, place: Place, relativeTo: string): void {
    const { schema, isNot, todo, explain } = SHAPES[key];
    const parsed = schema.safeParse(given);
    if (!parsed.success) {
      const said = explain(given) ?? { text: `${quoted(given)} is ${isNot}`, todo };
      this.issues.push({ ...place, ...said });
      return;
    }
    const isPath =
      PATH_KEYS.has(key) || (key === 'server-path' && String(parsed.data).includes('/'));
    const value = isPath ? resolve(relativeTo, String(parsed.data)) : parsed.data;
    Object.assign(this.values, { [key]: value });
    this.places.set(key, place);
  }

  #takeServerMap({ entries, source, value }: FileEntry): void {
    if (entries === null) {
      if (value !== null)
        this.issues.push({
          path: 'server',
          source,
          text: 'is not a map',
          todo: 'write "setting: value" lines below it; the path of the server is server-path',
        });
      return;
    }
    for (const entry of entries) {
      const place = { path: `server.${entry.key}`, source: entry.source };
      const name = entry.key.toLowerCase();
      // The value may be a secret of the server: it is not repeated.
      const text = serverValue(entry.value);
      if (text === null) {
        this.issues.push({ ...place, text: 'is not one value', todo: 'write one line of text' });
        continue;
      }
      const checked = checkSettings({ [name]: text });
      if (checked.ok) this.server[name] = text;
      else
        for (const { reason } of checked.problems)
          this.issues.push({ ...place, text: reason, todo: 'correct or remove it' });
    }
    const agreeable = parseSpecChange({ server: this.server });
    if (typeof agreeable === 'string')
      this.issues.push({ path: 'server', source, text: agreeable, todo: 'shorten or remove it' });
  }

  #unknown(path: string, source: string, known: readonly string[]): void {
    const nearest = nearestName(path, known);
    const todo = nearest === null ? 'remove it' : `did you mean ${nearest}?`;
    this.issues.push({ path, source, text: 'is not known', todo });
  }
}

/** Long enough to recognise a value, short enough for one line. */
const QUOTED_LENGTH_MAX = 80;

function quoted(given: unknown): string {
  const text = JSON.stringify(given) ?? String(given);
  return text.length <= QUOTED_LENGTH_MAX ? text : `${text.slice(0, QUOTED_LENGTH_MAX)}…`;
}
