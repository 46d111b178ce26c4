/** `althing restore`: the doors' port, joined from a scratch server and `io/dataset`. */
import type { BackupManifest } from '../core/dataset/backup-manifest.ts';
import { planDatabases } from '../core/dataset/databases.ts';
import { Tally } from '../core/dataset/tally.ts';
import type {
  OpenRestore,
  Restore,
  RestoreOrder,
  RestoreOutcome,
  RestoreProgress,
  RestoreSurvey,
  ShardFound,
} from '../doors/dataset.ts';
import { type Comparison, compare } from '../io/dataset/compare.ts';
import { DatasetError } from '../io/dataset/errors.ts';
import { assertSound, type FoundSources, findSources } from '../io/dataset/found-sources.ts';
import { type FunctionsPut, putFunctions } from '../io/dataset/functions.ts';
import { moveKeys, refusedBecause } from '../io/dataset/move.ts';
import { nameOf, Target } from '../io/dataset/target.ts';
import { ExistingDataError } from '../io/server/existing-data.ts';
import { versionText } from '../io/server/flavor.ts';
import type { LocatedServer } from '../io/server/locate.ts';
import { tlsOf } from './cluster-tools.ts';
import { ScratchServer, scratchProgram } from './scratch-server.ts';

export const openRestore: OpenRestore = async (order, onLoading, signal) => {
  const { access } = order;
  const tls = access.tls === null ? null : await tlsOf(access.tls);
  const program = await scratchProgram(order.program);
  const found = await findSources(order.from);
  const target = await Target.open(order.target, { ...access, tls });
  const loader = new Loader(program, found, onLoading, signal);
  try {
    return new OwnRestore(order, target, loader, await surveyOf(order, target, loader));
  } catch (error) {
    await loader.close();
    target.close();
    throw error;
  }
};

/** One server at a time has the data of one of the sources. */
class Loader {
  readonly program: LocatedServer;
  readonly found: FoundSources;
  readonly #onLoading: (path: string, percent: number) => void;
  readonly #signal: AbortSignal;
  #now: { readonly path: string; readonly scratch: ScratchServer } | null = null;

  constructor(
    program: LocatedServer,
    found: FoundSources,
    onLoading: (path: string, percent: number) => void,
    signal: AbortSignal,
  ) {
    this.program = program;
    this.found = found;
    this.#onLoading = onLoading;
    this.#signal = signal;
  }

  /** The one that is loaded first, then the others: none is loaded again for nothing. */
  get paths(): string[] {
    const now = this.#now?.path;
    const { paths } = this.found;
    return now === undefined ? [...paths] : [now, ...paths.filter((path) => path !== now)];
  }

  async load(path: string): Promise<ScratchServer> {
    if (this.#now?.path === path) return this.#now.scratch;
    await this.close();
    const onLoading = (percent: number): void => this.#onLoading(path, percent);
    const scratch = await ScratchServer.start({
      path,
      program: this.program,
      onLoading,
      signal: this.#signal,
    }).catch((error: unknown) => {
      if (!(error instanceof ExistingDataError)) throw error;
      throw new DatasetError('SOURCE_REFUSED', error.message, { cause: error });
    });
    this.#now = { path, scratch };
    return scratch;
  }

  async close(): Promise<void> {
    const now = this.#now;
    this.#now = null;
    await now?.scratch.end();
  }
}

async function surveyOf(
  order: RestoreOrder,
  target: Target,
  loader: Loader,
): Promise<RestoreSurvey> {
  const { manifest } = loader.found;
  const shards = await (manifest === null ? loadedShards(loader) : soundShards(loader, manifest));
  const found = new Set(shards.flatMap(({ databases }) => databases.map(([number]) => number)));
  const plan = planDatabases(
    [...found].sort((a, b) => a - b),
    order.databases,
    target.isCluster,
  );
  const moves = plan.ok ? plan.moves : [];
  const wanted = new Set(moves.map(({ from }) => from));
  const keys = shards
    .flatMap(({ databases }) => databases)
    .reduce((sum, [number, count]) => sum + (wanted.has(number) ? count : 0), 0);
  const [first = ''] = loader.paths;
  const { source } = await loader.load(first);
  return {
    ...{ shards, moves, keys },
    loader: versionText(loader.program.flavor),
    target: {
      name: nameOf(order.target),
      product: target.product,
      isCluster: target.isCluster,
      primaries: target.primaries.length,
    },
    left: plan.ok ? plan.left : [],
    refusal: plan.ok
      ? await refusalOf(
          target,
          source,
          moves.map(({ to }) => to),
        )
      : plan.why,
  };
}

/** Without a manifest nobody knows what a file has, or whether it is sound, before that. */
async function loadedShards(loader: Loader): Promise<ShardFound[]> {
  const shards: ShardFound[] = [];
  for (const path of loader.found.paths) {
    const scratch = await loader.load(path);
    shards.push({
      path,
      databases: [...(await scratch.databases())],
      functions: (await scratch.functions()).map(({ name }) => name),
      notes: scratch.notes,
    });
  }
  return shards;
}

async function soundShards(
  { found: { paths } }: Loader,
  { shards }: BackupManifest,
): Promise<ShardFound[]> {
  for (const [at, shard] of shards.entries()) await assertSound(paths[at] as string, shard);
  return shards.map(({ databases, functions }, at) => ({
    path: paths[at] as string,
    databases: Object.entries(databases).map(([number, keys]) => [Number(number), keys] as const),
    functions,
    notes: [],
  }));
}

async function refusalOf(
  target: Target,
  source: ScratchServer['source'],
  databases: readonly number[],
): Promise<string | null> {
  const open = target.slotsWithoutOwner;
  if (open > 0) return `${open} slots of the target have no owner`;
  const why = await refusedBecause(source, target);
  if (why !== null)
    return `the target does not take what this server writes (--server names another): ${why}`;
  for (const database of new Set(databases)) {
    const error = await target.select(database).then(
      () => null,
      (failure: Error) => failure,
    );
    if (error !== null)
      return `the target has no database ${database} (--db maps it): ${error.message}`;
  }
  return null;
}

class OwnRestore implements Restore {
  readonly survey: RestoreSurvey;
  readonly #order: RestoreOrder;
  readonly #target: Target;
  readonly #loader: Loader;

