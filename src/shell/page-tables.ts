/** Translations as `vtop`, `vm -p` and `pte` show them: entries with their flags, what is in place of a page. */
import { add, isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import { entryFlags, swapEntry } from '../kernel/page-tables.ts';
import { pathAt } from '../kernel/path.ts';
import type { Vma } from '../kernel/vma.ts';
import type { Program } from '../program/program.ts';
import { pathText } from './file-type.ts';

/** The path of a mapping's file; '' for anonymous memory. */
export function vmaFile(program: Program, vma: Vma): string {
  if (vma.file === undefined) return '';
  const path = attempt(() => pathAt(program, add(vma.file as VirtAddr, program.field('struct file', 'f_path').offset)));
  return path === undefined ? '?' : pathText(path);
}

export const VMA_HEADER = '      VMA           START       END     FLAGS FILE';

/** `ffff8889963a9be0     400000     401000 8000071 /actor` */
export function vmaLine(program: Program, vma: Vma): string {
  const bare = (value: bigint, width: number): string => value.toString(16).padStart(width);
  return `${vma.vma.toString(16).padStart(16)} ${bare(vma.start, 10)} ${bare(vma.end, 10)} ${bare(vma.flags, 0)} ${vmaFile(program, vma)}`.trimEnd();
}

/** What stands for a page of a mapping that is not in memory: `FILE: /bin/sh  OFFSET: f0000`, `SWAP: ...`. */
export function absentText(
  program: Program,
  vma: Vma | undefined,
  address: VirtAddr,
  entry: bigint | undefined,
): string {
  const swap = entry === undefined ? undefined : swapEntry(entry);
  if (swap !== undefined) return `SWAP: area ${swap.type}  OFFSET: ${swap.offset}`;
  if (entry !== undefined) return `(no page; entry ${entry.toString(16)})`;
  if (vma?.file === undefined || !isKernel(vma.file)) return '(not mapped)';
  const offset = vma.pageOffset * BigInt(program.pageSize) + (address - vma.start);
  return `FILE: ${vmaFile(program, vma)}  OFFSET: ${offset.toString(16)}`;
}

/** In the middle; where that is between two places, the left one, or the right one with `round` up. */
export function centred(text: string, width: number, round: 'down' | 'up' = 'down'): string {
  const half = (width - text.length) / 2;
  const left = Math.max(0, round === 'down' ? Math.floor(half) : Math.ceil(half));
  return `${' '.repeat(left)}${text}`.padEnd(width);
}

/** The two lines of an entry with its flags, as crash's `pte` has them. */
export function entryLines(entry: bigint, page: bigint, size: number): readonly [string, string] {
  const [text, physical] = [entry.toString(16), page.toString(16)];
  const wide = Math.max(text.length, 3);
  const widePhysical = Math.max(physical.length, 8);
  return [
    `${centred('PTE', wide)}  ${'PHYSICAL'.padStart(widePhysical)}  FLAGS`,
    `${text.padEnd(wide)}  ${centred(physical, widePhysical, 'up')}  (${entryFlags(entry, size).join('|')})`,
  ];
}
