/** A MemoryState for tests of detectors: a machine of 1000 MiB of which some is available; nothing else is known. */
import { bytes } from '../../src/base/units.ts';
import type { Known } from '../../src/kernel/known.ts';
import type { Meminfo } from '../../src/kernel/meminfo.ts';
import { memoryFact, type MemoryState } from '../../src/diagnosis/facts/memory.ts';
import type { Program } from '../../src/program/program.ts';
import { contextOf } from './facts.ts';
import { KernelImage } from './image.ts';
import { programOfImage } from './program.ts';

const MIB = 2 ** 20;
export const TOTAL_MIB = 1000;

export const mib = (value: number): number => value * MIB;

/**
 * @param available - MiB; undefined when it cannot be read
 * @param others - MiB of more counters
 */
export function memoryWith(
  available: number | undefined,
  others: Partial<Record<keyof Meminfo, number>> = {},
): { readonly memory: MemoryState; readonly program: Program } {
  const program = programOfImage(new KernelImage());
  const empty = contextOf(program).use(memoryFact);
  const known = (value: number) => ({ value: bytes(mib(value)), source: 'test', problem: undefined });
  const counters: Partial<Record<keyof Meminfo, Known<ReturnType<typeof bytes>>>> = {};
  for (const [key, value] of Object.entries({ memTotal: TOTAL_MIB, ...others }))
    counters[key as keyof Meminfo] = known(value);
  if (available !== undefined) counters.memAvailable = known(available);
  const share = available === undefined ? undefined : available / TOTAL_MIB;
  const verdict = share === undefined ? 'unknown' : share < 0.03 ? 'short' : 'enough';
  return { program, memory: { ...empty, info: { ...empty.info, ...counters }, available: share, verdict } };
}
