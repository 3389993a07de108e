/** Whether something that holds much of memory is the cause of trouble, or only worth telling: by what is left. */
import type { Confidence, Role } from '../../model/finding.ts';
import { prose, type Prose, ratio } from '../../model/value.ts';
import type { MemoryState } from './memory.ts';
import { TIGHT_AVAILABLE } from './thresholds.ts';

export interface Weighed {
  readonly role: Role;
  readonly confidence: Confidence;
  readonly because?: Prose;
}

/** True when memory is short, or so little is available that it soon will be. */
export function isTight({ verdict, available }: MemoryState): boolean {
  return verdict === 'short' || (available !== undefined && available < TIGHT_AVAILABLE);
}

/**
 * Role and confidence of a finding about a holder of memory.
 * @param confidence - where memory is tight
 * @param because - why it is not certain then; left out when it is
 */
export function weigh(memory: MemoryState, confidence: Confidence, because?: Prose): Weighed {
  if (!isTight(memory)) {
    const left = memory.available === undefined ? 'how much is available is not known' : notTight(memory.available);
    return { role: 'context', confidence: 'possible', because: prose`${left}, so it may be meant` };
  }
  return because === undefined ? { role: 'cause', confidence } : { role: 'cause', confidence, because };
}

const notTight = (available: number): Prose => prose`${ratio(available)} of memory are still available`;
