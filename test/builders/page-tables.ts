/**
 * Physical memory with x86-64 page tables, built by hand: pages by frame, `map` makes the tables on the way.
 *
 *   const memory = new PhysicalImage({ levels: 5 });
 *   memory.map(0xffffffff81000000n, 0x1000000n, { level: 1, flags: NX });   // level 0: 4 KiB, 1: 2 MiB, 2: 1 GiB
 *   memory.write(0x1000000n, bytes);
 *   memory.states.set(frame, 'excluded');                                     // of pages that were not written
 *   memory.entryAt(0xffff888000000000n, 0)                                    // where its entry of that level lies
 *   const physical = memory.open();
 */
import { pfn, phys, type Pfn, type PhysAddr, virt, type VirtAddr } from '../../src/base/address.ts';
import type { DumpFile, PageStatus } from '../../src/dump/dump-file.ts';
import { PageCache } from '../../src/dump/page-cache.ts';
import { PhysicalMemory } from '../../src/program/physical-memory.ts';

export const PRESENT = 1n;
export const HUGE = 1n << 7n;
export const PROTNONE = 1n << 8n;
export const NX = 1n << 63n;
const PAGE = 4096;
const ADDRESS = 0x000ffffffffff000n;

export interface MapOptions {
  /** Size of the page: 0 is 4 KiB, 1 2 MiB, 2 1 GiB. */
  readonly level?: number;
  /** Added to PRESENT (and HUGE above level 0). */
  readonly flags?: bigint;
  /** The whole entry instead. */
  readonly entry?: bigint;
}

export class PhysicalImage {
  readonly levels: number;
  /** Physical address of the topmost table. */
  readonly root: PhysAddr;
  readonly pages = new Map<number, Uint8Array>();
  readonly states = new Map<number, PageStatus>();
  /** Bits that each table entry has besides its address, such as AMD's C-bit. */
  readonly #tableBits: bigint;
  #nextTable: bigint;

  constructor(options: { readonly levels?: number; readonly root?: bigint; readonly tableBits?: bigint } = {}) {
    this.levels = options.levels ?? 4;
    this.root = phys(options.root ?? 0x10000n);
    this.#tableBits = options.tableBits ?? 0n;
    this.#nextTable = this.root + BigInt(PAGE);
    this.page(this.root);
  }

  /** The bytes of the page around an address; made when it is not there. */
  page(address: bigint): Uint8Array {
    const frame = Number(address >> 12n);
    let page = this.pages.get(frame);
    if (page === undefined) {
      page = new Uint8Array(PAGE);
      this.pages.set(frame, page);
    }
    return page;
  }

  write(address: bigint, bytes: Uint8Array): void {
    bytes.forEach((byte, i) => {
      const at = address + BigInt(i);
      this.page(at)[Number(at & 0xfffn)] = byte;
    });
  }

  writeU64(address: bigint, value: bigint): void {
    const view = new DataView(this.page(address).buffer);
    view.setBigUint64(Number(address & 0xfffn), BigInt.asUintN(64, value), true);
  }

  readU64(address: bigint): bigint {
    return new DataView(this.page(address).buffer).getBigUint64(Number(address & 0xfffn), true);
  }

  /** Physical address of the entry for a virtual address at a level; makes the tables above it. */
  entryAt(address: bigint, level: number, root: bigint = this.root): bigint {
    let table = root;
    for (let at = this.levels - 1; ; at--) {
      const entry = table + ((address >> BigInt(12 + 9 * at)) & 0x1ffn) * 8n;
      if (at === level) return entry;
      if ((this.readU64(entry) & PRESENT) === 0n) {
        this.writeU64(entry, this.#nextTable | PRESENT | this.#tableBits);
        this.page(this.#nextTable);
        this.#nextTable += BigInt(PAGE);
      }
      table = this.readU64(entry) & ADDRESS & ~this.#tableBits;
    }
  }

  map(address: bigint, to: bigint, { level = 0, flags = 0n, entry }: MapOptions = {}, root?: bigint): VirtAddr {
    const made = to | PRESENT | (level > 0 ? HUGE : 0n) | flags;
    this.writeU64(this.entryAt(address, level, root), entry ?? made);
    return virt(address);
  }

  open(options: { readonly cacheBytes?: number } = {}): PhysicalMemory {
    return new PhysicalMemory(new PageCache(this.dump(), options.cacheBytes));
  }

  dump(): DumpFile {
    const status = (frame: Pfn): PageStatus => this.states.get(frame) ?? (this.pages.has(frame) ? 'data' : 'absent');
    return {
      description: 'hand-built memory',
      format: 'elf',
      machine: 'x86_64',
      pageSize: PAGE,
      vmcoreinfo: undefined,
      notes: [],
      physBase: 0n,
      pageOffset: undefined,
      dumpLevel: undefined,
      maxPfn: 1 << 20,
      fileSize: this.pages.size * PAGE,
      counts: { inFile: this.pages.size, excluded: undefined, lost: 0 },
      problems: [],
      status,
      readPage: (frame, into) => {
        const page = this.pages.get(frame);
        if (page !== undefined) into.set(page);
        return status(frame);
      },
      nextInFile: (from) => {
        const next = [...this.pages.keys()].filter((frame) => frame >= from).sort((a, b) => a - b)[0];
        return next === undefined ? undefined : pfn(next);
      },
      close() {},
    };
  }
}
