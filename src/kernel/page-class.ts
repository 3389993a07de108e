/**
 * What a page frame is used for: the classes of the page ledger, each frame in exactly one, and the groups they stand in.
 * A class is a small number in the hot loops; its row here gives name and words. Who decides is page-scan.ts.
 */

export type PageGroup =
  | 'unknown'
  | 'not memory'
  | 'set aside at boot'
  | 'free'
  | 'programs'
  | 'shared memory'
  | 'page cache'
  | 'huge pages'
  | 'kernel'
  | 'given away'
  | 'unclassified';

export interface PageClass {
  readonly id: string;
  readonly group: PageGroup;
  /** For people, after the group's name. */
  readonly label: string;
}

function inGroup<const Ids extends { readonly [id: string]: string }>(
  group: PageGroup,
  labels: Ids,
): readonly { readonly id: keyof Ids & string; readonly group: PageGroup; readonly label: string }[] {
  return Object.entries(labels).map(([id, label]) => ({ id: id as keyof Ids & string, group, label }));
}

/** By code. The first is that of a frame nobody has looked at. */
export const PAGE_CLASSES = [
  ...inGroup('unknown', {
    unseen: 'not looked at',
    unread: "page structure not in the dump, its own or its block's",
  }),
  ...inGroup('not memory', {
    hole: 'no memory there, or kept by the firmware',
    device: 'memory of devices, or not in use',
  }),
  ...inGroup('set aside at boot', {
    image: 'kernel image',
    memmap: 'page structures',
    crashkernel: 'for the crash kernel',
    'boot-percpu': 'per-CPU data, the first part',
    'boot-tables': 'page tables of the kernel, made at boot',
    boot: 'other',
  }),
  ...inGroup('free', {
    free: 'in the buddy allocator',
    'free-cpu': 'on lists of CPUs',
  }),
  ...inGroup('programs', {
    anon: 'anonymous memory',
    'anon-large': 'anonymous memory in large folios',
    ksm: 'anonymous memory merged by KSM',
    'anon-unmapped': 'anonymous memory that no page table maps',
    'swap-cache': 'in the swap cache, not mapped',
  }),
  ...inGroup('shared memory', {
    'shmem-mapped': 'tmpfs and shared memory, mapped',
    shmem: 'tmpfs and shared memory, not mapped',
  }),
  ...inGroup('page cache', {
    writeback: 'of files, being written',
    dirty: 'of files, dirty',
    'cache-mapped': 'of files, mapped',
    cache: 'of files, not mapped',
    buffers: 'of block devices (buffers)',
    orphan: 'cut off from its file, not freed yet',
  }),
  ...inGroup('huge pages', {
    hugetlb: 'of a hugetlb pool, in use',
    'hugetlb-free': 'of a hugetlb pool, free',
  }),
  ...inGroup('kernel', {
    'slab-reclaimable': 'slab, reclaimable',
    slab: 'slab, not reclaimable',
    'large-kmalloc': 'kmalloc of several pages',
    stack: 'kernel stacks of tasks',
    'stack-idle': 'kernel stacks of no task',
    table: 'page tables of programs',
    'upper-table': 'page tables of programs, upper levels',
    'kernel-table': 'page tables of the kernel',
    percpu: 'per-CPU data',
    vmalloc: 'vmalloc',
    module: 'modules',
    vmap: 'mapped by vmap()',
    trace: 'tracing: buffers and records of functions',
    'huge-zero': 'the huge page of zeroes',
    'page-pool': 'network: page pools',
    'driver-mapped': 'of drivers, mapped by programs',
    zsmalloc: 'zsmalloc (zram, zswap)',
    movable: 'movable pages of a driver',
    guard: 'guard pages',
    cma: 'CMA, allocated',
    poisoned: 'broken memory (hwpoison)',
  }),
  ...inGroup('given away', {
    balloon: 'in a balloon: the host has it',
    offline: 'taken offline, or in a balloon that does not tell',
    unaccepted: 'not accepted from the host yet',
  }),
  ...inGroup('unclassified', {
    unclassified: 'fits no class',
  }),
] as const;

export type PageClassId = (typeof PAGE_CLASSES)[number]['id'];

const codes = new Map<string, number>(PAGE_CLASSES.map(({ id }, code) => [id, code]));

/** The number of a class of `struct page`: its position in PAGE_CLASSES. */
export function codeOf(id: PageClassId): number {
  return codes.get(id) ?? 0;
}

/** The class of `struct page` for a number; that of a frame nobody has looked at for any other. */
export function classOf(code: number): PageClass & { readonly id: PageClassId } {
  return PAGE_CLASSES[code] ?? PAGE_CLASSES[0];
}
