import { defineFact } from '../../model/diagnosis.ts';
import { prose, type Prose } from '../../model/value.ts';
export interface MemoryState {
  readonly short: boolean | undefined;
}
export const memoryFact = defineFact<MemoryState>({ id: 'memory', derive: () => ({ short: undefined }) });
export function memoryText(_memory: MemoryState): Prose {
  return prose`not read`;
}
