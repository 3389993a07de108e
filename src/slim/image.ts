/**
 * The kernel image as it lies in memory (arch/x86/kernel/vmlinux.lds.S): constants with kallsyms, BTF and ORC, data, bss.
 * Code is left out: it is that of the kernel's vmlinux (but for patched branches), and no answer needs it.
 */
import { alignDown, add, distance, type VirtAddr } from '../base/address.ts';
import { LookupError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import type { Keep } from './keep.ts';

/** Far above KERNEL_IMAGE_SIZE, 1 GiB. */
const MAX_IMAGE = 2 ** 32;

/** @throws LookupError when the image's bounds are not known */
export function keepImage(program: Program, keep: Keep): void {
  const { pageSize } = program;
  const symbol = (name: string): VirtAddr | undefined => program.symbols.kernel.lookup(name)?.address;
  const start = symbol('_text') ?? symbol('_stext');
  const end = symbol('_end');
  if (start === undefined || end === undefined || !(end > start && end - start < MAX_IMAGE)) {
    throw new LookupError('symbol', '_end');
  }
  // Whole pages of code; from `_text` on, as the few bytes before `_stext` are code too.
  const codeEnd = symbol('_etext');
  const code =
    codeEnd !== undefined && codeEnd > start && codeEnd < end ? distance(alignDown(codeEnd, pageSize), start) : 0;
  keep.range(program, add(start, code), distance(end, start) - code, 'image');
}
