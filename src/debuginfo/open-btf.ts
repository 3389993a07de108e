/**
 * Reads BTF out of the kernel's memory: whole when it can be, else what is left of it. A page or two of a megabyte are
 * easily lost, and with the rest nearly all can still be said.
 */
import type { VirtAddr } from '../base/address.ts';
import { FormatError, isDataError } from '../base/errors.ts';
import type { MemoryReader } from '../base/memory.ts';
import { type Btf, type BtfOptions, parseBtf } from './btf.ts';
import { readAround } from './memory-scan.ts';

const MAX_BTF = 1 << 28;
/** With less of it nothing that is asked for would be found. */
const LEAST = 0.2;

/** @throws FormatError, FaultError when too little is left */
export function openBtf(memory: MemoryReader, start: VirtAddr, size: number, options: BtfOptions = {}): Btf {
  if (!(size > 0 && size <= MAX_BTF)) throw new FormatError('BTF', `claims ${size} bytes`);
  try {
    return parseBtf(memory.readBytes(start, size), options);
  } catch (error) {
    if (!isDataError(error)) throw error;
    const { bytes, lost } = readAround(memory, start, size, LEAST);
    try {
      const btf = parseBtf(bytes, { ...options, lost });
      const { lostTypes, lostNames } = btf.damage ?? { lostTypes: 0, lostNames: 0 };
      if (1 - lostTypes >= LEAST && 1 - lostNames >= LEAST) return btf;
    } catch (other) {
      if (!isDataError(other)) throw other;
    }
    // Why it is damaged says more than what the attempt to do without met.
    throw error;
  }
}
