/**
 * Every threshold that a verdict rests on, in one place, each with its reason.
 */
import { nanoseconds } from '../../base/units.ts';

/**
 * A lock held this long while others sleep on it is called stuck by age alone, as 'probable': khungtaskd's default
 * (CONFIG_DEFAULT_HUNG_TASK_TIMEOUT, 120 s), the kernel's own idea of a hung task. Below it, only structure proves.
 */
export const STUCK_BY_AGE = nanoseconds(120n * 1_000_000_000n);

/**
 * A holder that has not run for this long, and not since before the first waiter came, is called still, as 'possible':
 * what a task sleeps for under a lock (a disk, a timer, another CPU) takes milliseconds, and 3 s is a hundred times the
 * slowest of these. A remote server or a disk that is being repaired may take longer and come back.
 */
export const STILL = nanoseconds(3n * 1_000_000_000n);

/**
 * A request that a disk's driver has had for this long is called old, as 'possible'; 'probable' from its own timeout on (30 s
 * unless the driver sets another), 'certain' from STUCK_BY_AGE on. Disks answer in milliseconds; one that tries to recover a
 * sector by itself gives up after 7 s where it was set up for arrays, and seldom takes longer than 10 s where it was not.
 */
export const OLD_REQUEST = nanoseconds(10n * 1_000_000_000n);

/**
 * A server in user space that has not run for this long while requests wait for it is called silent as 'probable': it is
 * asleep in something else. Programs give up on a file system or a daemon after 10 to 30 s.
 */
export const SILENT = nanoseconds(10n * 1_000_000_000n);

/**
 * A task that waited for a CPU for this share of its life is called starved: a fair scheduler does that only to one of
 * several that all want to run all the time.
 */
export const STARVED = 0.5;

/**
 * Where reclaim keeps a machine from its work, `vm.min_free_kbytes` below this share of memory is told: the kernel's own
 * choice grows with the square root of memory, and is 0.1 to 0.4 % of 16 GiB.
 */
export const MIN_FREE = 0.01;

/**
 * Who is runnable for this long and gets no CPU that a real-time task has is kept from it: by default the kernel leaves 5 %
 * of each second to others (kernel.sched_rt_runtime_us, since 6.12 the fair server), so that a turn comes within one.
 */
export const TURN_BY_NOW = nanoseconds(2n * 1_000_000_000n);

/**
 * A grace period of RCU that runs for this long is stalled, where the kernel's own setting cannot be read:
 * CONFIG_RCU_CPU_STALL_TIMEOUT, 21 s. Sound ones take milliseconds.
 */
export const GRACE_PERIOD = nanoseconds(21n * 1_000_000_000n);

/** One waiter is contention; from here on a queue behind one lock is worth telling, as context. */
export const PILE_UP = 3;

/** A crowd comes out of one cgroup when this share of it is in it: what is left may have come by itself. */
export const SAME_CGROUP = 0.75;

/** Waiters that came within this time came at once: there is no growth to draw. */
export const AT_ONCE = nanoseconds(1_000_000_000n);

/** A list tells as much as a chart of fewer waiters than this. */
export const GROWTH_TASKS = 5;

/** A chart of growth has so many steps at most: a line each, and half a screen beside what else is told. */
export const GROWTH_STEPS = 12;

/** A queue that grew for at least this long tells of its growth on the first screen: a shorter time is one moment to people. */
export const GREW_FOR_LONG = nanoseconds(10n * 1_000_000_000n);

/**
 * Memory is called short when MemAvailable is below this share of MemTotal, or a zone that matters is below its min
 * watermark. 3 %: the kernel's low watermarks sum up to 1-2 % of a machine, so kswapd is at work all the time by then.
 */
export const SHORT_AVAILABLE = 0.03;

/**
 * One slab cache that cannot be reclaimed is suspected of a leak from this share of MemTotal on: on machines in use the
 * largest such cache holds some percent (task_struct of a machine with 8,000 processes: 1 %).
 */
export const SLAB_SHARE = 0.2;

/** Deleted files on tmpfs are told as a cause from this share of MemTotal on: a leftover log or two is no outage. */
export const DELETED_SHARE = 0.2;

/**
 * A process that the OOM killer may not choose, or only after others, is told from this share of memory on: below it,
 * ending it would not end a shortage.
 */
export const OOM_PROTECTED_SHARE = 0.1;

/**
 * One process that holds this share of memory and cannot be chosen, while memory is short, is called the reason why the
 * killer does not help.
 */
export const OOM_PROTECTED_CAUSE = 0.25;

/**
 * An allocation of this order and above needs so many pages in one piece that reclaim alone does not make them:
 * PAGE_ALLOC_COSTLY_ORDER of include/linux/mmzone.h, from which on the kernel itself gives up early.
 */
