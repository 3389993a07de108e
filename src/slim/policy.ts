/**
 * Which pages a slim file keeps: the same as docs/slim.md says in words. Whoever changes what is kept raises
 * POLICY_VERSION, which is written into every slim file.
 */

export const POLICY_VERSION = 1;

const MIB = 2 ** 20;

/** Why a page is kept; a page that several want counts for the first of them. */
export const PAGE_CLASSES = {
  image: 'kernel image without its code',
  'per-cpu': 'per-CPU areas',
  log: 'kernel log',
  stacks: 'kernel stacks of tasks',
  modules: 'data of modules',
  boot: 'VMCOREINFO, NUMA nodes, memory sections',
  'page-tables': 'page tables of the kernel',
  slabs: 'slab caches kept whole',
  code: 'code of functions on stacks, and what crash needs to start',
  reached: 'files, directories, mounts and address spaces of tasks',
  report: 'what the report read besides',
  memmap: 'page structures of kept pages',
  zeros: 'pages of the above that the dump left out because they are all zero',
} as const;

export type PageClass = keyof typeof PAGE_CLASSES;

/**
 * Pointers to the slab caches that are kept whole whatever their size, `struct kmem_cache *`: what there is one of for
 * each task, and the caches' own records. Found by symbol, as caches of equal size share one name.
 */
export const CORE_CACHES: readonly string[] = [
  'task_struct_cachep',
  'signal_cachep',
  'sighand_cachep',
  'files_cachep',
  'fs_cachep',
  'fs_struct_cachep',
  'mm_cachep',
  'mm_struct_cachep',
  'cred_jar',
  'nsproxy_cachep',
  'mnt_cache',
  'userfaultfd_ctx_cachep',
  'kmem_cache',
  'kmem_cache_node',
];

/** Bytes of slabs up to which any other cache is kept whole. */
export const CACHE_LIMIT = 2 * MIB;
/** The same for caches that can be shrunk: they hold what was once looked at, and grow until memory is short. */
export const RECLAIMABLE_CACHE_LIMIT = 1 * MIB;
/** Bytes of page structures up to which all of them are kept, and not only those of kept pages. */
export const MEMMAP_LIMIT = 32 * MIB;
/** Bytes of page tables that are kept, from the root down. */
export const PAGE_TABLE_LIMIT = 128 * MIB;
/** Bytes of dynamic per-CPU memory that are kept, beside the static one. */
export const PER_CPU_LIMIT = 64 * MIB;

/** What may remain of the people whose machine it was; shown whenever a slim file is written. */
export const REMAINS: readonly string[] = [
  'names of hosts, programs, files, directories, mounts, devices and network interfaces, and numbers of users and groups',
  'the whole kernel log, and the command line of the kernel',
  'registers of programs, vector registers too, and what lies on kernel stacks: arguments of system calls and bytes copied from and to programs',
  'neighbours in slabs: pieces of network packets, of extended attributes, of names, and keys that the kernel holds',
  'memory that was freed to a slab and not yet overwritten',
];
