/**
 * The contract of every dump format: a file becomes pages. A format knows page frames, notes and headers, and nothing
 * of kernels. Whoever adds a format implements `DumpFile` and names it in `open.ts`.
 */
import type { Pfn } from '../base/address.ts';

/**
 * What the dump says about one page frame:
 * `data` its bytes are in the file; `zero` they are in the file and all zero; `excluded` the dump left it out on
 * purpose; `lost` it should be in the file, but its data is missing or damaged (truncated, incomplete, bad
 * compression); `absent` no such memory; `excluded-or-zero` where the format cannot tell these two apart.
 */
export type PageStatus = 'data' | 'zero' | 'excluded' | 'lost' | 'absent' | 'excluded-or-zero';

export interface ElfNote {
  readonly name: string;
  readonly type: number;
  readonly desc: Uint8Array;
  /** Where `desc` begins in the file, for formats that tell. */
  readonly offset?: number;
}

export type Machine = 'x86_64' | 'aarch64';

/** How many page frames are in which state, as far as the indexes tell without reading each page. */
export interface PageCounts {
  readonly inFile: number;
  /** Known to be left out on purpose; undefined where the format cannot tell. */
  readonly excluded: number | undefined;
  /** Index entries that point nowhere or behind the end of the file. */
  readonly lost: number;
}

export interface DumpFile {
  /** For people: 'kdump-compressed v6, zstd, dump level 31'. */
  readonly description: string;
  readonly format: 'elf' | 'kdump' | 'lime' | 'raw';
  readonly machine: Machine;
  readonly pageSize: number;
  /** Text of the VMCOREINFO note, as bytes. */
  readonly vmcoreinfo: Uint8Array | undefined;
  readonly notes: readonly ElfNote[];
  /**
   * x86-64 `phys_base` (kdump sub header; p_paddr - (p_vaddr - __START_KERNEL_map) of the kernel's ELF segment), as
   * unsigned 64 bits: with KASLR it may be "negative". VMCOREINFO's NUMBER(phys_base), where there is one, is better.
   */
  readonly physBase: bigint | undefined;
  /** `PAGE_OFFSET` where p_vaddr of ELF segments tells it. */
  readonly pageOffset: bigint | undefined;
  /** makedumpfile's dump level (1 zero, 2 non-private cache, 4 private cache, 8 user, 16 free), when known. */
  readonly dumpLevel: number | undefined;
  /** One above the highest page frame. */
  readonly maxPfn: number;
  readonly fileSize: number;
  readonly counts: PageCounts;
  /**
   * What is wrong with the file, one line each: truncated, incomplete. Empty for a sound file. Reading pages may add a
   * line: only then damaged data is seen.
   */
  readonly problems: readonly string[];
  /** State of a page as the index tells it: never reads page data, so a zero page may be called `data`. */
  status(frame: Pfn): PageStatus;
  /**
   * Reads one page into `into` (pageSize bytes). Only after `data` or `zero` the bytes are valid. Never throws for
   * damaged page data: that is `lost`.
   */
  readPage(frame: Pfn, into: Uint8Array): PageStatus;
  /**
   * The first page frame at or above `from` that `status` calls `data`, or undefined when there is no more: for
   * walking all pages of a dump without asking for each of a terabyte's frames.
   */
  nextInFile(from: Pfn): Pfn | undefined;
  /**
   * Of a file that does not say where its bytes belong (raw memory): the same file, which it stays the owner of, with
   * what is behind `low` bytes placed at the physical address `end` and above.
   */
  withHole?(low: number, end: number): DumpFile;
  close(): void;
}
