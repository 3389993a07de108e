/**
 * x86-64: address translation (4- and 5-level page tables, 2 MiB and 1 GiB pages, AMD SME mask) and the entry points to
 * registers and unwinding. Follows arch/x86/include/asm/pgtable_64_types.h and page_64.h.
 */
import { add, isAligned, phys, virt, within, type PhysAddr, type VirtAddr } from '../../base/address.ts';
import { FaultError } from '../../base/errors.ts';
import type { VirtRange } from '../../base/memory.ts';
import type { Vmcoreinfo } from '../../debuginfo/vmcoreinfo.ts';
import type { PhysicalMemory } from '../physical-memory.ts';
import type { Program } from '../program.ts';
import type { Arch, Registers, StackTrace } from './arch.ts';
import { prstatusRegisters, switchedOutRegisters } from './x86-64-registers.ts';
import { kernelTables } from './x86-64-tables.ts';
import { unwind } from './x86-64-unwind.ts';

const START_KERNEL_MAP = virt(0xffffffff80000000n);
const DEFAULT_IMAGE_SIZE = 1 << 30;

const PRESENT = 1n;
const PAGE_SIZE_BIT = 1n << 7n;
const PROTNONE = 1n << 8n;
const NO_EXECUTE = 1n << 63n;
const ADDRESS_MASK = 0x000ffffffffff000n;

interface Leaf {
  readonly entry: bigint;
  readonly level: number;
}

export class X86_64 implements Arch {
  readonly name = 'x86_64';
  readonly #physical: PhysicalMemory;
  readonly #physBase: bigint;
  readonly #root: PhysAddr;
  readonly #levels: number;
  readonly #addressMask: bigint;
  /** The kernel image: mapped once, contiguously, at phys_base. */
  #image: VirtRange;
  /** All of physical memory at PAGE_OFFSET; undefined until its base was read. */
  #directMap: VirtRange | undefined;

  constructor(physical: PhysicalMemory, vmcoreinfo: Vmcoreinfo, physBase: bigint, root: VirtAddr) {
    this.#physical = physical;
    this.#physBase = physBase;
    // NUMBER(pgtable_l5_enabled) is there since 4.17/4.18; before, 5-level paging did not exist at run time.
    this.#levels = vmcoreinfo.number('pgtable_l5_enabled') === 1n ? 5 : 4;
    // NUMBER(sme_mask) since 5.2: AMD's encryption bit is part of each entry and not of the address.
    this.#addressMask = ADDRESS_MASK & ~(vmcoreinfo.number('sme_mask') ?? 0n);
    const size = vmcoreinfo.number('KERNEL_IMAGE_SIZE') ?? BigInt(DEFAULT_IMAGE_SIZE);
    this.#image = { start: START_KERNEL_MAP, end: add(START_KERNEL_MAP, size > 0n ? size : DEFAULT_IMAGE_SIZE) };
    this.#root = this.#imagePhys(root);
  }

  #imagePhys(address: VirtAddr): PhysAddr {
    return phys(address - START_KERNEL_MAP + this.#physBase);
  }

  translate(address: VirtAddr): PhysAddr {
    if (within(this.#image.start, this.#image.end, address)) return this.#imagePhys(address);
    const direct = this.#directMap;
    if (direct !== undefined && within(direct.start, direct.end, address)) return phys(address - direct.start);
    return this.#resolve(address, this.#walk(this.#root, address));
  }

  translateUser(pgd: VirtAddr, address: VirtAddr): PhysAddr {
    return this.#resolve(address, this.#walk(this.translate(pgd), address));
  }

  #resolve(address: VirtAddr, leaf: Leaf | undefined): PhysAddr {
    if (leaf === undefined) throw new FaultError('virtual', address, 'unmapped');
    const within = (1n << BigInt(12 + 9 * leaf.level)) - 1n;
    return phys((leaf.entry & this.#addressMask & ~within) | (address & within));
  }

  /** The entry that maps `address` (level 0: 4 KiB, 1: 2 MiB, 2: 1 GiB), or undefined when none does. */
  #walk(root: PhysAddr, address: VirtAddr): Leaf | undefined {
    let table: PhysAddr = root;
    for (let level = this.#levels - 1; level >= 0; level--) {
      const index = (address >> BigInt(12 + 9 * level)) & 0x1ffn;
      const entry = this.#physical.readU64(add(table, index * 8n));
      if ((entry & (PRESENT | PROTNONE)) === 0n || (level > 0 && (entry & PRESENT) === 0n)) return undefined;
      if (level === 0 || (level <= 2 && (entry & PAGE_SIZE_BIT) !== 0n)) return { entry, level };
      table = phys(entry & this.#addressMask);
    }
    return undefined;
  }

  imageRanges(): readonly VirtRange[] {
    const ranges: { start: VirtAddr; end: VirtAddr }[] = [];
    for (let at = START_KERNEL_MAP; at < this.#image.end; ) {
      const leaf = this.#tryWalk(at);
      const size = leaf === undefined || leaf.level === 1 ? 1 << 21 : leaf.level === 2 ? 1 << 30 : 1 << 12;
      // Without an entry at a 4 KiB step the next one may exist: only whole 2 MiB steps are skipped when aligned.
      const step = leaf === undefined && !isAligned(at, 1 << 21) ? 1 << 12 : size;
      if (leaf !== undefined && (leaf.entry & NO_EXECUTE) !== 0n) {
        const last = ranges.at(-1);
        if (last !== undefined && last.end === at) last.end = add(at, step);
        else ranges.push({ start: at, end: add(at, step) });
      }
      at = add(at, leaf === undefined && isAligned(at, 1 << 21) && this.#hasTable(at) ? 1 << 12 : step);
    }
    return ranges;
  }

  #tryWalk(address: VirtAddr): Leaf | undefined {
    try {
      return this.#walk(this.#root, address);
    } catch (error) {
      if (error instanceof FaultError) return undefined;
      throw error;
    }
  }

  /** True when a page table (and not nothing) stands behind a 2 MiB step whose first page is not mapped. */
  #hasTable(address: VirtAddr): boolean {
    return this.#tryWalk(add(address, 1 << 12)) !== undefined;
  }

  kernelTables(limit: number): readonly PhysAddr[] {
    const root = { root: this.#root, levels: this.#levels, addressMask: this.#addressMask };
    return kernelTables(this.#physical, root, limit);
  }

  learn(program: Program): void {
    const text = program.symbols.lookup('_text')?.address;
    const end = program.symbols.lookup('_end')?.address;
    if (text !== undefined && end !== undefined && text < end) this.#image = { start: text, end };
    // `page_offset_base` since 4.8 (CONFIG_RANDOMIZE_MEMORY; also with 5-level paging since 4.17). Without it the
    // direct map is read through the page tables like everything else.
    const base = program.symbols.lookup('page_offset_base');
    if (base === undefined) return;
    const start = program.memory.readPointer(base.address);
    const size = BigInt(program.dump.maxPfn) * BigInt(program.pageSize);
    if (isAligned(start, 1 << 21) && start >> 60n === 0xfn) this.#directMap = { start, end: add(start, size) };
  }

  switchedOutRegisters(program: Program, task: VirtAddr): Registers {
    return switchedOutRegisters(program, task);
  }

  prstatusRegisters(desc: Uint8Array): Registers {
    return prstatusRegisters(desc);
  }

  unwind(program: Program, start: Registers): StackTrace {
    return unwind(program, start);
  }
}
