/**
 * x86-64: address translation (4- and 5-level page tables, 2 MiB and 1 GiB pages, AMD SME mask) and the entry points to
 * registers and unwinding. Follows arch/x86/include/asm/pgtable_64_types.h and page_64.h.
 */
import { add, hex, isAligned, isKernel, phys, virt, within, type PhysAddr, type VirtAddr } from '../../base/address.ts';
import { attempt, FaultError } from '../../base/errors.ts';
import type { VirtRange } from '../../base/memory.ts';
import type { Vmcoreinfo } from '../../debuginfo/vmcoreinfo.ts';
import { PROVEN } from '../layouts.ts';
import type { PhysicalMemory } from '../physical-memory.ts';
import type { Program } from '../program.ts';
import type { Arch, Registers, StackTrace } from './arch.ts';
import { prstatusRegisters, switchedOutRegisters } from './x86-64-registers.ts';
import { withoutUnwindTables } from './x86-64-guess-step.ts';
import { kernelTables } from './x86-64-tables.ts';
import { unwind } from './x86-64-unwind.ts';

const START_KERNEL_MAP = virt(0xffffffff80000000n);
/** KERNEL_IMAGE_SIZE with KASLR; half of it without. */
const MAX_IMAGE_SIZE = 1n << 30n;

const PRESENT = 1n;
const PAGE_SIZE_BIT = 1n << 7n;
/** In an entry that is not present: the page is there, but access is refused (mprotect, NUMA balancing). */
const PROTNONE = 1n << 8n;
const NO_EXECUTE = 1n << 63n;
const ADDRESS_MASK = 0x000ffffffffff000n;

/** Where the walk for an address ended. Level 0 is one 4 KiB page, 1 2 MiB, 2 1 GiB, 3 512 GiB, 4 256 TiB. */
interface Place {
  /** The entry that maps the address; undefined when nothing of this size is mapped here. */
  readonly entry: bigint | undefined;
  readonly level: number;
}

export class X86_64 implements Arch {
  readonly name = 'x86_64';
  readonly #physical: PhysicalMemory;
  readonly #physBase: bigint;
  readonly #root: PhysAddr;
  readonly #levels: number;
  /** Bits of a virtual address that its bit above must repeat: 48 or 57. */
  readonly #addressBits: number;
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
    this.#addressBits = 12 + 9 * this.#levels;
    // NUMBER(sme_mask) since 5.2: AMD's encryption bit is part of each entry and not of the address.
    this.#addressMask = ADDRESS_MASK & ~(vmcoreinfo.number('sme_mask') ?? 0n);
    const told = vmcoreinfo.number('KERNEL_IMAGE_SIZE') ?? 0n;
    const size = told > 0n && told <= MAX_IMAGE_SIZE ? told : MAX_IMAGE_SIZE;
    this.#image = { start: START_KERNEL_MAP, end: add(START_KERNEL_MAP, size) };
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