  constructor(order: RestoreOrder, target: Target, loader: Loader, survey: RestoreSurvey) {
    this.#order = order;
    this.#target = target;
    this.#loader = loader;
    this.survey = survey;
  }

  async carryOut(
    onProgress: (progress: RestoreProgress) => void,
    signal: AbortSignal,
  ): Promise<RestoreOutcome> {
    const sum = new Sum();
    for (const path of this.#loader.paths) {
      if (signal.aborted) break;
      const scratch = await this.#loader.load(path);
      const mode = this.#order.existing;
      sum.functions.push(await putFunctions(await scratch.functions(), this.#target, mode));
      await this.#move(scratch, sum, onProgress, signal);
      const found = await this.#compare(scratch, sum, onProgress, signal);
      if (!signal.aborted) this.#judge(path, found, sum);
    }
    return sum.outcome(signal.aborted);
  }

  async close(): Promise<void> {
    this.#target.close();
    await this.#loader.close();
  }

  async #move(
    { source }: ScratchServer,
    sum: Sum,
    onProgress: (progress: RestoreProgress) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { put, there } = await moveKeys({
      source,
      target: this.#target,
      moves: this.survey.moves,
      replace: this.#order.existing === 'replace',
      tally: sum.tally,
      onMoved: (keys, bytes) => onProgress({ phase: 'put', keys, bytes }),
      signal,
    });
    sum.put += put;
    sum.there += there;
  }

  async #compare(
    { source }: ScratchServer,
    sum: Sum,
    onProgress: (progress: RestoreProgress) => void,
    signal: AbortSignal,
  ): Promise<Comparison> {
    const found = await compare({
      source,
      target: this.#target,
      moves: this.survey.moves,
      onCompared: (keys) => onProgress({ phase: 'compare', keys, bytes: 0 }),
      signal,
    });
    sum.compared.push(found);
    return found;
  }

  /** Of a part of the databases there is no digest. */
  #judge(path: string, { lastingDigest }: Comparison, sum: Sum): void {
    const { manifest, paths } = this.#loader.found;
    const shard = manifest?.shards[paths.indexOf(path)];
    const isWhole = this.survey.left.length === 0;
    if (shard !== undefined && isWhole && shard.digest !== lastingDigest) sum.changed.push(path);
  }
}

class Sum {
  readonly tally = new Tally();
  readonly compared: Comparison[] = [];
  readonly functions: FunctionsPut[] = [];
  readonly changed: string[] = [];
  put = 0;
  there = 0;

  outcome(isInterrupted: boolean): RestoreOutcome {
    const { compared, functions, changed, put, there } = this;
    const total = (of: (each: Comparison) => number): number =>
      compared.reduce((sum, each) => sum + of(each), 0);
    const names = (of: (each: FunctionsPut) => readonly string[]): string[] => [
      ...new Set(functions.flatMap(of)),
    ];
    return {
      ...{ changed, put, there, isInterrupted },
      types: this.tally.types,
      compared: total(({ keys }) => keys),
      missing: total(({ missing }) => missing),
      differing: total(({ differing }) => differing),
      named: compared.flatMap(({ named }) => named),
      digests: compared.map(({ sourceDigest, targetDigest }) => ({
        source: sourceDigest,
        target: targetDigest,
      })),
      functions: {
        put: names((each) => each.put),
        same: names((each) => each.same),
        differing: names((each) => each.differing),
      },
    };
  }
}
