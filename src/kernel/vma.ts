/**
 * Mappings of a user address space, `struct vm_area_struct` (include/linux/mm_types.h): a linked list until 6.0, a maple
 * tree since 6.1. They must be in ascending order and belong to the address space they were found in.
 */
import { isAligned, isKernel, type VirtAddr } from '../base/address.ts';
import { isDataError, ValidationError } from '../base/errors.ts';
import type { Field } from '../program/field.ts';
import type { Program } from '../program/program.ts';
import { type MapleEntry, mapleEntries, mapleLoad } from './maple-tree.ts';

/** Far above sysctl vm.max_map_count, 65,530 by default. */
const MAX_VMAS = 1 << 22;

export interface Vma {
  /** `struct vm_area_struct *`. */
  readonly vma: VirtAddr;
  /** First address of user memory. */
  readonly start: VirtAddr;
  /** First address behind it. */
  readonly end: VirtAddr;
  /** VM_* bits. */
  readonly flags: bigint;
  /** `struct file *`; undefined for anonymous memory. */
  readonly file: VirtAddr | undefined;
  /** Offset into the file, in pages. */
  readonly pageOffset: bigint;
}

export interface VmaList {
  readonly vmas: readonly Vma[];
  /** Why the list ends early; undefined when it is complete. */
  readonly problem: string | undefined;
}

/**
 * The mappings of an address space, in ascending order.
 * @param mm - `struct mm_struct *`
 * @returns all up to the first that is damaged
 * @throws LookupError for a layout that is not known
 */
export function vmasOf(program: Program, mm: VirtAddr): VmaList {
  const vmas: Vma[] = [];
  try {
    for (const vma of walk(program, mm)) vmas.push(vma);
    return { vmas, problem: undefined };
  } catch (error) {
    if (!isDataError(error) || error.kind === 'lookup') throw error;
    return { vmas, problem: error.message };
  }
}

/**
 * The mapping that covers a user address.
 * @param mm - `struct mm_struct *`
 * @throws FaultError, LookupError, ValidationError when the tree, or a mapping before it on the list, is damaged
 */
export function vmaAt(program: Program, mm: VirtAddr, address: VirtAddr): Vma | undefined {
  const tree = mapleTree(program);
  if (tree !== undefined) {
    const entry = mapleLoad(program, tree.address(mm), address);
    return entry === undefined ? undefined : vmaOfEntry(program, mm, entry);
  }
  for (const vma of walkList(program, mm)) {
    if (address < vma.start) return undefined;
    if (address < vma.end) return vma;
  }
  return undefined;
}

/** A maple tree since 6.1 (commit d4af56c5c7c6); mmap and vm_next went with commit 763ecb035029. */
function mapleTree(program: Program): Field | undefined {
  return program.tryField('struct mm_struct', 'mm_mt');
}

function walk(program: Program, mm: VirtAddr): Generator<Vma> {
  const tree = mapleTree(program);
  return tree === undefined ? walkList(program, mm) : walkTree(program, mm, tree.address(mm));
}

function* walkTree(program: Program, mm: VirtAddr, tree: VirtAddr): Generator<Vma> {
  let n = 0;
  for (const entry of mapleEntries(program, tree)) {
    if (n++ >= MAX_VMAS) throw new ValidationError('struct mm_struct', mm, `more than ${MAX_VMAS} mappings`);
    yield vmaOfEntry(program, mm, entry);
  }
}

function vmaOfEntry(program: Program, mm: VirtAddr, entry: MapleEntry): Vma {
  const vma = readVma(program, entry.value);
  check(program, mm, vma);
  if (vma.start !== entry.first || vma.end !== entry.last + 1n)
    throw new ValidationError('struct vm_area_struct', vma.vma, 'is not where the tree has it');
  return vma;
}

function* walkList(program: Program, mm: VirtAddr): Generator<Vma> {
  const next = program.field('struct vm_area_struct', 'vm_next');
  let last = 0n;
  let n = 0;
  for (let at = program.field('struct mm_struct', 'mmap').pointer(mm); at !== 0n; at = next.pointer(at)) {
    if (n++ >= MAX_VMAS) throw new ValidationError('struct mm_struct', mm, `more than ${MAX_VMAS} mappings`);
    const vma = readVma(program, at);
    check(program, mm, vma);
    // Also what ends a list that runs in a circle.
    if (vma.start < last) throw new ValidationError('struct vm_area_struct', at, 'is not in ascending order');
    last = vma.end;
    yield vma;
  }
}

function check(program: Program, mm: VirtAddr, vma: Vma): void {
  if (program.field('struct vm_area_struct', 'vm_mm').pointer(vma.vma) !== mm)
    throw new ValidationError('struct vm_area_struct', vma.vma, 'belongs to another mm');
  if (vma.start >= vma.end) throw new ValidationError('struct vm_area_struct', vma.vma, 'ends before it begins');
}

/**
 * One mapping.
 * @param vma - `struct vm_area_struct *`
 * @throws FaultError, LookupError, ValidationError when the address is none
 */
export function readVma(program: Program, vma: VirtAddr): Vma {
  if (!isKernel(vma) || !isAligned(vma, 8)) throw new ValidationError('struct vm_area_struct', vma, 'is no pointer');
  const field = (path: string) => program.field('struct vm_area_struct', path);
  const file = field('vm_file').pointer(vma);
  return {
    vma,
    start: field('vm_start').pointer(vma),
    end: field('vm_end').pointer(vma),
    flags: field('vm_flags').u64(vma),
    file: isKernel(file) ? file : undefined,
    pageOffset: field('vm_pgoff').u64(vma),
  };
}
