/** Libraries of functions, from their source, to everybody who has slots. */
import { errorText, isError, type RawValue } from '../../core/dataset/raw-replies.ts';
import { encodeCommand } from '../../core/resp/writer.ts';
import { DatasetError } from './errors.ts';
import { type Address, nameOf, type Target } from './target.ts';

export interface Library {
  readonly name: string;
  readonly code: Buffer;
}

/** Names. */
export interface FunctionsPut {
  readonly put: readonly string[];
  readonly same: readonly string[];
  /** The target has another of that name, and keeps it. */
  readonly differing: readonly string[];
}

export async function putFunctions(
  libraries: readonly Library[],
  target: Target,
  existing: 'compare' | 'replace' | 'skip',
): Promise<FunctionsPut> {
  const done = { put: new Set<string>(), same: new Set<string>(), differing: new Set<string>() };
  for (const library of libraries) {
    for (const primary of target.primaries)
      done[await putAt(library, target, primary, existing === 'replace')].add(library.name);
  }
  return { put: [...done.put], same: [...done.same], differing: [...done.differing] };
}

async function putAt(
  { name, code }: Library,
  target: Target,
  primary: Address,
  replace: boolean,
): Promise<'put' | 'same' | 'differing'> {
  const key = target.keyAt(primary);
  if (key === null) return 'same';
  const words = ['FUNCTION', 'LOAD', ...(replace ? ['REPLACE'] : []), code];
  const [raw] = await target.run(0, [{ key, bytes: encodeCommand(words) }]);
  if (raw === undefined || !isError(raw)) return 'put';
  const text = errorText(raw);
  if (!/already exists/.test(text))
    throw new DatasetError('TARGET_REFUSED', `${nameOf(primary)}: functions ${name}: ${text}`);
  const found = await target.callAt(primary, [
    ...['FUNCTION', 'LIST', 'LIBRARYNAME', name, 'WITHCODE'],
  ]);
  return codeIn(found)?.equals(code) ? 'same' : 'differing';
}

function codeIn(found: RawValue): Buffer | null {
  const [library] = Array.isArray(found) ? (found as readonly (readonly RawValue[])[]) : [];
  const at = library?.findIndex((field) => String(field) === 'library_code') ?? -1;
  const code = library?.[at + 1];
  return at >= 0 && Buffer.isBuffer(code) ? code : null;
}
