/**
 * Every known difference, with the argument why it is none of ours. An entry is as narrow as can be told from the
 * answers themselves; what none of them covers fails the run.
 */
import type { Explanation } from './compare.ts';
import { CRASH } from './explained/crash.ts';
import { DRGN } from './explained/drgn.ts';
import { IMAGE } from './explained/image.ts';
import { PROC } from './explained/proc.ts';

export const EXPLANATIONS: readonly Explanation[] = [...DRGN, ...CRASH, ...PROC, ...IMAGE];
