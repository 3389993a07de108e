/** Swap areas, `struct swap_info_struct` (include/linux/swap.h). */
import { add, isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { fileInode } from './files.ts';
import { readInode } from './inode.ts';
import { type PathText, pathAt } from './path.ts';

/** MAX_SWAPFILES is at most 32. */
const MAX_AREAS = 32;
const SWP_USED = 1n;
/** SWAP_USAGE_OFFLIST_BIT: bit 30 of an atomic_long_t since 6.14 (commit b228386cf37c). */
const OFF_LIST = 1n << 30n;

export interface SwapArea {
  /** `struct swap_info_struct *`. */
  readonly info: VirtAddr;
  readonly type: 'FILE' | 'PARTITION';
  /** Pages that can be used. */
  readonly pages: number;
  readonly used: number;
  readonly priority: number;
  /** Undefined when it cannot be followed. */
  readonly path: PathText | undefined;
}

/**
 * The swap areas in use, each a `struct swap_info_struct`, in the order of their numbers.
 * @throws FaultError, LookupError without CONFIG_SWAP
 */
export function swapAreas(program: Program): readonly SwapArea[] {
  // Pointers since 2.6.33 (commit efa90a981bbc), `swap_info[MAX_SWAPFILES]` of structs before.
  const table = program.symbol('swap_info').address;
  const count = Math.min(MAX_AREAS, program.memory.readU32(program.symbol('nr_swapfiles').address));
  const field = (path: string) => program.field('struct swap_info_struct', path);
  const areas: SwapArea[] = [];
  for (let i = 0; i < count; i++) {
    const info = program.memory.readPointer(add(table, 8 * i));
    if (!isKernel(info) || (field('flags').u64(info) & SWP_USED) === 0n) continue;
    const file = field('swap_file').pointer(info);
    const inode = isKernel(file) ? attempt(() => fileInode(program, file)) : undefined;
    const kind = inode === undefined ? undefined : attempt(() => readInode(program, inode).kind);
    // An atomic_long_t since 6.14, unsigned int before.
    const counter = program.tryField('struct swap_info_struct', 'inuse_pages.counter');
    const used = counter === undefined ? field('inuse_pages').number(info) : Number(counter.u64(info) & ~OFF_LIST);
    areas.push({
      info,
      type: kind === 'block device' ? 'PARTITION' : 'FILE',
      pages: field('pages').number(info),
      used,
      priority: field('prio').number(info),
      path: isKernel(file)
        ? attempt(() => pathAt(program, program.field('struct file', 'f_path').address(file)))
        : undefined,
    });
  }
  return areas;
}
