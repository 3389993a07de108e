/**
 * Areas of the vmalloc address space, mm/vmalloc.c (`struct vmap_area`, `struct vm_struct`): where they lie, who asked for
 * them, and the page structures behind them.
 */
import { add, clearBits, isAligned, isKernel, NULL, type VirtAddr } from '../base/address.ts';
import { ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { listEntries } from './list.ts';
import { rbEntries } from './rbtree.ts';

/** An area has at least one page and one page of guard, and the address space is at most 12.5 PiB; memory is less. */
const MAX_AREAS = 1 << 24;
const MAX_NODES = 1 << 12;
/** Bits of `vm_struct.flags`; unchanged since 2.6.32 but for the last, which came in 5.9 (commit b944afc9d64d). */
const VM_IOREMAP = 0x1n;
const VM_ALLOC = 0x2n;
const VM_MAP = 0x4n;
const VM_MAP_PUT_PAGES = 0x200n;
/** Pages of one area: 4 TiB of them. */
const MAX_PAGES = 2 ** 30;

export interface VmallocArea {
  /** `struct vmap_area *`. */
  readonly area: VirtAddr;
  readonly start: VirtAddr;
  /** Bytes, with the guard page where there is one. */
  readonly size: number;
  /** `struct vm_struct *`; undefined for what vm_map_ram() made. */
  readonly vm: VirtAddr | undefined;
  /** `alloc` has pages of its own; `map` maps those of others; `io` is no memory; `ram` is of vm_map_ram(). */
  readonly kind: 'alloc' | 'map' | 'io' | 'ram' | 'other';
  /** `struct page **`; undefined when the area does not list its pages. */
  readonly pages: VirtAddr | undefined;
  /** How many page structures `pages` lists. */
  readonly pageCount: number;
  /** Return address of whoever asked for it; undefined when it is not known. */
  readonly caller: VirtAddr | undefined;
}

/**
 * All areas in use, each `struct vmap_area`. Those that are being freed are not told: their pages are free already.
 * @throws FaultError, LookupError, ValidationError when the tree or list is broken; what came before was returned
 */
export function* vmallocAreas(program: Program): Generator<VmallocArea> {
  const start = program.field('struct vmap_area', 'va_start');
  const end = program.field('struct vmap_area', 'va_end');
  const vm = program.tryField('struct vmap_area', 'vm') ?? program.field('struct vmap_area', 'private');
  for (const area of vmapAreas(program)) {
    const from = start.pointer(area);
    const to = end.pointer(area);
    if (!isKernel(from) || to <= from) throw new ValidationError('struct vmap_area', area, 'has no extent');
    yield { area, ...readArea(program, from, Number(to - from), vm.pointer(area)) };
  }
}

function* vmapAreas(program: Program): Generator<VirtAddr> {
  const nodes = program.symbols.kernel.lookup('vmap_nodes');
  if (nodes === undefined) {
    // `vmap_area_list` since 2.6.28, until 6.8.
    program.layouts.chose('vmalloc areas', 'one list (until 6.8)', ['5.10', '6.1']);
    const head = program.symbol('vmap_area_list').address;
    yield* listEntries(program, head, 'struct vmap_area', 'list', MAX_AREAS);
    return;
  }
  // Since 6.9 (commit d093602919ad) several trees, and the free areas elsewhere.
  program.layouts.chose('vmalloc areas', 'vmap_nodes (since 6.9)', ['6.12']);
  const table = program.memory.readPointer(nodes.address);
  const count = program.memory.readU32(program.symbol('nr_vmap_nodes').address);
  if (count < 1 || count > MAX_NODES) throw new ValidationError('nr_vmap_nodes', nodes.address, `is ${count}`);
  const size = program.sizeOf('struct vmap_node');
  const root = program.field('struct vmap_node', 'busy.root');
  for (let i = 0; i < count; i++)
    yield* rbEntries(program, root.address(add(table, i * size)), 'struct vmap_area', 'rb_node', MAX_AREAS);
}

function readArea(program: Program, start: VirtAddr, size: number, vm: VirtAddr): Omit<VmallocArea, 'area'> {
  const none = { start, size, vm: undefined, pages: undefined, pageCount: 0, caller: undefined } as const;
  // Tag bits were kept in the pointer's place by no kernel; what does not point is that of vm_map_ram().
  if (vm === NULL || !isKernel(vm) || !isAligned(vm, 8)) return { ...none, kind: 'ram' };
  const field = (path: string) => program.field('struct vm_struct', path);
  // A free area's `subtree_max_size` shares the place: the vm_struct must name the area.
  if (clearBits(field('addr').pointer(vm), 0n) !== start) return { ...none, kind: 'other' };
  const flags = field('flags').u64(vm);
  const pages = field('pages').pointer(vm);
  const count = field('nr_pages').number(vm);
  const caller = program.tryField('struct vm_struct', 'caller')?.pointer(vm) ?? NULL;
  const listed = isKernel(pages) && isAligned(pages, 8) && count > 0;
  if (listed && count > MAX_PAGES) throw new ValidationError('struct vm_struct', vm, `has ${count} pages`);
  return {
    start,
    size,
    vm,
    kind: kindOf(flags),
    pages: listed ? pages : undefined,
    pageCount: listed ? count : 0,
    caller: caller === NULL ? undefined : caller,
  };
}

function kindOf(flags: bigint): VmallocArea['kind'] {
  if ((flags & VM_IOREMAP) !== 0n) return 'io';
  if ((flags & (VM_ALLOC | VM_MAP_PUT_PAGES)) !== 0n) return 'alloc';
  return (flags & VM_MAP) !== 0n ? 'map' : 'other';
}
