/**
 * The walk over page structures that puts each frame into exactly one class (page-class.ts), and counts beside it what
 * the kernel's own counters count: so that the two can be compared. Page structures are read as 32-bit words in one buffer,
 * as two million of them are to take a second. In doubt a frame is unclassified: nothing is got by subtraction.
 */
import type { VirtAddr } from '../base/address.ts';
import type { Budget } from '../base/budget.ts';
import type { Program } from '../program/program.ts';
import { strip } from '../program/types.ts';
import type { FrameTable } from './frame-table.ts';
import { PageBalloons } from './page-balloons.ts';
import { codeOf, PAGE_CLASSES, type PageClassId } from './page-class.ts';
import { type PageLayout, pageLayout } from './page-flags.ts';
import { noHead, type PageHead } from './page-head.ts';
import { MAPPING_KINDS, PageMappings } from './page-mappings.ts';
import { PointerTable } from './pointer-table.ts';
import type { Regions } from './page-regions.ts';
import { TALLY, Tally } from './page-tally.ts';
import { Unclassified } from './page-unclassified.ts';
import { flagsOf, moverClass, type PageFlagMasks, typeReader } from './page-words.ts';
import type { Memmap, MemmapChunk } from './vmemmap.ts';

/** Orders of free blocks: 11 on x86-64, up to 14 on arm64. */
const MAX_BUDDY_ORDERS = 32;
/** Orders of compound pages: 18 is 1 GiB, 22 is 16 GiB. */
const MAX_COMPOUND_ORDER = 22;
/** PP_SIGNATURE: 0x40 added to POISON_POINTER_DELTA, and since 6.16 a number in the bits between. */
const POOL_LOW = 0x40;
const POOL_LOW_MASK = 0x7c;
const POOL_HIGH = 0xdead0000 | 0;
const POOL_HIGH_MASK = ~0x7f;

const CODE = Object.fromEntries(PAGE_CLASSES.map(({ id }) => [id, codeOf(id)])) as {
  readonly [id in PageClassId]: number;
};
const SHMEM = MAPPING_KINDS.indexOf('shmem');
const BLOCK = MAPPING_KINDS.indexOf('block');
const HUGETLB = MAPPING_KINDS.indexOf('hugetlb');
const UNREAD = MAPPING_KINDS.indexOf('unread');
const NONE = MAPPING_KINDS.indexOf('none');
/** Stands in the place of a mapping's kind. */
const KSM = MAPPING_KINDS.length;

/** What the slabs of a cache say together. */
export interface SlabCachePages {
  /** `struct kmem_cache *`. */
  readonly cache: VirtAddr;
  readonly pages: number;
  readonly slabs: number;
  /** Objects that its slabs have room for; undefined for another allocator than SLUB. */
  readonly objects: number | undefined;
  /** Objects in use, those that CPUs keep ready included. */
  readonly used: number | undefined;
  readonly reclaimable: boolean;
}

export class PageScan {
  readonly frames: FrameTable;
  /** Frames by class. */
  readonly pages = new Float64Array(PAGE_CLASSES.length);
  readonly tally = new Tally();
  readonly mappings: PageMappings;
  readonly balloons: PageBalloons;
  readonly unclassified: Unclassified;
  /** Blocks in the buddy allocator by zone (`Regions.zones`) and order. */
  readonly freeBlocks: readonly Float64Array[];
  readonly regions: Regions;
  /** Frames whose page structure says something else than what claimed them, by 'claim: class'. */
  readonly contradictions = new Map<string, number>();
  /** Frames that are marked as page tables. */
  tables = 0;
  /** Frames whose own page structure is not in the dump. */
  missing = 0;
  /** Orders of free blocks that this kernel has. */
  readonly #orders: number;
  readonly #layout: PageLayout;
  readonly #memmap: Memmap;
  readonly #slabs = new PointerTable();
  /** By the number of a slab cache: frames; and of slabs their number, all objects and those in use. */
  readonly #slabPages: number[] = [];
  readonly #slabCounts: number[] = [];
  readonly #slabObjects: number[] = [];
  readonly #slabUsed: number[] = [];
  /** Class of a slab cache by its number. */
  readonly #slabCodes: number[] = [];
  /** Owners of movable pages, and the classes of theirs. */
  readonly #movers = new PointerTable();
  readonly #moverCodes: number[] = [];
  readonly #program: Program;
  readonly #reclaimable: (cache: VirtAddr) => boolean;
  readonly #typed: (word: number) => number;
  readonly #flag: PageFlagMasks;
  readonly #head = noHead();
  #freeComplete = true;
  /** Up to here all frames have one class. */
  #skipTo = 0;
  #skipCode = 0;

