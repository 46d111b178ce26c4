/**
 * Cutting a history into parts that can be judged alone.
 *
 * Linearizability is local (Herlihy and Wing, 1990): a history is linearizable when its
 * sub-history of every object is. An object is a key; keys that meet in one transaction are one
 * object; and a member of a set or a field of a hash is an object of its own as long as nobody
 * looks at the whole key (P-compositionality: Horn and Kroening, 2015).
 */
import { keysOf, type Operation, type Step } from './history.ts';
import { type Model, modelOf, Together } from './models.ts';

export interface Part {
  /** The key, the keys, or the key with its member or field. */
  readonly name: string;
  readonly keys: readonly string[];
  /** Places in the whole history, in its order; failed operations are left out. */
  readonly places: readonly number[];
  /** Null: a key was used as two types, so there is no model. */
  readonly model: Model<unknown> | null;
}

export function partitioned(operations: readonly Operation[]): Part[] {
  return [...objectsOf(operations).values()].flatMap((places) => partsOf(operations, places));
}

/** Places of the operations that did or may have taken effect, by a key that stands for all. */
function objectsOf(operations: readonly Operation[]): Map<string, number[]> {
  const above = new Map<string, string>();
  const rootOf = (key: string): string => {
    let root = key;
    for (let next = above.get(root); next !== undefined; next = above.get(root)) root = next;
    for (let at = key; at !== root; ) {
      const next = above.get(at) ?? root;
      above.set(at, root);
      at = next;
    }
    return root;
  };
  for (const operation of operations) {
    if (operation.outcome === 'fail') continue;
    const root = rootOf(operation.steps[0]?.key ?? '');
    for (const { key } of operation.steps) {
      const other = rootOf(key);
      if (other !== root) above.set(other, root);
    }
  }
  const objects = new Map<string, number[]>();
  for (const [place, operation] of operations.entries()) {
    if (operation.outcome === 'fail') continue;
    add(objects, rootOf(operation.steps[0]?.key ?? ''), place);
  }
  return objects;
}

function partsOf(operations: readonly Operation[], places: readonly number[]): Part[] {
  const own = places.map((place) => operations[place] as Operation);
  const keys = [...new Set(own.flatMap(keysOf))];
  const [key] = keys;
  if (keys.length > 1) return [{ name: keys.join(' '), keys, places, model: modelOfAll(own) }];
  const portions = portionsOf(own, places);
  const model = modelOf(own.flatMap((operation) => operation.steps));
  if (portions === null || model === null) return [{ name: key ?? '', keys, places, model }];
  return [...portions].map(([portion, those]) => ({
    name: `${key} ${portion}`,
    keys,
    places: those,
    model,
  }));
}

/** By member or field; null when an operation looks at more than one. */
function portionsOf(
  own: readonly Operation[],
  places: readonly number[],
): Map<string, number[]> | null {
  const portions = new Map<string, number[]>();
  for (const [at, operation] of own.entries()) {
    const names = new Set(operation.steps.map(portionOf));
    const [name] = names;
    if (names.size !== 1 || name === null || name === undefined) return null;
    add(portions, name, places[at] as number);
  }
  return portions;
}

function portionOf(step: Step): string | null {
  switch (step.f) {
    case 'sadd':
    case 'srem':
    case 'sismember':
      return step.value;
    case 'hset':
    case 'hget':
    case 'hincr':
    case 'hdel':
      return step.field;
    default:
      return null;
  }
}

function modelOfAll(own: readonly Operation[]): Model<unknown> | null {
  const steps = new Map<string, Step[]>();
  for (const step of own.flatMap((operation) => operation.steps)) add(steps, step.key, step);
  const models = new Map<string, Model<unknown>>();
  for (const [key, those] of steps) {
    const model = modelOf(those);
    if (model === null) return null;
    models.set(key, model);
  }
  return new Together(models) as Model<unknown>;
}

function add<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const known = lists.get(key);
  if (known === undefined) lists.set(key, [value]);
  else known.push(value);
}
