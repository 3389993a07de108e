/** How much tasks waited for memory, I/O and CPUs lately, by the kernel's own accounts; undefined where it keeps none. */
import { attempt } from '../../base/errors.ts';
import { pressure, type PressureOf, type PressureState } from '../../kernel/psi.ts';
import { defineFact } from '../../model/diagnosis.ts';

export const pressureFact = defineFact<PressureState | undefined>({
  id: 'pressure',
  derive: ({ program }) => attempt(() => pressure(program)),
});

/** The share of the last ten seconds in which at least one task waited for it; undefined when it is not known. */
export function recentPressure(state: PressureState | undefined, what: PressureOf): number | undefined {
  return state?.pressures.find(({ of, kind }) => of === what && kind === 'some')?.averages[0];
}
