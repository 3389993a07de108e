/**
 * Memory as /proc/meminfo shows it (fs/proc/meminfo.c, si_mem_available() of mm/show_mem.c), in bytes and by the same
 * names. Counters include what the CPUs have not added yet, so they may differ from /proc/meminfo by a few pages. Each
 * value says where it came from; one that this kernel does not count is not known, and never 0.
 * Until 4.4 AnonPages is without transparent huge pages here.
 */
import { add, NULL } from '../base/address.ts';
import { attempt, ValidationError } from '../base/errors.ts';
import { type Bytes, bytes } from '../base/units.ts';
import type { Program } from '../program/program.ts';
import { firstKnown, type Known, known, unknown } from './known.ts';
import { listEntries } from './list.ts';
import { percpuCounter } from './mm.ts';
import { threadSize } from './stack.ts';
import { vmCounters, type VmCounters } from './vmstat.ts';
import { type Zone, zones } from './zone.ts';

/** All in bytes. */
export interface Meminfo {
  /** What the buddy allocator was given: without firmware's memory and the kernel image. */
  readonly memTotal: Known<Bytes>;
  readonly memFree: Known<Bytes>;
  /** The kernel's estimate of what can be had without swapping. */
  readonly memAvailable: Known<Bytes>;
  /** Page cache of block devices. */
  readonly buffers: Known<Bytes>;
  /** Page cache of files, shmem included, block devices not. */
  readonly cached: Known<Bytes>;
  readonly swapCached: Known<Bytes>;
  readonly activeAnon: Known<Bytes>;
  readonly inactiveAnon: Known<Bytes>;
  readonly activeFile: Known<Bytes>;
  readonly inactiveFile: Known<Bytes>;
  readonly unevictable: Known<Bytes>;
  readonly mlocked: Known<Bytes>;
  readonly dirty: Known<Bytes>;
  readonly writeback: Known<Bytes>;
  readonly anonPages: Known<Bytes>;
  /** File pages that are mapped by processes. */
  readonly mapped: Known<Bytes>;
  /** tmpfs, shared memory, shared anonymous mappings. */
  readonly shmem: Known<Bytes>;
  readonly slab: Known<Bytes>;
  readonly sReclaimable: Known<Bytes>;
  readonly sUnreclaim: Known<Bytes>;
  readonly kernelStack: Known<Bytes>;
  readonly pageTables: Known<Bytes>;
  /** Page tables of virtual machines (6.1). */
  readonly secPageTables: Known<Bytes>;
  readonly vmallocUsed: Known<Bytes>;
  readonly percpu: Known<Bytes>;
  /** Pages of all hugetlb pools, free ones included. */
  readonly hugetlb: Known<Bytes>;
  readonly swapTotal: Known<Bytes>;
  readonly swapFree: Known<Bytes>;
  readonly commitLimit: Known<Bytes>;
  readonly committedAs: Known<Bytes>;
  /** vm.min_free_kbytes. */
  readonly minFree: Known<Bytes>;
  /** What allocations of user memory may not take: `totalreserve_pages`. */
  readonly totalReserve: Known<Bytes>;
}

const MAX_HSTATES = 64;
const MAX_BLOCK_DEVICES = 1 << 18;
const MAX_SWAP_FILES = 64;
/** Times of all memory and swap: one call gets no more than all of it, and what many got is mostly in use. */
const MAX_COMMITTED = 1024;
const MAX_SWAP_SPACES = 1 << 20;

/**
 * Reads the `atomic_long_t` counters and the variables behind /proc/meminfo.
 * @throws nothing for what the dump holds: each value says why it is not known
 */
