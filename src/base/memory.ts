/**
 * The least that a reader of tables inside kernel memory needs: bytes by virtual address. `program/` implements it;
 * tests give hand-built images.
 */
import type { VirtAddr } from './address.ts';

export interface MemoryReader {
  /**
   * A copy of `length` bytes at `address`.
   * @throws FaultError when any of them cannot be read
   */
  readBytes(address: VirtAddr, length: number): Uint8Array;
  /** True when the byte at `address` can be read; for scans, which meet many holes, where an error for each would take long. */
  isReadable?(address: VirtAddr): boolean;
}

/** A range of virtual addresses, end exclusive. */
export interface VirtRange {
  readonly start: VirtAddr;
  readonly end: VirtAddr;
}
