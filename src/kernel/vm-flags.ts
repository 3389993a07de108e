/**
 * Names of the bits in `vm_area_struct.vm_flags`. The kernel has them itself, for printk's %pGv: `vmaflag_names`, an array of
 * `struct trace_print_flags` (mm/debug.c, since 4.6, commit edf14cdbf9a0). Where that is not there the names are those of
 * include/linux/mm.h that have not changed their bit since 2.6.32. Names are given as after `VM_`: READ, SOFTDIRTY.
 */
import { add, isKernel, NULL, type VirtAddr } from '../base/address.ts';
import { cstring } from '../base/bytes.ts';
import { attempt, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';

const MAX_NAMES = 128;
const NAME = /^[a-z][a-z0-9_]{0,40}$/;

/** What the table spells in another way than the macros. */
const SPELLINGS: Readonly<Record<string, string>> = { seqread: 'SEQ_READ', randread: 'RAND_READ' };

/** By bit; undefined where it has had several meanings. */
const OLD: readonly (string | undefined)[] = [
  'READ',
  'WRITE',
  'EXEC',
  'SHARED',
  'MAYREAD',
  'MAYWRITE',
  'MAYEXEC',
  'MAYSHARE',
  'GROWSDOWN',
  undefined,
  'PFNMAP',
  undefined,
  undefined,
  'LOCKED',
  'IO',
  'SEQ_READ',
  'RAND_READ',
  'DONTCOPY',
  'DONTEXPAND',
];

export interface VmFlag {
  readonly mask: bigint;
  readonly name: string;
}

/** All flags that are known (`unsigned long`, one bit each), lowest bit first. @throws nothing for what the dump holds */
export function vmFlags(program: Program): { readonly flags: readonly VmFlag[]; readonly source: 'kernel' | 'fixed' } {
  const own = attempt(() => table(program));
  if (own !== undefined && own.length > 0) return { flags: own, source: 'kernel' };
  const flags = OLD.flatMap((name, bit) => (name === undefined ? [] : [{ mask: 1n << BigInt(bit), name }]));
  return { flags, source: 'fixed' };
}

function table(program: Program): readonly VmFlag[] {
  const { memory } = program;
  const at = program.symbol('vmaflag_names').address;
  // `unsigned long mask; const char *name`; the array ends with a name of NULL.
  const size = program.sizeOf('struct trace_print_flags');
  const mask = program.field('struct trace_print_flags', 'mask');
  const label = program.field('struct trace_print_flags', 'name');
  const found: VmFlag[] = [];
  for (let i = 0; i < MAX_NAMES; i++) {
    const entry: VirtAddr = add(at, i * size);
    const string = label.pointer(entry);
    if (string === NULL) return found.sort((a, b) => (a.mask < b.mask ? -1 : 1));
    const text = isKernel(string) ? cstring(memory.readCString(string, 64)) : '';
    if (!NAME.test(text)) throw new ValidationError('vmaflag_names', entry, `entry ${i} has no name`);
    found.push({ mask: mask.u64(entry), name: SPELLINGS[text] ?? text.toUpperCase() });
  }
  throw new ValidationError('vmaflag_names', at, 'does not end');
}
