/**
 * Counters of a user address space, `struct mm_struct` (include/linux/mm_types.h): resident pages, page tables, the
 * program it runs. Resident pages are kept in several ways since 2.6.32; each is recognised by its members.
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt, LookupError, ValidationError } from '../base/errors.ts';
import { bytes, type Bytes, pages, type Pages } from '../base/units.ts';
import type { Field } from '../program/field.ts';
import type { Program } from '../program/program.ts';
import { strip } from '../program/types.ts';
import { cpus } from './cpus.ts';
import { type PathText, pathAt } from './path.ts';

/** Counters of `struct mm_struct`, by their enumerators. */
const COUNTERS = {
  file: 'MM_FILEPAGES',
  anon: 'MM_ANONPAGES',
  shmem: 'MM_SHMEMPAGES',
  swap: 'MM_SWAPENTS',
} as const;
type Counter = keyof typeof COUNTERS;
/** More pages than an address space of 57 bits has. */
const MOST_PAGES = 1n << 45n;

export interface Rss {
  /** Pages of mapped files. */
  readonly file: Pages;
  readonly anon: Pages;
  /** Shared memory and tmpfs; undefined before 4.5, where these pages count as file pages. */
  readonly shmem: Pages | undefined;
  /** file + anon + shmem. */
  readonly total: Pages;
  /** Pages in swap, not resident. */
  readonly swap: Pages;
}

/**
 * Resident pages of an address space, with what CPUs and threads have not added to the common counters yet.
 * @param mm - `struct mm_struct *`
 * @param tasks - `struct task_struct *` of all tasks that use it; up to 6.1 each keeps up to 64 pages to itself
 * @throws FaultError, LookupError when no known form of the counters is there, ValidationError when one is absurd
 */
export function rssOf(program: Program, mm: VirtAddr, tasks: readonly VirtAddr[]): Rss {
  return rssReader(program)(mm, tasks);
}

/**
 * As `rssOf`, for many address spaces: which form the counters have is asked once.
 * @returns reads those of a `struct mm_struct *`, and throws as `rssOf`
 * @throws nothing itself
 */
export function rssReader(program: Program): (mm: VirtAddr, tasks: readonly VirtAddr[]) => Rss {
  let read: CounterReader | undefined;
  return (mm, tasks) => readRss(mm, (counter) => (read ??= counterReader(program))(counter, mm, tasks));
}

function readRss(mm: VirtAddr, read: (counter: Counter) => bigint | undefined): Rss {
  // As the kernel does: a counter may be below zero for a moment.
  const positive = (value: bigint | undefined): Pages | undefined => {
    if (value !== undefined && (value > MOST_PAGES || value < -MOST_PAGES))
      throw new ValidationError('struct mm_struct', mm, `counts ${value} resident pages`);
    return value === undefined ? undefined : pages(value > 0n ? Number(value) : 0);
  };
  const file = positive(read('file'));
  const anon = positive(read('anon'));
  if (file === undefined || anon === undefined) throw new LookupError('enumerator', 'MM_FILEPAGES');
  const shmem = positive(read('shmem'));
  return { file, anon, shmem, total: pages(file + anon + (shmem ?? 0)), swap: positive(read('swap')) ?? pages(0) };
}

type CounterReader = (counter: Counter, mm: VirtAddr, tasks: readonly VirtAddr[]) => bigint | undefined;

function counterReader(program: Program): CounterReader {
  const index = (counter: Counter): number | undefined => {
    const value = program.enumerator(COUNTERS[counter]);
    return value === undefined ? undefined : Number(value);
  };
  const stat = program.tryField('struct mm_struct', 'rss_stat');
  if (stat !== undefined && strip(stat.type).kind === 'array') {
    // Since 6.2 (commit f1a7941243c1) an array of struct percpu_counter.
    program.layouts.chose('rss_stat', 'percpu_counter (since 6.2)', ['6.12', '7.2']);
    const places = onceEach((counter) => {
      const i = index(counter);
      return i === undefined ? undefined : program.field('struct mm_struct', `rss_stat[${i}]`);
    });
    return (counter, mm) => {
      const place = places(counter);
      return place === undefined ? undefined : percpuCounter(program, place.address(mm));
    };
  }
  if (stat !== undefined) {
    program.layouts.chose('rss_stat', 'atomic counters and deltas of tasks (until 6.1)', ['5.10', '6.1', '6.1-rt']);
    // 2.6.34-6.1: struct mm_rss_stat, and a cache of each task (SPLIT_RSS_COUNTING, commit 34e55232e59f).
    const places = onceEach((counter) => {
      const i = index(counter);
      // el7 counts shared memory beside the array, where its enumerator does not belong to it.
      const apart = counter === 'shmem' ? program.tryField('struct mm_struct', 'mm_shmempages.counter') : undefined;
      if (apart !== undefined) return { common: apart, own: undefined };
      const common = i === undefined ? undefined : program.tryField('struct mm_struct', `rss_stat.count[${i}].counter`);
      if (common === undefined) return undefined;
      return { common, own: program.tryField('struct task_struct', `rss_stat.count[${i}]`) };
    });
    return (counter, mm, tasks) => {
      const place = places(counter);
      if (place === undefined) return undefined;
      const { common, own } = place;
      let value = common.value(mm);
      if (own !== undefined) for (const task of tasks) value += own.value(task);
      return value;
    };
  }
  if (atomic(program, 'struct mm_struct', '_file_rss') !== undefined)
    program.layouts.chose('rss_stat', 'a member for each (until 2.6.33)', []);
  // 2.6.32: one counter each, shared memory among the file pages.
  return (counter, mm) => {
    const member = { file: '_file_rss', anon: '_anon_rss', swap: '_swap_usage', shmem: undefined }[counter];
    if (member === undefined) return undefined;
    return atomic(program, 'struct mm_struct', member)?.value(mm);
  };
}

