/**
 * Page frames and their `struct page` (include/linux/mm_types.h, page-flags.h) in a virtually mapped memmap
 * (CONFIG_SPARSEMEM_VMEMMAP): page <-> frame arithmetic and the head of a compound page. Not handled: memory models with
 * a real mem_map (FLATMEM, DISCONTIGMEM, SPARSEMEM without VMEMMAP), which no distribution for x86-64 uses.
 */
import {
  add,
  clearBits,
  isAligned,
  isKernel,
  pageNumber,
  type Pfn,
  pfn,
  physOfPfn,
  sub,
  type VirtAddr,
  virt,
} from '../base/address.ts';
import { attempt, LookupError, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';

/** VMEMMAP_START of x86-64 where it is no variable (before 4.8, or without CONFIG_RANDOMIZE_MEMORY). */
const X86_64_VMEMMAP = virt(0xffffea0000000000n);
/** Compound pages are at most 16 GiB; a mask of `compound_info` therefore has all bits above these set. */
const SMALLEST_MASK = 0xffffffff00000000n;

/**
 * Where the memmap begins: `vmemmap_base`, `unsigned long`, since 4.8/4.9 (commit 0483e1fa6e09), a constant before.
 * @returns `struct page *` of frame 0
 * @throws LookupError when this kernel's memmap is not known to lie anywhere, FaultError
 */
export function vmemmapBase(program: Program): VirtAddr {
  const symbol = program.trySymbol('vmemmap_base');
  if (symbol !== undefined) return program.memory.readPointer(symbol.address);
  if (program.arch.name === 'x86_64') return X86_64_VMEMMAP;
  throw new LookupError('symbol', 'vmemmap_base');
}

/**
 * The page structure of a frame (pfn_to_page).
 * @returns `struct page *`, whether or not the frame exists
 * @throws LookupError, FaultError as `vmemmapBase`
 */
export function pageOfFrame(program: Program, frame: Pfn): VirtAddr {
  return add(vmemmapBase(program), BigInt(frame) * BigInt(program.sizeOf('struct page')));
}

/**
 * The frame of a page structure (page_to_pfn).
 * @param page - `struct page *`
 * @throws ValidationError when this is no element of the memmap, LookupError, FaultError as `vmemmapBase`
 */
export function frameOfPage(program: Program, page: VirtAddr): Pfn {
  const distance = sub(page, vmemmapBase(program));
  const size = BigInt(program.sizeOf('struct page'));
  const frame = distance / size;
  if (distance % size !== 0n || frame > BigInt(program.dump.maxPfn))
    throw new ValidationError('struct page', page, 'is no element of the memmap');
  return pfn(Number(frame));
}

/**
 * The page structure of the memory at a kernel address (virt_to_page, vmalloc_to_page).
 * @param address - `void *` in kernel memory
 * @returns `struct page *`, not looked up to the head of a compound page
 * @throws FaultError when the address is not mapped, LookupError as `vmemmapBase`
 */
export function pageOfAddress(program: Program, address: VirtAddr): VirtAddr {
  return pageOfFrame(program, frameOfAddress(program, address));
}

/**
 * The frame of the memory at a kernel address, `void *`.
 * @throws FaultError when the address is not mapped
 */
export function frameOfAddress(program: Program, address: VirtAddr): Pfn {
  return pfn(pageNumber(program.memory.translate(address), Math.log2(program.pageSize)));
}

/** PAGE_OFFSET of x86-64 where it is no variable: since 4.20 (commit d52888aa2753), and before. */
const X86_64_PAGE_OFFSETS = [virt(0xffff888000000000n), virt(0xffff880000000000n)];

/**
 * Where a frame lies in the direct map (page_address).
 * @returns `void *`
 * @throws LookupError when it is mapped at none of the places that are known, FaultError
 */
export function addressOfFrame(program: Program, frame: Pfn): VirtAddr {
  const physical = physOfPfn(frame, program.pageSize);
  // Since 4.8 (commit 021182e52fe0).
  const symbol = program.symbols.kernel.lookup('page_offset_base');
  const bases = symbol === undefined ? X86_64_PAGE_OFFSETS : [program.memory.readPointer(symbol.address)];
  for (const base of bases) {
    const address = add(base, physical);
    if (attempt(() => program.memory.translate(address)) === physical) return address;
  }
  throw new LookupError('symbol', 'page_offset_base');
}

/**
 * The first page of the compound page that a page belongs to, or the page itself.
 * @param page - `struct page *`
 * @throws FaultError, LookupError, ValidationError when the head is no page before this one
 */
export function compoundHead(program: Program, page: VirtAddr): VirtAddr {
  const head = headOf(program, page);
  if (head === page) return page;
  if (!isKernel(head) || !isAligned(head, 8) || head > page)
    throw new ValidationError('struct page', page, 'its compound head is no page before it');
  frameOfPage(program, head);
  return head;
}

function headOf(program: Program, page: VirtAddr): VirtAddr {
  // Since 7.1 compound_info: bit 0 marks a tail; the rest is the head, or a mask for the tail's own address.
  const info = program.tryField('struct page', 'compound_info');
  if (info !== undefined) {
    const value = info.pointer(page);
    if ((value & 1n) === 0n) return page;
    const rest = clearBits(value, 1n);
    return rest >= SMALLEST_MASK ? virt(page & rest) : rest;
  }
  // Since 4.4 (commit 1d798ca3f164) compound_head: bit 0 marks a tail.
  const compound = program.tryField('struct page', 'compound_head');
  if (compound !== undefined) {
    const value = compound.pointer(page);
    return (value & 1n) === 0n ? page : clearBits(value, 1n);
  }
  const first = program.tryField('struct page', 'first_page');
  return first !== undefined && pageFlag(program, page, 'PG_tail') === true ? first.pointer(page) : page;
}

/**
 * A bit of `struct page.flags` by its name in `enum pageflags`.
 * @param page - `struct page *`
 * @returns undefined when this kernel has no such flag
 * @throws FaultError, LookupError
 */
export function pageFlag(program: Program, page: VirtAddr, name: string): boolean | undefined {
  const bit = program.enumerator(name);
  if (bit === undefined || bit < 0n || bit > 63n) return undefined;
  // memdesc_flags_t { unsigned long f; } since 6.18.
  const flags = program.firstField('struct page', ['flags.f', 'flags']).u64(page);
  return ((flags >> bit) & 1n) === 1n;
}
