/**
 * A history in the forms that porcupine's own examples read (`porcupine_test.go`).
 *
 * The key-value form (`parseKvLog`, test_data/kv): one EDN map per line with :process, :type
 * (:invoke or :ok), :f (:get, :put, :append), :key and :value. Its store holds texts, `append`
 * joins them, and an absent key is the empty text. Registers of read and write fit, and so do
 * append-only lists when every element is followed by `;`.
 *
 * The etcd form (`parseJepsenLog`, test_data/jepsen): lines of Jepsen's log about one register
 * with :read, :write and :cas of whole numbers; there a :fail :cas is one that did not match.
 *
 * Both treat what never returns as free to happen until the end, so an unknown write is left
 * without a return, and an unknown read and whatever failed are not written at all.
 */
import { keysOf, type Operation, type Step } from './history.ts';
import { toldEvents } from './told-events.ts';

export interface Written {
  readonly text: string;
  /** Keys that do not fit the form; leaving out whole keys leaves the verdict on the others. */
  readonly leftOut: readonly string[];
}

export function toPorcupineKv(operations: readonly Operation[]): Written {
  const { fitting, leftOut } = sorted(operations, fitsKv);
  const lines = eventsOf(fitting).map(({ process, type, step }) => {
    const { f, value } = kvOf(step, type === 'invoke');
    const told = value === null ? 'nil' : `"${value}"`;
    const head = `:process ${process}, :type :${type}, :f :${f}`;
    return `{${head}, :key "${step.key}", :value ${told}}\n`;
  });
  return { text: lines.join(''), leftOut };
}

/** One register; null when the key does not fit. */
export function toPorcupineEtcd(operations: readonly Operation[], key: string): string | null {
  const own = operations.filter((operation) => keysOf(operation).includes(key));
  const { fitting, leftOut } = sorted(own, fitsEtcd);
  if (leftOut.length > 0) return null;
  const lines = eventsOf(fitting).map(({ process, type, step }) => {
    const isOk = type === 'ok';
    const fate = isOk && step.f === 'cas' && step.result === false ? 'fail' : type;
    return `INFO  jepsen.util - ${process}\t:${fate}\t${etcdOf(step, isOk)}\n`;
  });
  return lines.join('');
}

/** Whole keys only, because every operation on a key counts. */
function sorted(
  operations: readonly Operation[],
  fits: (step: Step) => boolean,
): { readonly fitting: readonly Operation[]; readonly leftOut: readonly string[] } {
  const leftOut = new Set<string>();
  const kinds = new Map<string, string>();
  for (const operation of operations) {
    if (operation.outcome === 'fail') continue;
    for (const step of operation.steps) {
      const kind = step.f === 'append' || step.f === 'range' ? 'list' : 'register';
      const isAlone = operation.steps.length === 1 && isAnswered(operation);
      if (!isAlone || !fits(step) || (kinds.get(step.key) ?? kind) !== kind) leftOut.add(step.key);
      kinds.set(step.key, kind);
    }
  }
  const fitting = operations.filter(
    (operation) =>
      operation.outcome !== 'fail' &&
      !leftOut.has(operation.steps[0]?.key ?? '') &&
      (operation.outcome === 'ok' || !isRead(operation.steps[0] as Step)),
  );
  return { fitting, leftOut: [...leftOut] };
}

/** The forms cannot say that an answer came but was not kept. */
function isAnswered({ outcome, steps }: Operation): boolean {
  const [step] = steps;
  if (outcome !== 'ok' || step === undefined) return true;
  return (!isRead(step) && step.f !== 'cas') || (step as { result?: unknown }).result !== undefined;
}

function isRead(step: Step): boolean {
  return step.f === 'read' || step.f === 'range';
}

interface Line {
  readonly process: number;
  readonly type: 'invoke' | 'ok';
  readonly step: Step;
}

function eventsOf(operations: readonly Operation[]): Line[] {
  return toldEvents(operations).flatMap(({ process, type, place }) => {
    const [step] = operations[place]?.steps ?? [];
    const isTold = type === 'invoke' || type === 'ok';
    return isTold && step !== undefined ? [{ process, type, step }] : [];
  });
}

function fitsKv(step: Step): boolean {
  if (!isPlain(step.key)) return false;
  if (step.f === 'write') return isPlain(step.value) && step.value !== '';
  if (step.f === 'read') return isPlain(step.result ?? '') && step.result !== '';
  if (step.f === 'append') return isPlain(step.value) && !step.value.includes(';');
  return step.f === 'range' && (step.result ?? []).every((value) => isPlain(value));
}

/** The parser takes everything between two quotes as it is. */
function isPlain(value: string): boolean {
  return !/["\\\r\n]/.test(value);
}

function kvOf(step: Step, isInvoke: boolean): { f: string; value: string | null } {
  switch (step.f) {
    case 'write':
      return { f: 'put', value: step.value };
    case 'append':
      return { f: 'append', value: `${step.value};` };
    case 'range':
      return {
        f: 'get',
        value: isInvoke ? null : (step.result ?? []).map((each) => `${each};`).join(''),
      };
    default:
      return { f: 'get', value: isInvoke ? null : ((step as { result?: string }).result ?? '') };
  }
}

const NATURAL = /^(0|[1-9]\d{0,8})$/;

function fitsEtcd(step: Step): boolean {
  if (step.f === 'write') return NATURAL.test(step.value);
  if (step.f === 'read') return typeof step.result !== 'string' || NATURAL.test(step.result);
  return step.f === 'cas' && step.from !== null && NATURAL.test(step.from) && NATURAL.test(step.to);
}

function etcdOf(step: Step, isOk: boolean): string {
  if (step.f === 'write') return `:write\t${step.value}`;
  if (step.f === 'cas') return `:cas\t[${step.from} ${step.to}]`;
  return `:read\t${(isOk && step.f === 'read' && step.result) || 'nil'}`;
}
