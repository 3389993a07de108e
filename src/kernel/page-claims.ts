/**
 * Frames that something in the kernel says are its own, where the page structures say nothing: vmalloc areas and the kernel
 * stacks, modules and per-CPU chunks among them, upper page tables, the kernel's own page tables, free pages of CPUs. A
 * claim is a guess until the frame's page structure does not contradict it: page-scan.ts decides.
 */
import { add, alignDown, contains, isKernel, pageNumber, pfn, type VirtAddr, virt } from '../base/address.ts';
import type { Budget } from '../base/budget.ts';
import { attempt, isDataError, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { cpus } from './cpus.ts';
import { cpuFreeLists } from './free-lists.ts';
import type { FrameTable } from './frame-table.ts';
import { mappedFrames, userTables } from './kernel-mappings.ts';
import { pageOfFrame } from './page.ts';
import { codeOf, type PageClassId } from './page-class.ts';
import { threadSize } from './stack.ts';
import { type TracePage, tracePages, traceRecords } from './trace-buffers.ts';
import { type VmallocArea, vmallocAreas } from './vmalloc.ts';
import type { Memmap } from './vmemmap.ts';

/** Tables of the kernel's half: enough for a direct map of 8 TiB in pages of 4 KiB. */
const MAX_KERNEL_TABLES = 1 << 22;

/** What claims need of the tasks: the facts know them already. */
export interface ClaimSources {
  /** `task_struct.stack` of every task. */
  readonly stacks: readonly VirtAddr[];
  /** `mm_struct.pgd` of every address space, each once. */
  readonly roots: readonly VirtAddr[];
}

/** Areas of one caller and kind, with the frames that they claimed. */
export interface VmallocCaller {
  /** 'load_module', or the address where no symbol is known. */
  readonly caller: string;
  readonly claimed: PageClassId;
  readonly areas: number;
  /** Frames in which its pages lie. */
  readonly frames: readonly number[];
}

export interface Claims {
  readonly vmalloc: readonly VmallocCaller[];
  /** Pages that `vm_struct.nr_pages` counts, of stacks and modules too; undefined when not all areas could be read. */
  readonly vmallocPages: number | undefined;
  /** Pages on lists of CPUs, as `per_cpu_pages.count` says. */
  readonly cpuFree: number;
  /** Whether these lists could be followed to their ends: else free pages are left that nobody claims. */
  readonly cpuFreeComplete: boolean;
  /** What could not be followed, one line each. */
  readonly problems: readonly string[];
}

class Claimer {
  readonly #program: Program;
  readonly #frames: FrameTable;
  readonly #memmap: Memmap;
  readonly #budget: Budget;
  readonly problems: string[] = [];

  constructor(program: Program, frames: FrameTable, memmap: Memmap, budget: Budget) {
    this.#program = program;
    this.#frames = frames;
    this.#memmap = memmap;
    this.#budget = budget;
  }

  /** Claims a frame that nobody has claimed yet. */
  claim(frame: number, id: PageClassId): boolean {
    if (this.#frames.get(frame) !== 0) return false;
    this.#frames.set(frame, codeOf(id));
    return true;
  }

  /** A part that cannot be followed takes no other part with it. */
  part(what: string, run: () => void): void {
    this.#budget.check();
    try {
      run();
    } catch (error) {
      if (!isDataError(error)) throw error;
      this.problems.push(`${what}: ${error.message}`);
    }
  }

  /** The frame of kernel memory in the direct map or wherever else; undefined when it is not mapped. */
  frameOf(address: VirtAddr): number | undefined {
    const { memory, pageSize } = this.#program;
    return attempt(() => pageNumber(memory.translate(address), Math.log2(pageSize)));
  }

  claimRange(start: VirtAddr, size: number, id: PageClassId): void {
    for (let done = 0; done < size; done += this.#program.pageSize) {
      const frame = this.frameOf(add(start, done));
      if (frame !== undefined) this.claim(frame, id);
    }
  }

  /** The frames of an area that lists its page structures. */
  listed(area: VmallocArea, pages: VirtAddr, visit: (frame: number) => void): void {
    const step = 4096;
    for (let done = 0; done < area.pageCount; done += step) {
      this.#budget.check();
      const count = Math.min(step, area.pageCount - done);
      const bytes = this.#program.memory.readBytes(add(pages, done * 8), count * 8);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      for (let i = 0; i < count; i++) {
        const frame = this.#memmap.frameAt(view.getUint32(i * 8, true), view.getUint32(i * 8 + 4, true));
        if (this.#frames.get(frame) !== undefined) visit(frame);
      }
    }
  }
}

/**
 * Writes the codes of claimed frames into `frames`, of which nothing else is known yet.
 * @param sources - `struct task_struct` and `struct mm_struct` members of all tasks
 * @throws nothing for what the dump holds: what cannot be followed is told
 */
export function claimFrames(
  program: Program,
  frames: FrameTable,
  memmap: Memmap,
  sources: ClaimSources,
  budget: Budget,
): Claims {
  const claimer = new Claimer(program, frames, memmap, budget);
  let cpuFree = 0;
  let cpuFreeComplete = true;
  claimer.part('free pages of CPUs', () => {
    for (const { blocks, count, problem } of cpuFreeLists(program)) {
      cpuFree += count;
      if (problem !== undefined) {
        cpuFreeComplete = false;
        claimer.problems.push(problem);
      }
      for (const { page, order } of blocks) {
        const first = memmap.frameAt(Number(page & 0xffffffffn), Number(page >> 32n));
        for (let i = 0; i < 2 ** order; i++) claimer.claim(first + i, 'free-cpu');
      }
    }
  });
  claimer.part('per-CPU data', () => claimFirstChunk(program, claimer));
  claimer.part('page structures', () => {
    for (const { first, count } of frames.sections) {
      const start = add(memmap.base, BigInt(first) * BigInt(memmap.size));
      mappedFrames(program, start, count * memmap.size, (from, length) => {
        for (let i = 0; i < length; i++) claimer.claim(from + i, 'memmap');
      });
    }
  });
  const areas = new AreaClaims(program, claimer, sources.stacks);
  claimer.part('vmalloc areas', () => {
    try {
      areas.read(budget);
    } catch (error) {
      // What the page tables map is of some area, whatever the areas would say.
      areas.unknown = true;
      throw error;
    }
  });
  areas.claim((claimed) => claimed !== 'vmap');
  const claimTrace = (pages: Iterable<TracePage>): void => {
    for (const { address, order } of pages) {
      budget.check();
      claimer.claimRange(address, program.pageSize * 2 ** order, 'trace');
    }
  };
  claimer.part('tracing buffers', () => claimTrace(tracePages(program)));
  claimer.part('records of functions to trace', () => claimTrace(traceRecords(program)));
  claimer.part('the huge page of zeroes', () => claimHugeZero(program, claimer, memmap));
  claimer.part('kernel stacks', () => claimDirectStacks(program, claimer, sources.stacks));
  claimer.part('page tables of the kernel', () => {
    for (const table of program.arch.kernelTables(MAX_KERNEL_TABLES))
      claimer.claim(pageNumber(table, Math.log2(program.pageSize)), 'kernel-table');
  });
  // With page table isolation a root is of two pages: that of the program's own side follows, without references of its own
  // as both were asked for at once. Whenever the kernel was built with it until 6.14, when it is in use since.
  const references = program.firstField('struct page', ['_refcount.counter', '_count.counter', '_refcount']);
  const type = program.firstField('struct page', ['_mapcount.counter', '_mapcount']);
  const isTwin = (frame: number): boolean => {
    if (frame % 2 === 0) return false;
    const page = pageOfFrame(program, pfn(frame));
    return attempt(() => references.number(page) === 0 && type.value(page) === -1n) === true;
  };
  const marked = program.tryField('struct page', 'page_type') !== undefined;
  claimer.part('page tables of programs', () => {
    for (const root of sources.roots) {
      budget.check();
      let first = true;
      // Until 4.17 no table is marked.
      userTables(program, root, marked ? 2 : 0, (frame, level) => {
        claimer.claim(frame, level < 2 ? 'table' : 'upper-table');
        if (first && isTwin(frame + 1)) claimer.claim(frame + 1, 'upper-table');
        first = false;
      });
    }
  });
  // What vmap() maps is mostly claimed by others as well.
  areas.claim((claimed) => claimed === 'vmap');
  if (areas.unknown) {
    claimer.part('kernel stacks', () => claimMappedStacks(program, claimer, sources.stacks));
    claimer.part('vmalloc', () => claimVmallocSpace(program, claimer));
  }
  return {
    vmalloc: areas.callers,
    vmallocPages: areas.unknown ? undefined : areas.listed,
    cpuFree,
    cpuFreeComplete,
    problems: [...new Set(claimer.problems)],
  };
}

function callerName(program: Program, caller: VirtAddr | undefined): string {
  if (caller === undefined) return 'unknown';
  const found = program.symbols.at(caller);
  return found === undefined ? 'unknown' : found.name;
}

interface CallerFrames {
  readonly caller: string;
  readonly claimed: PageClassId;
  areas: number;
  readonly frames: number[];
}

/** Claims the pages of vmalloc areas, and notes who asked for them. */
class AreaClaims {
  readonly #program: Program;
  readonly #claimer: Claimer;
  readonly #kinds: AreaKinds;
  readonly #found: { readonly area: VmallocArea; readonly claimed: PageClassId }[] = [];
  readonly #callers = new Map<string, CallerFrames>();
  /** Pages that areas list. */
  listed = 0;
  /** Not all areas could be read. */
  unknown = false;

  constructor(program: Program, claimer: Claimer, stacks: readonly VirtAddr[]) {
    this.#program = program;
    this.#claimer = claimer;
    this.#kinds = new AreaKinds(program, stacks);
  }

  get callers(): readonly VmallocCaller[] {
    return [...this.#callers.values()];
  }

  /** @throws FaultError, LookupError, ValidationError when areas cannot be followed; those before are noted */
  read(budget: Budget): void {
    for (const area of vmallocAreas(this.#program)) {
      budget.check();
      if (area.pages !== undefined) this.listed += area.pageCount;
      const claimed = this.#kinds.kindOf(area);
      if (claimed !== undefined) this.#found.push({ area, claimed });
    }
  }

  claim(which: (claimed: PageClassId) => boolean): void {
    for (const { area, claimed } of this.#found) {
      if (!which(claimed)) continue;
      const caller = callerName(this.#program, area.caller);
      const key = `${claimed} ${caller}`;
      const group = this.#callers.get(key) ?? { caller, claimed, areas: 0, frames: [] };
      this.#callers.set(key, group);
      group.areas++;
      const visit = (frame: number): void => {
        if (this.#claimer.claim(frame, claimed)) group.frames.push(frame);
      };
      this.#claimer.part('pages of a vmalloc area', () => {
        if (area.pages !== undefined) return this.#claimer.listed(area, area.pages, visit);
        mappedFrames(this.#program, area.start, area.size, (first, count) => {
          for (let i = 0; i < count; i++) visit(first + i);
        });
      });
    }
  }
}

/** What the pages of a vmalloc area are. */
class AreaKinds {
  readonly #program: Program;
  readonly #stacks: ReadonlySet<VirtAddr>;
  readonly #stackSize: number | undefined;
  readonly #stackCallers = new Set<string>();

  constructor(program: Program, stacks: readonly VirtAddr[]) {
    this.#program = program;
    this.#stacks = new Set(stacks);
    this.#stackSize = attempt(() => threadSize(program));
    // dup_task_struct() asks for stacks, inlined into whoever calls it.
    for (const name of [
      'alloc_thread_stack_node',
      'dup_task_struct',
      'copy_process',
      'kernel_clone',
      'fork_idle',
      '_do_fork',
    ])
      this.#stackCallers.add(name);
  }

  kindOf(area: VmallocArea): PageClassId | undefined {
    if (area.kind === 'io' || area.kind === 'ram' || area.kind === 'other') return undefined;
    if (area.kind === 'map') return 'vmap';
    if (this.#stacks.has(area.start)) return 'stack';
    const caller = callerName(this.#program, area.caller).replace(/\..*$/, '');
    // Cached by a CPU for the next task, or of a task that is gone.
    if (area.pageCount * this.#program.pageSize === this.#stackSize && this.#stackCallers.has(caller))
      return 'stack-idle';
    if (area.pages === undefined) return caller === 'pcpu_get_vm_areas' ? 'percpu' : undefined;
    const inModule = this.#program.modules.modules.some((module) =>
      module.ranges.some(({ start }) => contains(area.start, area.size, start)),
    );
    return inModule ? 'module' : 'vmalloc';
  }
}

/** Where the fixed mappings of x86-64 begin, behind the modules. */
const MODULES_END = virt(0xffffffffff000000n);

/**
 * Pages that are mapped in the address spaces of vmalloc (x86-64: 32 TiB, or 12.5 PiB with 5-level page tables) and of the
 * modules, where the areas cannot be read.
 */
function claimVmallocSpace(program: Program, claimer: Claimer): void {
  const { start, size } = vmallocSpace(program);
  const claim = (first: number, count: number): void => {
    for (let i = 0; i < count; i++) claimer.claim(first + i, 'vmalloc');
  };
  mappedFrames(program, start, size, claim);
  const image = program.symbol('_end').address;
  const modules = alignDown(add(image, program.pageSize - 1), program.pageSize);
  if (modules < MODULES_END) mappedFrames(program, modules, Number(MODULES_END - modules), claim);
}

function vmallocSpace(program: Program): { readonly start: VirtAddr; readonly size: number } {
  const start = program.memory.readPointer(program.symbol('vmalloc_base').address);
  const size = program.vmcoreinfo.number('pgtable_l5_enabled') === 1n ? 12800 * 2 ** 40 : 32 * 2 ** 40;
  return { start, size };
}

/** Stacks of tasks in areas that cannot be read: those that no task has now stay among the other areas. */
function claimMappedStacks(program: Program, claimer: Claimer, stacks: readonly VirtAddr[]): void {
  const { start, size } = vmallocSpace(program);
  const each = threadSize(program);
  for (const stack of stacks) if (contains(start, size, stack)) claimer.claimRange(stack, each, 'stack');
}

/** Stacks that lie in the direct map: without VMAP_STACK (4.9). */
function claimDirectStacks(program: Program, claimer: Claimer, stacks: readonly VirtAddr[]): void {
  const base = program.symbols.kernel.lookup('vmalloc_base');
  const vmap = program.tryField('struct task_struct', 'stack_vm_area') !== undefined;
  // Areas have claimed theirs; what is left lies in the direct map or, for the first task, in the kernel image.
  if (vmap && base !== undefined) return;
  const size = threadSize(program);
  for (const stack of stacks) if (isKernel(stack)) claimer.claimRange(stack, size, 'stack');
}

/** Order of a huge page, HPAGE_PMD_ORDER on x86-64. */
const HUGE_ORDER = 9;

/** `struct folio *huge_zero_folio` since 6.10 (commit 5691753d73a2), `struct page *huge_zero_page` before; NULL until used. */
function claimHugeZero(program: Program, claimer: Claimer, memmap: Memmap): void {
  const kernel = program.symbols.kernel;
  const symbol = kernel.lookup('huge_zero_folio') ?? kernel.lookup('huge_zero_page');
  if (symbol === undefined) return;
  const page = program.memory.readPointer(symbol.address);
  if (!isKernel(page)) return;
  const first = memmap.frameAt(Number(page & 0xffffffffn), Number(page >> 32n));
  for (let i = 0; i < 2 ** HUGE_ORDER; i++) claimer.claim(first + i, 'huge-zero');
}

/** The first chunk, of memory set aside at boot: pcpu_setup_first_chunk(), mm/percpu.c. */
function claimFirstChunk(program: Program, claimer: Claimer): void {
  const { memory, pageSize } = program;
  const pointer = (name: string): VirtAddr => memory.readPointer(program.symbol(name).address);
  const base = pointer('pcpu_base_addr');
  const chunk = pointer('pcpu_first_chunk');
  const offsets = pointer('pcpu_unit_offsets');
  const start = program.field('struct pcpu_chunk', 'base_addr').pointer(chunk);
  // Since 4.14; the chunk had as many pages as a unit before.
  const pages = program.tryField('struct pcpu_chunk', 'nr_pages')?.number(chunk);
  const size =
    pages === undefined
      ? memory.readS32(program.symbol('pcpu_unit_size').address)
      : Number(start - base) + pages * pageSize;
  if (!(size > 0 && size <= 2 ** 30))
    throw new ValidationError('pcpu_first_chunk', chunk, `has units of ${size} bytes`);
  for (const cpu of cpus(program, 'possible')) {
    const offset = memory.readU64(add(offsets, 8 * cpu));
    claimer.claimRange(add(base, offset), size, 'boot-percpu');
  }
}
