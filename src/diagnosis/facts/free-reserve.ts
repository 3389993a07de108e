/**
 * The kernel's reserve of free pages, vm.min_free_kbytes, against the share of memory that it should have (MIN_FREE): who
 * may not wait for a page, such as receiving from the network, gets one from it alone.
 */
import { command, type Prose, prose } from '../../model/value.ts';
import type { MemoryState } from './memory.ts';
import { MIN_FREE } from './thresholds.ts';

/** Bytes. */
export interface FreeReserve {
  readonly now: number;
  readonly total: number;
  /** What it should be, in whole KiB as the setting is. */
  readonly wanted: number;
  readonly isSmall: boolean;
}

/** undefined where the reserve, or how much memory there is, is not known. */
export function freeReserve({ info }: MemoryState): FreeReserve | undefined {
  const total = info.memTotal.value;
  const now = info.minFree.value;
  if (total === undefined || now === undefined) return undefined;
  const wanted = Math.round((total * MIN_FREE) / 1024) * 1024;
  return { now, total, wanted, isSmall: now < total * MIN_FREE };
}

/** The command that sets it. */
export function setReserve({ wanted }: FreeReserve): Prose {
  return prose`${command(`sysctl vm.min_free_kbytes=${wanted / 1024}`)}`;
}