export const COSTLY_ORDER = 3;

/**
 * A memory cgroup counts as full from this share of its limit on: charges come in batches of 64 pages for each CPU, and
 * reclaim stops a little below.
 */
export const MEMCG_FULL = 0.97;

/** Files of one tmpfs are told as a cause of a shortage from this share of MemTotal on, like deleted ones. */
export const TMPFS_SHARE = 0.2;

/**
 * Less than this share of MemTotal available is called tight: what holds much of memory is then told as a cause, and with
 * more left only as context, as it may be meant. Three times SHORT_AVAILABLE: the next burst makes it short.
 */
export const TIGHT_AVAILABLE = 0.1;

/**
 * Pages that no counter has are told from this share of MemTotal on. Healthy machines have below 2 %; graphics and network
 * drivers, and file systems with a cache of their own, some percent on purpose.
 */
export const PAGE_LEAK_SHARE = 0.15;

/** One caller of vmalloc() is suspected of a leak from this share of MemTotal on, as with a slab cache. */
export const VMALLOC_SHARE = 0.15;

/**
 * Page tables are told as a cause from this share of MemTotal on. They take 0.2 % of what they map with small pages; it
 * needs a hundred processes that map the same to get here.
 */
export const PAGE_TABLE_SHARE = 0.2;

/** Free pages of a hugetlb pool that nobody has reserved are told as a cause of a shortage from this share of MemTotal on. */
export const HUGE_FREE_SHARE = 0.15;

/** Swap counts as full when less than this share of it is free: what is left goes within seconds. */
export const SWAP_FULL = 0.1;

/**
 * Tasks that waited for memory in this share of the last ten seconds make a machine feel slow: oomd and similar
 * daemons act between 10 and 60 %. Below, swap may be full of what nobody asks for, which harms nobody.
 */
export const MEMORY_PRESSURE = 0.1;

/**
 * Page tables of a process up to this size say nothing of what it maps: program, libraries, heap and stack lie far apart,
 * and each takes tables of its own on every level, 8 to 15 pages in all.
 */
export const PAGE_TABLE_BASE = 64 * 1024;

/**
 * Stacks and descriptors of tasks from one origin are told as a cause from this share of MemTotal on: 8,000 tasks on
 * 16 GiB, a busy machine, have 1.2 %.
 */
export const TASKS_SHARE = 0.1;

/**
 * From this share of MemTotal on, with page tables, tasks of one origin are called a cause however much is left: a third of
 * memory for what no program computes with is wanted by nobody.
 */
export const TASKS_CAUSE = 0.3;

/** One process that may be killed is called too big from this share of RAM and swap on, while memory is short. */
export const PROCESS_SHARE = 0.5;

/** Segments of System V shared memory that nobody is attached to are told from this share of MemTotal on, like deleted files. */
export const SYSV_SHARE = 0.2;

/**
 * Negative dentries are told from this share of MemTotal on. They can be taken back, but each of them lies in the way of
 * whoever walks the lists; on machines in use they hold some percent.
 */
export const NEGATIVE_SHARE = 0.25;

/**
 * A function that stands this often on a kernel stack that overflowed is called the recursion that filled it: the log
 * shows the innermost frames only, and no function of the kernel is met so often in a sound call chain.
 */
export const RECURSION = 4;

/**
 * An address this near to POISON_FREE, or to a word of a free object, counts as come from it: kernel structures that are
 * reached through a pointer are smaller than a page, so a member of one lies within (and 4096 is also what the kernel itself
 * takes for a NULL pointer with an offset: `address < PAGE_SIZE` in `show_fault_oops()`, arch/x86/mm/fault.c).
 */
export const NEAR_POINTER = 4096n;

/**
 * The same of LIST_POISON1 and 2, which lie 0x22 apart in 256 bytes (include/linux/poison.h): nearer, as the entry that is
 * followed from there is a list_head inside its structure, and further off the two could not be told from other addresses.
 */
export const NEAR_LIST_POISON = 0x100n;

/**
 * A process with more than this share of MemTotal is the largest, whoever could not be read: the others together have less.
 * And after a panic of the OOM killer it has most of memory in the plain sense.
 */
export const MOST_OF_MEMORY = 0.5;

/**
 * Fewer tasks of one origin are no bomb, whatever they seem to take: every server has some hundred, and sizes that a damaged
 * dump gives may be absurd.
 */
export const TASKS_LEAST = 256;

/**
 * What a balloon holds is told from this share of the machine's memory on: hosts take a few percent from each guest in
 * ordinary times.
 */
export const BALLOON_SHARE = 0.15;
