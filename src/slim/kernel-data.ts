/**
 * What the kernel allocated for itself outside of slabs and that has bounds of its own: the log, stacks, modules, page
 * tables, the structures that describe memory.
 */
import { add, isKernel, pfn, pageNumber, type Pfn, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import { vmemmapBase } from '../kernel/page.ts';
import type { Task } from '../kernel/sched.ts';
import { stackArea } from '../kernel/stack.ts';
import type { Program } from '../program/program.ts';
import type { Keep } from './keep.ts';
import { MEMMAP_LIMIT, PAGE_TABLE_LIMIT } from './policy.ts';

/** MAX_NUMNODES. */
const MAX_NODES = 1024;
const MAX_LOG = 2 ** 31;
/** Roots of sections: 4 MiB with 5-level page tables. */
const MAX_SECTION_ROOTS = 1 << 22;

/** The log: `struct printk_ringbuffer` since 5.10, `log_buf` before. @throws FaultError, LookupError */
export function keepLog(program: Program, keep: Keep): void {
  const prb = program.symbols.kernel.lookup('prb');
  const range = (start: VirtAddr, length: number): void => {
    if (length <= MAX_LOG) keep.range(program, start, length, 'log');
  };
  if (prb === undefined) {
    // VMCOREINFO first: `log_buf` is ambiguous from 3.18 to 4.14.
    const text = program.vmcoreinfo.symbol('log_buf') ?? program.symbol('log_buf').address;
    const length = program.vmcoreinfo.symbol('log_buf_len') ?? program.symbol('log_buf_len').address;
    return range(program.memory.readPointer(text), program.memory.readU32(length));
  }
  const ring = program.memory.readPointer(prb.address);
  const field = (path: string) => program.field('struct printk_ringbuffer', path);
  const records = 2 ** field('desc_ring.count_bits').number(ring);
  range(field('desc_ring.descs').pointer(ring), records * program.sizeOf('struct prb_desc'));
  range(field('desc_ring.infos').pointer(ring), records * program.sizeOf('struct printk_info'));
  range(field('text_data_ring.data').pointer(ring), 2 ** field('text_data_ring.size_bits').number(ring));
}

/** The kernel stacks of all tasks; those of interrupts and exceptions lie in per-CPU memory. @throws LookupError */
export function keepStacks(program: Program, keep: Keep, tasks: readonly Pick<Task, 'address'>[]): void {
  for (const task of tasks) {
    const area = attempt(() => stackArea(program, task.address));
    if (area !== undefined && isKernel(area.start)) keep.range(program, area.start, area.size, 'stacks');
  }
}

/** Modules without their code; their symbols and unwind tables lie in their data. */
export function keepModules(program: Program, keep: Keep): void {
  for (const module of program.modules.modules) {
    for (const { start, size, text } of module.ranges) if (!text) keep.range(program, start, size, 'modules');
  }
}

/** What dump tools start from: VMCOREINFO's own pages, `struct pglist_data` of each node, `struct mem_section`. */
export function keepBoot(program: Program, keep: Keep): void {
  const { memory, pageSize } = program;
  const at = (name: string): VirtAddr | undefined => program.symbols.kernel.lookup(name)?.address;
  const target = (pointer: VirtAddr | undefined): VirtAddr | undefined => {
    const address = pointer === undefined ? undefined : attempt(() => memory.readPointer(pointer));
    return address !== undefined && isKernel(address) ? address : undefined;
  };
  for (const name of ['vmcoreinfo_data', 'vmcoreinfo_note']) {
    const address = target(at(name));
    // The note is a little longer than the page that it describes.
    if (address !== undefined) keep.range(program, address, name.endsWith('note') ? 2 * pageSize : pageSize, 'boot');
  }
  const nodes = program.symbols.kernel.lookup('node_data');
  if (nodes !== undefined) {
    const size = attempt(() => program.sizeOf('struct pglist_data')) ?? 0;
    for (let node = 0; node < Math.min(MAX_NODES, Math.floor(nodes.size / 8)); node++) {
      const address = target(add(nodes.address, node * 8));
      if (address !== undefined) keep.range(program, address, size, 'boot');
    }
  }
  // SPARSEMEM_EXTREME: an array of pointers to pages of sections.
  const roots = target(at('mem_section'));
  const count = program.vmcoreinfo.length('mem_section') ?? 0;
  if (roots === undefined || count > MAX_SECTION_ROOTS) return;
  keep.range(program, roots, count * 8, 'boot');
  // Those that stand for memory of this machine: at least 2^6 sections of at least 2^27 bytes each.
  const used = Math.ceil((program.dump.maxPfn * pageSize) / 2 ** 33) + 1;
  for (let root = 0; root < Math.min(count, used); root++) {
    const address = target(add(roots, root * 8));
    if (address !== undefined) keep.range(program, address, pageSize, 'boot');
  }
}

/** The page tables of the kernel's half, upper levels first. */
export function keepPageTables(program: Program, keep: Keep): void {
  const shift = Math.log2(program.pageSize);
  for (const table of program.arch.kernelTables(PAGE_TABLE_LIMIT / program.pageSize)) {
    keep.page(pfn(pageNumber(table, shift)), 'page-tables');
  }
}

/**
 * The page structures: all of them where that is little, else those of kept pages; to be called last.
 * @throws FaultError, LookupError
 */
export function keepMemmap(program: Program, keep: Keep, headOf: (frame: Pfn) => Pfn | undefined): void {
  const base = vmemmapBase(program);
  const size = program.sizeOf('struct page');
  if (program.dump.maxPfn * size <= MEMMAP_LIMIT) {
    keep.range(program, base, program.dump.maxPfn * size, 'memmap');
    return;
  }
  // Kept pages ascend and many share one page of structures.
  let last = -1;
  const structure = (frame: Pfn): void => {
    const group = Math.floor((frame * size) / program.pageSize);
    if (group === last) return;
    last = group;
    keep.range(program, add(base, BigInt(frame) * BigInt(size)), size, 'memmap');
  };
  for (const frame of keep.frames) {
    structure(frame);
    const head = headOf(frame);
    if (head !== undefined && head !== frame) structure(head);
  }
}