/** Remembers what `find` gave for each counter; what it throws is thrown again each time. */
function onceEach<T>(find: (counter: Counter) => T): (counter: Counter) => T {
  const known = new Map<Counter, T>();
  return (counter) => {
    const before = known.get(counter);
    if (before !== undefined || known.has(counter)) return before as T;
    const found = find(counter);
    known.set(counter, found);
    return found;
  };
}

/**
 * What the kernel itself sees when it asks an address space for its size in a hurry (get_mm_counter()): the common
 * counters alone, without what CPUs or threads have not added yet. The OOM killer judges by these.
 * @returns reads them of a `struct mm_struct *`
 * @throws FaultError, LookupError; what it gives, the same
 */
export function hastyRssReader(program: Program): (mm: VirtAddr) => { readonly rss: Pages; readonly swap: Pages } {
  const stat = program.tryField('struct mm_struct', 'rss_stat');
  if (stat === undefined || strip(stat.type).kind !== 'array') {
    const rssOf = rssReader(program);
    return (mm) => {
      const { total, swap } = rssOf(mm, []);
      return { rss: total, swap };
    };
  }
  const places = onceEach((counter) => {
    const i = program.enumerator(COUNTERS[counter]);
    if (i === undefined) throw new LookupError('enumerator', COUNTERS[counter]);
    return program.field('struct mm_struct', `rss_stat[${i}].count`);
  });
  const read = (counter: Counter, mm: VirtAddr): number => Math.max(0, places(counter).number(mm));
  return (mm) => ({
    rss: pages(read('file', mm) + read('anon', mm) + read('shmem', mm)),
    swap: pages(read('swap', mm)),
  });
}

/**
 * The exact value of a `struct percpu_counter`: its common count and what each online CPU has not added yet.
 * @param counter - `struct percpu_counter *`
 * @throws FaultError, LookupError, ValidationError
 */
export function percpuCounter(program: Program, counter: VirtAddr): bigint {
  let sum = program.field('struct percpu_counter', 'count').value(counter);
  // Without CONFIG_SMP there is the count alone.
  const counters = program.tryField('struct percpu_counter', 'counters')?.pointer(counter) ?? 0n;
  if (counters === 0n) return sum;
  for (const cpu of cpus(program, 'online')) {
    sum += BigInt(program.memory.readS32(program.perCpuAddress(counters as VirtAddr, cpu)));
  }
  return sum;
}

/** A member that is an atomic_long_t, or an unsigned long in older or smaller kernels. */
function atomic(program: Program, type: string, member: string): Field | undefined {
  return program.tryField(type, `${member}.counter`) ?? program.tryField(type, member);
}

export interface MmInfo {
  /** `struct mm_struct *`. */
  readonly mm: VirtAddr;
  /** Pages of address space. */
  readonly totalVm: Pages;
  /** Memory that its page tables take. */
  readonly pageTables: Bytes;
  /** Number of mappings. */
  readonly mapCount: number;
  /** Tasks and others that use the address space. */
  readonly users: number;
  /** `pgd_t *`. */
  readonly pgd: VirtAddr;
  /** The program, `exe_file`; undefined when there is none or it cannot be followed. */
  readonly exe: PathText | undefined;
}

/**
 * What an address space says of itself, beside its resident pages.
 * @param mm - `struct mm_struct *`
 * @throws FaultError, LookupError
 */
export function readMm(program: Program, mm: VirtAddr): MmInfo {
  const field = (path: string) => program.field('struct mm_struct', path);
  return {
    mm,
    totalVm: pages(field('total_vm').number(mm)),
    pageTables: pageTableBytes(program, mm),
    mapCount: field('map_count').number(mm),
    users: field('mm_users.counter').number(mm),
    pgd: field('pgd').pointer(mm),
    exe: attempt(() => exePath(program, mm)),
  };
}

/**
 * Bytes in page tables.
 * @param mm - `struct mm_struct *`
 * @throws FaultError, LookupError
 */
export function pageTableBytes(program: Program, mm: VirtAddr): Bytes {
  // pgtables_bytes since 4.15 (commit af5b0f6a09e4); before nr_ptes, and since 4.1 nr_pmds, in pages.
  const total = program.tryField('struct mm_struct', 'pgtables_bytes.counter');
  if (total !== undefined) return bytes(Math.max(0, total.number(mm)));
  const ptes = atomic(program, 'struct mm_struct', 'nr_ptes');
  if (ptes === undefined) throw new LookupError('member', 'struct mm_struct.pgtables_bytes');
  const pmds = atomic(program, 'struct mm_struct', 'nr_pmds');
  const count = ptes.number(mm) + (pmds === undefined ? 0 : pmds.number(mm));
  return bytes(Math.max(0, count) * program.pageSize);
}

function exePath(program: Program, mm: VirtAddr): PathText | undefined {
  const file = program.field('struct mm_struct', 'exe_file').pointer(mm);
  return isKernel(file) ? pathAt(program, program.field('struct file', 'f_path').address(file)) : undefined;
}
