/** Which foresight suits an object. */
import { Blind, type Foresight } from './foresight.ts';
import { CellForesight, countsUp, RisingForesight } from './foresight-cells.ts';
import { FieldsForesight, isOfFields } from './foresight-fields.ts';
import { GrowingForesight, growsOnly, isQueue, QueueForesight } from './foresight-lists.ts';
import type { Operation } from './history.ts';

export function foresightOf(modelName: string, operations: readonly Operation[]): Foresight {
  const steps = operations.flatMap((operation) => operation.steps);
  if (modelName === 'register' && steps.every(({ f }) => f !== 'incr'))
    return new CellForesight(operations);
  if (modelName === 'counter' && countsUp(steps)) return new RisingForesight(operations);
  if (modelName === 'hash' && isOfFields(steps)) return new FieldsForesight(operations);
  if (modelName === 'list' && growsOnly(operations, steps))
    return new GrowingForesight(operations, steps);
  if (modelName === 'list' && isQueue(operations)) return new QueueForesight(operations);
  return new Blind(operations);
}