export function meminfo(program: Program): Meminfo {
  const read = new Reader(program);
  const memTotal = read.total();
  const memFree = read.counter('NR_FREE_PAGES');
  // NR_SLAB_* became NR_SLAB_*_B in 5.9 (commit d42f3245c7e2); pages both.
  const sReclaimable = read.counter('NR_SLAB_RECLAIMABLE_B', 'NR_SLAB_RECLAIMABLE');
  const sUnreclaim = read.counter('NR_SLAB_UNRECLAIMABLE_B', 'NR_SLAB_UNRECLAIMABLE');
  const activeFile = read.counter('NR_ACTIVE_FILE');
  const inactiveFile = read.counter('NR_INACTIVE_FILE');
  const swapCached = read.swapCached();
  const swapTotal = read.pagesOf('total_swap_pages', Number.MAX_SAFE_INTEGER);
  const buffers = read.buffers();
  const hugetlb = read.hugetlb();
  return {
    memTotal,
    memFree,
    memAvailable: read.available(memFree, activeFile, inactiveFile, sReclaimable),
    buffers,
    cached: derive('NR_FILE_PAGES - swap cache - buffers', [read.counter('NR_FILE_PAGES'), swapCached, buffers], (n) =>
      Math.max(0, at(n, 0) - at(n, 1) - at(n, 2)),
    ),
    swapCached,
    activeAnon: read.counter('NR_ACTIVE_ANON'),
    inactiveAnon: read.counter('NR_INACTIVE_ANON'),
    activeFile,
    inactiveFile,
    unevictable: read.counter('NR_UNEVICTABLE'),
    mlocked: read.counter('NR_MLOCK'),
    dirty: read.counter('NR_FILE_DIRTY'),
    writeback: read.counter('NR_WRITEBACK'),
    // Renamed in 4.8.
    anonPages: read.counter('NR_ANON_MAPPED', 'NR_ANON_PAGES'),
    mapped: read.counter('NR_FILE_MAPPED'),
    shmem: read.counter('NR_SHMEM'),
    slab: derive('NR_SLAB_RECLAIMABLE + NR_SLAB_UNRECLAIMABLE', [sReclaimable, sUnreclaim], (n) => at(n, 0) + at(n, 1)),
    sReclaimable,
    sUnreclaim,
    kernelStack: read.kernelStack(),
    pageTables: read.counter('NR_PAGETABLE'),
    secPageTables: read.counter('NR_SECONDARY_PAGETABLE'),
    // nr_vmalloc_pages since 5.3 (commit 97105f0ab7b8); a counter since 7.1.
    vmallocUsed: firstKnown(read.counter('NR_VMALLOC'), () => read.pagesOf('nr_vmalloc_pages')),
    percpu: read.percpu(),
    hugetlb,
    swapTotal,
    swapFree: read.pagesOf('nr_swap_pages', Number.MAX_SAFE_INTEGER),
    commitLimit: read.commitLimit(memTotal, hugetlb, swapTotal),
    committedAs: read.committed(memTotal, swapTotal),
    minFree: read.minFree(),
    totalReserve: read.pagesOf('totalreserve_pages'),
  };
}

function at(values: readonly number[], i: number): number {
  return values[i] ?? 0;
}

/** A value of others; not known when one of them is not. */
function derive(
  source: string,
  parts: readonly Known<number>[],
  of: (values: readonly number[]) => number,
): Known<Bytes> {
  const values: number[] = [];
  for (const part of parts) {
    if (part.value === undefined) return unknown(source, `${part.source}: ${part.problem}`);
    values.push(part.value);
  }
  return known(source, () => bytes(of(values)));
}

class Reader {
  readonly #program: Program;
  readonly #counters: Known<VmCounters>;
  readonly #zones: Known<readonly Zone[]>;

  constructor(program: Program) {
    this.#program = program;
    this.#counters = known('vm_zone_stat', () => vmCounters(program));
    this.#zones = known('node_zones', () => zones(program));
  }

  /** `int` or `unsigned int`. */
  int(name: string): number {
    return this.#program.memory.readS32(this.#program.symbol(name).address);
  }

  /** `long`, `unsigned long` or `atomic_long_t`. */
  #long(name: string): number {
    return Number(this.#program.memory.readS64(this.#program.symbol(name).address));
  }

  /** A variable that counts pages. @param limit - bytes that it cannot exceed */
  pagesOf(name: string, limit = this.#memory): Known<Bytes> {
    return known(name, () => this.#plausible(name, this.#long(name) * this.#program.pageSize, limit));
  }

  /** Bytes up to the highest page frame: no kind of page can make up more. */
  get #memory(): number {
    return this.#program.dump.maxPfn * this.#program.pageSize;
  }

