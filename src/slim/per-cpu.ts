/**
 * Per-CPU memory (mm/percpu.c, mm/percpu-internal.h): for each CPU the static variables, the area for modules, and the
 * populated pages of the dynamic chunks. Interrupt stacks, run queues and crash notes lie there.
 */
import { add, distance, isKernel, type VirtAddr, virt } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import { cpus } from '../kernel/cpus.ts';
import { listEntries } from '../kernel/list.ts';
import type { Program } from '../program/program.ts';
import type { Keep } from './keep.ts';
import { PER_CPU_LIMIT } from './policy.ts';

const MAX_STATIC = 2 ** 28;
const MAX_SLOTS = 1024;
const MAX_CHUNKS = 1 << 20;
/** Pages of one CPU in one chunk. */
const MAX_UNIT_PAGES = 1 << 18;

/** @throws FaultError, LookupError, ValidationError when the chunks cannot be found; the static part is kept before */
export function keepPerCpu(program: Program, keep: Keep): void {
  const possible = cpus(program, 'possible');
  const start = program.symbols.kernel.lookup('__per_cpu_start')?.address;
  const end = program.symbols.kernel.lookup('__per_cpu_end')?.address;
  const size = start === undefined || end === undefined ? 0 : distance(end, start);
  if (start !== undefined && size > 0 && size <= MAX_STATIC && program.hasSymbol('__per_cpu_offset')) {
    for (const cpu of possible) keep.range(program, program.perCpuAddress(start, cpu), size, 'per-cpu');
  }
  const offsets = unitOffsets(program, possible);
  let left = PER_CPU_LIMIT;
  for (const chunk of chunks(program)) {
    const base = program.field('struct pcpu_chunk', 'base_addr').pointer(chunk);
    for (const page of populatedPages(program, chunk)) {
      for (const offset of offsets) {
        if ((left -= program.pageSize) < 0) return;
        keep.range(program, add(virt(base + offset), page * program.pageSize), program.pageSize, 'per-cpu');
      }
    }
  }
}

/** `pcpu_unit_offsets`, `unsigned long *`: where the unit of each CPU lies in a chunk. */
function unitOffsets(program: Program, possible: readonly number[]): readonly bigint[] {
  const table = program.memory.readPointer(program.symbol('pcpu_unit_offsets').address);
  return possible.map((cpu) => program.memory.readU64(add(table, 8 * cpu)));
}

/** `struct pcpu_chunk *`: the first ones, which are not on every list, then the lists of chunks by free space. */
function chunks(program: Program): ReadonlySet<VirtAddr> {
  const { memory } = program;
  const found = new Set<VirtAddr>();
  for (const name of ['pcpu_reserved_chunk', 'pcpu_first_chunk']) {
    const symbol = program.symbols.kernel.lookup(name);
    const chunk = symbol === undefined ? undefined : attempt(() => memory.readPointer(symbol.address));
    if (chunk !== undefined && isKernel(chunk)) found.add(chunk);
  }
  // pcpu_chunk_lists since 5.14 (commit faf65dde844a); pcpu_slot before.
  const lists = program.symbols.kernel.lookup('pcpu_chunk_lists') ?? program.symbol('pcpu_slot');
  const slots = Math.min(MAX_SLOTS, memory.readU32(program.symbol('pcpu_nr_slots').address));
  const first = memory.readPointer(lists.address);
  for (let slot = 0; slot < slots; slot++) {
    const head = add(first, slot * program.sizeOf('struct list_head'));
    attempt(() => {
      for (const chunk of listEntries(program, head, 'struct pcpu_chunk', 'list', MAX_CHUNKS)) found.add(chunk);
    });
  }
  return found;
}

/** Pages of a unit that have memory behind them, by the bitmap `populated`. */
function populatedPages(program: Program, chunk: VirtAddr): readonly number[] {
  // nr_pages since 4.14 (commit c0ebfdc3fe7c); every unit had `pcpu_unit_pages` before.
  const nr = program.tryField('struct pcpu_chunk', 'nr_pages');
  const count = nr === undefined ? program.memory.readU32(program.symbol('pcpu_unit_pages').address) : nr.number(chunk);
  const bits = program.field('struct pcpu_chunk', 'populated').address(chunk);
  const bytes = program.memory.readBytes(bits, Math.ceil(Math.min(count, MAX_UNIT_PAGES) / 8));
  const pages: number[] = [];
  for (let page = 0; page < bytes.length * 8; page++) {
    if (((bytes[page >> 3] ?? 0) & (1 << (page & 7))) !== 0) pages.push(page);
  }
  return pages;
}