  /** @throws LookupError for a layout that is not known */
  constructor(
    program: Program,
    frames: FrameTable,
    memmap: Memmap,
    regions: Regions,
    reclaimable: (cache: VirtAddr) => boolean,
  ) {
    this.frames = frames;
    this.#memmap = memmap;
    this.#program = program;
    this.#layout = pageLayout(program);
    this.mappings = new PageMappings(program);
    this.balloons = new PageBalloons(program);
    this.unclassified = new Unclassified();
    this.regions = regions;
    const areas = strip(program.field('struct zone', 'free_area').type);
    this.#orders = areas.kind === 'array' ? Math.min(areas.length, MAX_BUDDY_ORDERS) : 0;
    this.freeBlocks = regions.zones.map(() => new Float64Array(this.#orders));
    this.#reclaimable = reclaimable;
    this.#typed = typeReader(this.#layout);
    this.#flag = flagsOf(program);
  }

  /** Frames looked at so far. */
  get seen(): number {
    return this.pages.reduce((sum, count) => sum + count, 0);
  }

  /** Frames by slab cache, `struct kmem_cache *`. */
  *slabCaches(): Generator<SlabCachePages> {
    const known = this.#layout.slabCounters !== undefined;
    for (let i = 0; i < this.#slabs.count; i++) {
      yield {
        cache: this.#slabs.pointer(i),
        pages: this.#slabPages[i] ?? 0,
        slabs: this.#slabCounts[i] ?? 0,
        objects: known ? (this.#slabObjects[i] ?? 0) : undefined,
        used: known ? (this.#slabUsed[i] ?? 0) : undefined,
        reclaimable: this.#slabCodes[i] === CODE['slab-reclaimable'],
      };
    }
  }

  /**
   * Walks sections.
   * @param freeComplete - whether every free page on a list of a CPU is claimed
   * @param which - position in `frames.sections`, and whether it is walked
   * @throws CancelledError when the budget ends it: what was counted so far stays right
   */
  run(budget: Budget, freeComplete: boolean, which: (position: number) => boolean = () => true): void {
    this.#freeComplete = freeComplete;
    let at = 0;
    let done = 0;
    try {
      for (const section of this.frames.sections) {
        const codes = this.frames.codes(at);
        if (which(at)) {
          for (const chunk of this.#memmap.chunks(section)) {
            budget.check();
            this.#chunk(chunk, codes, done, section.online);
            done += chunk.count;
          }
        } else codes.fill(0);
        at++;
        done = 0;
      }
    } finally {
      // A claim on a frame that was not looked at is none.
      for (; at < this.frames.sections.length; at++, done = 0) this.frames.codes(at).fill(0, done);
    }
  }

  #chunk(chunk: MemmapChunk, codes: Uint8Array, offset: number, online: boolean): void {
    const { words, stride, readable, unreadable, first, count } = chunk;
    for (let i = 0; i < count; i++) {
      const frame = first + i;
      const claim = codes[offset + i] ?? 0;
      let code: number;
      if (frame < this.#skipTo) code = claim === 0 ? this.#skipCode : this.#checked(this.#skipCode, claim);
      else if (unreadable > 0 && readable[i] === 0) {
        code = CODE.unread;
        this.missing++;
      } else code = online ? this.#classify(words, i * stride, frame, claim) : CODE.device;
      codes[offset + i] = code;
      this.pages[code] = (this.pages[code] ?? 0) + 1;
    }
  }

  /** The class of a frame by its page structure, and by who claims it where that says nothing. */
  #classify(words: Int32Array, at: number, frame: number, claim: number): number {
    const layout = this.#layout;
    const flag = this.#flag;
    const flags = words[at + (layout.flags >> 2)] ?? 0;
    const word = words[at + (layout.mapcount >> 2)] ?? 0;
    if (word < -1) {
      const typed = this.#typed(word >>> 0);
      if (typed !== 0) return this.#typedPage(typed, words, at, frame, flags, claim);
    }
    const { slab } = layout;
    if (slab.offset === layout.flags && (flags & slab.mask) !== 0) return this.#slab(words, at, frame, flags, claim);
    const isTail =
      layout.head === undefined ? (flags & flag.tail) !== 0 : ((words[at + (layout.head >> 2)] ?? 0) & 1) !== 0;
    if (isTail) return this.#tail(words, at, frame, word >= 0, claim);
    if ((flags & flag.poisoned) !== 0) return CODE.poisoned;
    const isHead = (flags & flag.head) !== 0;
    if (isHead && layout.hugetlb !== undefined) {
      const { offset, mask, value } = layout.hugetlb;
      if (((words[at + (offset >> 2)] ?? 0) & mask) >>> 0 === value) return this.#hugetlb(words, at, frame);
    }
    const low = words[at + (layout.mapping >> 2)] ?? 0;
    const high = words[at + (layout.mapping >> 2) + 1] ?? 0;
    if (low !== 0 || high !== 0) return this.#mappedPage(words, at, frame, flags, word, low, high, claim);
    return this.#plain(words, at, frame, flags, word, claim);
  }

  /** A page whose type stands in its page structure. */
  #typedPage(code: number, words: Int32Array, at: number, frame: number, flags: number, claim: number): number {
    if (code === CODE.free) return this.#buddy(words, at, frame, claim);
    if (code === CODE.slab) return this.#slab(words, at, frame, flags, claim);
    if (code === CODE.hugetlb) return this.#hugetlb(words, at, frame);
    if (code === CODE.offline) {
      const owner = at + (this.#layout.private >> 2);
      return this.#checked(this.balloons.count(words[owner] ?? 0, words[owner + 1] ?? 0), claim);
    }
    // NR_PAGETABLE counts those that are marked, of the kernel too.
    if (code === CODE.table) this.tables++;
    const own = code === CODE.table && (claim === CODE['kernel-table'] || claim === CODE['upper-table']) ? claim : code;
    if ((flags & this.#flag.head) !== 0) this.#begin(words, at, frame, own, 0, flags);
    return this.#checked(own, claim);
  }

  #buddy(words: Int32Array, at: number, frame: number, claim: number): number {
    const order = words[at + (this.#layout.private >> 2)] ?? 0;
    if (order < 0 || order >= this.#orders || frame % 2 ** order !== 0) {
      this.unclassified.add(frame, 0, 0, 'bad order', 1);
      return CODE.unclassified;
    }
    const zone = this.freeBlocks[this.regions.zoneOf(frame)];
    if (zone !== undefined) zone[order] = (zone[order] ?? 0) + 1;
    this.#skipTo = frame + 2 ** order;
    this.#skipCode = CODE.free;
    return this.#checked(CODE.free, claim);
  }

  #slab(words: Int32Array, at: number, frame: number, flags: number, claim: number): number {
    const cache = at + (this.#layout.slabCache >> 2);
    const found = this.#slabs.number(words[cache] ?? 0, words[cache + 1] ?? 0);
    const number = found >= 0 ? found : -1 - found;
    if (found < 0) {
      for (const counts of [this.#slabPages, this.#slabCounts, this.#slabObjects, this.#slabUsed]) counts.push(0);
      this.#slabCodes.push(this.#reclaimable(this.#slabs.pointer(number)) ? CODE['slab-reclaimable'] : CODE.slab);
    }
    this.#slabPages[number] = (this.#slabPages[number] ?? 0) + 1;
    this.#slabCounts[number] = (this.#slabCounts[number] ?? 0) + 1;
    const { slabCounters } = this.#layout;
    if (slabCounters !== undefined) {
      const counters = words[at + (slabCounters >> 2)] ?? 0;
      this.#slabObjects[number] = (this.#slabObjects[number] ?? 0) + ((counters >>> 16) & 0x7fff);
      this.#slabUsed[number] = (this.#slabUsed[number] ?? 0) + (counters & 0xffff);
    }
    const code = this.#slabCodes[number] ?? CODE.slab;
    if ((flags & this.#flag.head) !== 0) this.#begin(words, at, frame, code, 0, flags).slab = number;
    return this.#checked(code, claim);
  }

  /** All of a page of hugetlb is one: the page structures of its tails may be those of other tails (HVO). */
  #hugetlb(words: Int32Array, at: number, frame: number): number {
    const head = this.#begin(words, at, frame, CODE.hugetlb, 0, 0);
    // Those in the pool have no references.
    const code = (words[at + (this.#layout.refcount >> 2)] ?? 0) === 0 ? CODE['hugetlb-free'] : CODE.hugetlb;
    this.#skipTo = head.end;
    this.#skipCode = code;
    return code;
  }

  /** Begins a compound page. One whose order cannot be is a page alone. */
  #begin(words: Int32Array, at: number, frame: number, code: number, tally: number, flags: number): PageHead {
    const { order, entireMapcount, size, head: tailWord } = this.#layout;
    const byte = order === undefined ? 0 : ((words[at + (order >> 2)] ?? 0) >>> ((order & 3) * 8)) & 0xff;
    // The first tail is one, also where those behind it share their page structures.
    const next = tailWord === undefined ? 1 : (words[at + ((size + tailWord) >> 2)] ?? 0);
    const valid = byte >= 1 && byte <= MAX_COMPOUND_ORDER && frame % 2 ** byte === 0 && (next & 1) !== 0;
    const head = this.#head;
    head.frame = frame;
    head.end = frame + (valid ? 2 ** byte : 1);
    head.code = code;
    head.tally = tally;
    head.mapping = -1;
    head.kind = -1;
    head.flags = flags;
    head.slab = -1;
    head.entire = valid && entireMapcount !== undefined && (words[at + (entireMapcount >> 2)] ?? -1) >= 0;
    return head;
  }

  #tail(words: Int32Array, at: number, frame: number, mapped: boolean, claim: number): number {
    const head = this.#head;
    const { head: word, headMayBeMask } = this.#layout;
    let belongs = frame < head.end;
    if (belongs && !headMayBeMask && word !== undefined) {
      const low = (words[at + (word >> 2)] ?? 0) >>> 0;
      belongs = this.#memmap.frameAt(low - 1, (words[at + (word >> 2) + 1] ?? 0) >>> 0) === head.frame;
    }
    if (!belongs) {
      if (claim !== 0) return claim;
      if (this.#isCutOff(frame, MAX_COMPOUND_ORDER)) return CODE.unread;
      this.unclassified.add(frame, 0, 0, 'tail without head', 1);
      return CODE.unclassified;
    }
    if (head.slab >= 0) this.#slabPages[head.slab] = (this.#slabPages[head.slab] ?? 0) + 1;
    if (head.tally !== 0)
      return this.#programPage(head.flags, head.tally, head.mapping, head.kind, mapped || head.entire, true);
    // An area may have asked for a large page and list each of its parts.
    if (claim !== 0 && (head.code === CODE.unclassified || head.code === claim)) return claim;
    return this.#checked(head.code, claim);
  }

  /** A page with a mapping: of programs or of the page cache. */
  #mappedPage(
    words: Int32Array,
    at: number,
    frame: number,
    flags: number,
    mapcount: number,
    low: number,
    high: number,
    claim: number,
  ): number {
    const isHead = (flags & this.#flag.head) !== 0;
    // PAGE_MAPPING_ANON 1, PAGE_MAPPING_MOVABLE 2 (4.8 to 6.16), both for KSM.
    const bits = low & 3;
    if (bits === 2) {
      const code = this.#movable(low, high);
      if (isHead) this.#begin(words, at, frame, code, 0, flags);
      return this.#checked(code, claim);
    }
    let tally = this.#lists(flags);
    let mapping = -1;
    let kind = -1;
    if (bits !== 0) {
      tally |= TALLY.anon;
      if (bits === 3) kind = KSM;
      if ((flags & this.#flag.swapCache) === this.#flag.swapCache) tally |= TALLY.swapCache;
    } else {
      mapping = this.mappings.number(low, high);
      kind = this.mappings.kind(mapping);
      if (kind === NONE || kind === HUGETLB) {
        this.unclassified.add(
          frame,
          this.#named(flags),
          words[at + (this.#layout.refcount >> 2)] ?? 0,
          'mapping not known',
          1,
        );
        if (isHead) this.#begin(words, at, frame, CODE.unclassified, 0, flags);
        return claim === 0 ? CODE.unclassified : claim;
      }
      // Where the address space is not in the dump: of all page cache, only that of shmem is swap-backed (since 2.6.28).
      if (kind === UNREAD && (flags & this.#flag.swapBacked) !== 0) kind = SHMEM;
      tally |= TALLY.file | (kind === SHMEM ? TALLY.shmem : 0);
    }
    let entire = false;
    if (isHead) {
      const head = this.#begin(words, at, frame, 0, tally, flags);
      head.mapping = mapping;
      head.kind = kind;
      entire = head.entire;
    }
    return this.#checked(this.#programPage(flags, tally, mapping, kind, mapcount >= 0 || entire, isHead), claim);
  }

  /** Pages of drivers that can be moved: whose they are tells the pointer in place of a mapping. */
  #movable(low: number, high: number): number {
    const found = this.#movers.number(low & ~3, high);
    const number = found >= 0 ? found : -1 - found;
    if (found < 0) this.#moverCodes.push(CODE[moverClass(this.#program, this.#movers.pointer(number))]);
    return this.#moverCodes[number] ?? CODE.movable;
  }

  /** Counts one page of a folio and gives its class. */
  #programPage(flags: number, tally: number, mapping: number, kind: number, mapped: boolean, large: boolean): number {
    const counts = this.tally.counts;
    const bits = tally | (mapped ? TALLY.mapped : 0);
    counts[bits] = (counts[bits] ?? 0) + 1;
    if ((tally & TALLY.anon) !== 0) {
      if (kind === KSM) return CODE.ksm;
      if (mapped) return large ? CODE['anon-large'] : CODE.anon;
      return (tally & TALLY.swapCache) === 0 ? CODE['anon-unmapped'] : CODE['swap-cache'];
    }
    const dirty = (flags & this.#flag.dirty) !== 0;
    this.mappings.count(mapping, mapped, dirty);
    if (kind === SHMEM) return mapped ? CODE['shmem-mapped'] : CODE.shmem;
    if (kind === BLOCK) return CODE.buffers;
    if ((flags & this.#flag.writeback) !== 0) return CODE.writeback;
    if (dirty) return CODE.dirty;
    return mapped ? CODE['cache-mapped'] : CODE.cache;
  }

  /** Tally bits that stand in the flags: the LRU list and so on. */
  #lists(flags: number): number {
    const flag = this.#flag;
    let tally = (flags & flag.dirty) === 0 ? 0 : TALLY.dirty;
    if ((flags & flag.writeback) !== 0) tally |= TALLY.writeback;
    if ((flags & flag.mlocked) !== 0) tally |= TALLY.mlocked;
    if ((flags & flag.lru) === 0) return tally;
    if ((flags & flag.unevictable) !== 0) return tally | TALLY.unevictable;
    return tally | (1 << (((flags & flag.active) === 0 ? 0 : 1) + ((flags & flag.swapBacked) === 0 ? 2 : 0)));
  }

  /** A page without type and mapping. */
  #plain(words: Int32Array, at: number, frame: number, flags: number, mapcount: number, claim: number): number {
    const flag = this.#flag;
    // The kernel counts pages of drivers and its own as mapped pages of files.
    if (mapcount >= 0) this.tally.counts[TALLY.mapped] = (this.tally.counts[TALLY.mapped] ?? 0) + 1;
    if ((flags & flag.reserved) !== 0) {
      if (!this.regions.isMemory(frame)) return CODE.hole;
      if (claim === CODE['kernel-table']) return CODE['boot-tables'];
      return claim === 0 ? this.regions.bootCode(frame) : claim;
    }
    if ((flags & flag.swapCache) === flag.swapCache || (flags & flag.lru) !== 0) {
      const cached = (flags & flag.swapCache) === flag.swapCache;
      const tally = this.#lists(flags) | (cached ? TALLY.swapCache : 0);
      this.tally.counts[tally] = (this.tally.counts[tally] ?? 0) + 1;
      if ((flags & flag.head) !== 0) this.#begin(words, at, frame, cached ? CODE['swap-cache'] : CODE.orphan, 0, flags);
      return this.#checked(cached ? CODE['swap-cache'] : CODE.orphan, claim);
    }
    const code = this.#kernelPage(words, at, frame, mapcount, claim);
    const isHead = (flags & flag.head) !== 0;
    const size = isHead ? this.#begin(words, at, frame, code, 0, flags) : undefined;
    if (code !== CODE.unclassified) return code;
    const references = words[at + (this.#layout.refcount >> 2)] ?? 0;
    if (references === 0 && size === undefined) {
      if (this.unclassified.extend(frame)) return code;
      if (!this.#freeComplete || this.#isCutOff(frame, this.#orders - 1)) return CODE.unread;
    }
    const oddity = mapcount < -1 ? 'type not known' : references === 0 ? 'no references' : 'plain';
    this.unclassified.add(
      frame,
      this.#named(flags),
      references,
      oddity,
      size === undefined ? 1 : size.end - size.frame,
    );
    return code;
  }

  /** Whether the page structure that would tell what a frame is part of is not in the dump. */
  #isCutOff(frame: number, orders: number): boolean {
    return this.missing > 0 && this.frames.someHead(frame, orders, CODE.unread);
  }

  #kernelPage(words: Int32Array, at: number, frame: number, mapcount: number, claim: number): number {
    if (claim !== 0) return claim;
    const { pool } = this.#layout;
    if (pool !== undefined) {
      const low = words[at + (pool >> 2)] ?? 0;
      const high = words[at + (pool >> 2) + 1] ?? 0;
      if ((low & POOL_LOW_MASK) === POOL_LOW && (high & POOL_HIGH_MASK) === POOL_HIGH) return CODE['page-pool'];
    }
    if (mapcount >= 0) return CODE['driver-mapped'];
    if (this.regions.isContiguous(frame)) return CODE.cma;
    return this.regions.isMemory(frame) ? CODE.unclassified : CODE.hole;
  }

  /** Flags without node, zone and section, which stand above the last of `enum pageflags`. */
  #named(flags: number): number {
    return flags & this.#flag.named;
  }

  /** Notes where a page structure says something else than what claimed the frame. */
  #checked(code: number, claim: number): number {
    // vmap() maps pages of others as a rule.
    if (claim !== 0 && claim !== code && claim !== CODE.vmap) {
      const key = `${PAGE_CLASSES[claim]?.id}: ${PAGE_CLASSES[code]?.id}`;
      this.contradictions.set(key, (this.contradictions.get(key) ?? 0) + 1);
    }
    return code;
  }
}