  #plausible(name: string, size: number, limit = this.#memory): Bytes {
    const { address } = this.#program.symbols.lookup(name) ?? { address: NULL };
    if (!Number.isSafeInteger(size) || size > limit) throw new ValidationError(name, address, `says ${size} bytes`);
    return bytes(size);
  }

  /** A counter of pages, under the first of its names that this kernel has. */
  counter(...names: readonly [string, ...string[]]): Known<Bytes> {
    const counters = this.#counters.value;
    if (counters === undefined) return unknown(names[0], this.#counters.problem ?? '');
    const found = names.map((name) => counters.get(name)).find((each) => each !== undefined);
    if (found === undefined) return unknown(names[0], 'this kernel has no such counter');
    return known(found.source, () => this.#plausible(names[0], Math.max(0, found.value) * this.#program.pageSize));
  }

  total(): Known<Bytes> {
    // atomic_long_t since 5.0 (commit ca79b0c211af), and with an underscore.
    const total = firstKnown(this.pagesOf('_totalram_pages'), () => this.pagesOf('totalram_pages'));
    // adjust_managed_page_count() keeps both; what was freed after booting was not in one of them until 3.10.
    const managed = (this.#zones.value ?? []).reduce((sum, zone) => sum + zone.managed, 0) * this.#program.pageSize;
    if (total.value === undefined || managed === 0 || Math.abs(total.value - managed) <= managed / 16) return total;
    return unknown(total.source, `it says ${total.value} bytes, and the zones were given ${managed}`);
  }

  minFree(): Known<Bytes> {
    return known('min_free_kbytes', () => {
      const size = this.#plausible('min_free_kbytes', this.int('min_free_kbytes') * 1024);
      const kept = (this.#zones.value ?? []).some(({ watermark }) => watermark.min > 0);
      if (size < 0 || (size === 0 && kept))
        throw new ValidationError('min_free_kbytes', this.#program.symbol('min_free_kbytes').address, `is ${size}`);
      return size;
    });
  }

  kernelStack(): Known<Bytes> {
    // KiB since 4.8; threads before.
    const inKiB = this.counter('NR_KERNEL_STACK_KB');
    const { pageSize } = this.#program;
    return firstKnown(
      derive(inKiB.source, [inKiB], (n) => (at(n, 0) / pageSize) * 1024),
      () =>
        derive('NR_KERNEL_STACK * THREAD_SIZE', [this.counter('NR_KERNEL_STACK')], (n) => {
          return (at(n, 0) / pageSize) * threadSize(this.#program);
        }),
    );
  }

  /** si_mem_available(): half of what can be reclaimed, or all but a low watermark of it, counts. */
  available(
    free: Known<Bytes>,
    activeFile: Known<Bytes>,
    inactiveFile: Known<Bytes>,
    slab: Known<Bytes>,
  ): Known<Bytes> {
    const { pageSize } = this.#program;
    const low = this.#lowWatermarks();
    // Its own function since 4.6 (commit d02bd27bd33d), which then took totalreserve_pages (commit 84ad5802a33a) and not
    // the low watermarks from what is free.
    const takesReserve = known('si_mem_available', () => this.#program.hasSymbol('si_mem_available'));
    if (takesReserve.value === undefined) return unknown('si_mem_available()', takesReserve.problem ?? '');
    const reserve = takesReserve.value ? this.pagesOf('totalreserve_pages') : low;
    // Since 4.20 (commit b29940c1abd7); counters that this kernel does not have count nothing.
    const misc = this.counter('NR_KERNEL_MISC_RECLAIMABLE').value ?? 0;
    return derive('si_mem_available()', [free, reserve, low, activeFile, inactiveFile, slab], (n) => {
      const floor = (part: number): number => part - Math.min(Math.floor(part / pageSize / 2) * pageSize, at(n, 2));
      return Math.max(0, at(n, 0) - at(n, 1) + floor(at(n, 3) + at(n, 4)) + floor(at(n, 5) + misc));
    });
  }

  #lowWatermarks(): Known<Bytes> {
    const zoneList = this.#zones.value;
    if (zoneList === undefined) return unknown('low watermarks', this.#zones.problem ?? '');
    const pages = zoneList.reduce((sum, { watermark }) => sum + watermark.low + watermark.boost, 0);
    return known('low watermarks', () => bytes(pages * this.#program.pageSize));
  }

  /** Page cache of the block devices' own inodes, nr_blockdev_pages(). */
  buffers(): Known<Bytes> {
    const program = this.#program;
    return known('blockdev_superblock->s_inodes', () => {
      const superBlock = program.memory.readPointer(program.symbol('blockdev_superblock').address);
      const head = program.field('struct super_block', 's_inodes').address(superBlock);
      const mapping = program.field('struct inode', 'i_mapping');
      const nrpages = program.field('struct address_space', 'nrpages');
      let sum = 0;
      for (const inode of listEntries(program, head, 'struct inode', 'i_sb_list', MAX_BLOCK_DEVICES)) {
        sum += nrpages.number(mapping.pointer(inode));
      }
      return bytes(sum * program.pageSize);
    });
  }

  swapCached(): Known<Bytes> {
    // A counter since 5.12 (commit b6038942480e); before, the sizes of the swap cache's own address spaces.
    return firstKnown(this.counter('NR_SWAPCACHE'), () => known('swapper_spaces', () => this.#swapSpaces()));
  }

  #swapSpaces(): Bytes {
    const program = this.#program;
    const table = program.symbol('swapper_spaces').address;
    const files = this.int('nr_swapfiles');
    if (files < 0 || files > MAX_SWAP_FILES) throw new ValidationError('nr_swapfiles', table, `is ${files}`);
    const nrpages = program.field('struct address_space', 'nrpages');
    const size = program.sizeOf('struct address_space');
    // One for each 64 MiB of a swap file since 4.11 (commit 4b3ef9daa4fc); one for each file since 3.9 (commit
    // 33806f06da65), never seen on a real dump here.
    const counts = program.trySymbol('nr_swapper_spaces')?.address;
    if (counts === undefined)
      program.layouts.chose('swap cache', 'one address_space for each swap file (until 4.10)', []);
    let sum = 0;
    for (let file = 0; file < files; file++) {
      const spaces = counts === undefined ? add(table, size * file) : program.memory.readPointer(add(table, 8 * file));
      const count = counts === undefined ? 1 : program.memory.readU32(add(counts, 4 * file));
      if (count > MAX_SWAP_SPACES) throw new ValidationError('nr_swapper_spaces', table, `has ${count}`);
      for (let i = 0; spaces !== 0n && i < count; i++) sum += nrpages.number(add(spaces, i * size));
    }
    return bytes(sum * program.pageSize);
  }

  percpu(): Known<Bytes> {
    // pcpu_nr_populated since 4.20 (commit 7e8a6304d541), here counted per unit.
    return known('pcpu_nr_populated * pcpu_nr_units', () => {
      const size = this.#long32('pcpu_nr_populated') * this.int('pcpu_nr_units') * this.#program.pageSize;
      return this.#plausible('pcpu_nr_populated', size);
    });
  }

  /** `unsigned long` or `int`: below 2^31 the lower half tells both. */
  #long32(name: string): number {
    return this.#program.memory.readU32(this.#program.symbol(name).address);
  }

  hugetlb(): Known<Bytes> {
    const program = this.#program;
    return known('hstates', () => {
      const table = program.symbols.lookup('hstates');
      // Without CONFIG_HUGETLB_PAGE there are none.
      if (table === undefined) return bytes(0);
      const count = this.int('hugetlb_max_hstate');
      if (count < 0 || count > MAX_HSTATES) throw new ValidationError('hstates', table.address, `has ${count} entries`);
      const size = program.sizeOf('struct hstate');
      const order = program.field('struct hstate', 'order');
      const number = program.field('struct hstate', 'nr_huge_pages');
      let sum = 0;
      for (let i = 0; i < count; i++) {
        const hstate = add(table.address, i * size);
        sum += number.number(hstate) * 2 ** order.number(hstate) * program.pageSize;
      }
      if (!Number.isSafeInteger(sum)) throw new ValidationError('hstates', table.address, `sum up to ${sum} bytes`);
      return bytes(sum);
    });
  }

  /** vm_commit_limit(). */
  commitLimit(total: Known<Bytes>, hugetlb: Known<Bytes>, swap: Known<Bytes>): Known<Bytes> {
    const { pageSize } = this.#program;
    // Since 3.14 (commit 49f0ce5f9232).
    const fixed = attempt(() => this.#long('sysctl_overcommit_kbytes')) ?? 0;
    if (fixed > 0) {
      return derive('sysctl_overcommit_kbytes + swap', [swap], (n) => {
        return Math.floor((fixed * 1024) / pageSize) * pageSize + at(n, 0);
      });
    }
    const ratio = known('sysctl_overcommit_ratio', () => this.int('sysctl_overcommit_ratio'));
    return derive('sysctl_overcommit_ratio of MemTotal + swap', [total, hugetlb, swap, ratio], (n) => {
      return Math.floor(((at(n, 0) - at(n, 1)) / pageSize / 100) * at(n, 3)) * pageSize + at(n, 2);
    });
  }

  committed(memTotal: Known<Bytes>, swapTotal: Known<Bytes>): Known<Bytes> {
    const program = this.#program;
    return known('vm_committed_as', () => {
      const counter = program.symbol('vm_committed_as').address;
      const size = Number(percpuCounter(program, counter)) * program.pageSize;
      // Parts of CPUs that are not counted here may make it a little less than nothing.
      const most = MAX_COMMITTED * ((memTotal.value ?? Number.MAX_SAFE_INTEGER) + (swapTotal.value ?? 0));
      if (size > most || size < -most) throw new ValidationError('vm_committed_as', counter, `is ${size} bytes`);
      return bytes(Math.max(0, size));
    });
  }
}