  #resolve(address: VirtAddr, { entry, level }: Place): PhysAddr {
    if (entry === undefined) throw new FaultError('virtual', address, 'unmapped');
    const within = (1n << BigInt(12 + 9 * level)) - 1n;
    let page = entry & this.#addressMask;
    if ((entry & PRESENT) === 0n) {
      // The bits of an address that is not present are inverted since 4.19 and in stable kernels of August 2018 (L1TF,
      // commit 6b28baca9b1f). No machine has memory in the upper half of what they can name: the smaller one is true.
      const inverted = ~entry & this.#addressMask;
      if (inverted < page) page = inverted;
    }
    return phys((page & ~within) | (address & within));
  }

  /** @throws FaultError when a page table cannot be read */
  #walk(root: PhysAddr, address: VirtAddr): Place {
    if (BigInt.asUintN(64, BigInt.asIntN(this.#addressBits, address)) !== address) {
      return { entry: undefined, level: this.#levels - 1 };
    }
    let table: PhysAddr = root;
    for (let level = this.#levels - 1; ; level--) {
      const index = (address >> BigInt(12 + 9 * level)) & 0x1ffn;
      const entry = this.#physical.readU64(add(table, index * 8n));
      if (level === 0) return { entry: (entry & (PRESENT | PROTNONE)) === 0n ? undefined : entry, level };
      // A huge page keeps its size bit while it is not present (pmd_present()); swap entries have it clear.
      if (level <= 2 && (entry & PAGE_SIZE_BIT) !== 0n) return { entry, level };
      if ((entry & PRESENT) === 0n) return { entry: undefined, level };
      table = phys(entry & this.#addressMask);
    }
  }

  /** As `#walk`; behind a table that cannot be read nothing is mapped. */
  #tryWalk(address: VirtAddr): Place {
    try {
      return this.#walk(this.#root, address);
    } catch (error) {
      // Which table it was is not told: the smallest step that a table stands for.
      if (error instanceof FaultError) return { entry: undefined, level: 1 };
      throw error;
    }
  }

  imageRanges(): readonly VirtRange[] {
    const constants: { start: VirtAddr; end: VirtAddr }[] = [];
    const mapped: { start: VirtAddr; end: VirtAddr }[] = [];
    const { end } = this.#image;
    // At most 2^18 steps, and that only when every single page is mapped by itself.
    for (let at = this.#image.start; at < end; ) {
      const { entry, level } = this.#tryWalk(at);
      const size = 1n << BigInt(12 + 9 * level);
      const behind = virt((at & ~(size - 1n)) + size);
      // The image may begin or end inside of what is not mapped, or at the end of the address space.
      const next = behind > at && behind < end ? behind : end;
      if (entry !== undefined) {
        extend(mapped, at, next);
        if ((entry & NO_EXECUTE) !== 0n) extend(constants, at, next);
      }
      at = next;
    }
    // A kernel that runs without the no-execute bit maps all of its image alike.
    return constants.length > 0 ? constants : mapped;
  }

  /** True when the kernel's page tables allow to execute code at an address of the kernel. */
  #isExecutable(address: VirtAddr): boolean {
    const { entry } = this.#tryWalk(address);
    return isKernel(address) && entry !== undefined && (entry & (PRESENT | NO_EXECUTE)) === PRESENT;
  }

  kernelTables(limit: number): readonly PhysAddr[] {
    const root = { root: this.#root, levels: this.#levels, addressMask: this.#addressMask };
    return kernelTables(this.#physical, root, limit);
  }

  learn(program: Program): readonly string[] {
    program.layouts.chose(
      'page tables',
      `${this.#levels} levels`,
      this.#levels === 4 ? PROVEN : ['6.1', '6.1-rt', '6.12', '7.2'],
    );
    const text = program.symbols.lookup('_text')?.address;
    const end = program.symbols.lookup('_end')?.address;
    if (text !== undefined && end !== undefined && text < end) this.#image = { start: text, end };
    return [...this.#learnDirectMap(program), ...withoutUnwindTables(program)];
  }

  #learnDirectMap(program: Program): readonly string[] {
    // `page_offset_base` since 4.8 (CONFIG_RANDOMIZE_MEMORY; also with 5-level paging since 4.17). Without it the
    // direct map is read through the page tables like everything else.
    const base = program.symbols.lookup('page_offset_base');
    if (base === undefined) return [];
    const start = attempt(() => program.memory.readPointer(base.address));
    if (start === undefined) return ['page_offset_base cannot be read; the page tables are asked instead'];
    if (!isAligned(start, 1 << 21) || start >> 60n !== 0xfn)
      return [`page_offset_base is ${hex(start)}, which is none; the page tables are asked instead`];
    this.#directMap = { start, end: add(start, BigInt(program.dump.maxPfn) * BigInt(program.pageSize)) };
    return [];
  }

  switchedOutRegisters(program: Program, task: VirtAddr): Registers {
    return switchedOutRegisters(program, task);
  }

  prstatusRegisters(desc: Uint8Array): Registers {
    return prstatusRegisters(desc);
  }

  unwind(program: Program, start: Registers, stackEnd?: VirtAddr, registers = false): StackTrace {
    return unwind(program, start, { isExecutable: (address) => this.#isExecutable(address), stackEnd, registers });
  }
}

/** Appends a range, to the last one when it begins where that ends. */
function extend(ranges: { start: VirtAddr; end: VirtAddr }[], start: VirtAddr, end: VirtAddr): void {
  const last = ranges.at(-1);
  if (last !== undefined && last.end === start) last.end = end;
  else ranges.push({ start, end });
}
