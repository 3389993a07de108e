/**
 * Memory cgroups, `struct mem_cgroup` (mm/memcontrol.c): what each uses, its limits, how often it hit them, what its
 * memory is. Usage is `page_counter.usage`; statistics include what CPUs and descendants have not passed on yet, as
 * memory.stat does since 5.13; before, it left that out, up to 32 pages a CPU. Since 4.18 (`page_counter.max`); older kernels are told and not read.
 */
import { add, isKernel, type VirtAddr } from '../base/address.ts';
import { attempt, isDataError, LookupError, ValidationError } from '../base/errors.ts';
import { type Bytes, bytes } from '../base/units.ts';
import type { Program } from '../program/program.ts';
import { cgroupPath } from './cgroup.ts';
import { cpus } from './cpus.ts';
import { listEntries } from './list.ts';

/** More than cgroups of any machine. */
const MAX_MEMCGS = 1 << 20;

export interface MemcgLimit {
  readonly usage: Bytes;
  /** Undefined without a limit. */
  readonly max: Bytes | undefined;
  /** memory.high: above it its tasks are slowed down; undefined without one. */
  readonly high: Bytes | undefined;
  /** The most that it ever used. */
  readonly peak: Bytes;
}

export interface Memcg {
  /** `struct mem_cgroup *`. */
  readonly address: VirtAddr;
  /** `struct mem_cgroup *`; undefined for the root. */
  readonly parent: VirtAddr | undefined;
  /** Undefined when its kernfs nodes cannot be followed. */
  readonly path: string | undefined;
  readonly memory: MemcgLimit;
  /** memory.swap in version 2; in version 1 memory and swap together. */
  readonly swap: MemcgLimit;
  /** Counts of memory.events by their enumerators without MEMCG_, in lower case: low, high, max, oom, oom_kill ... */
  readonly events: ReadonlyMap<string, number>;
  /** memory.oom.group: its tasks are killed as one. */
  readonly oomGroup: boolean | undefined;
  /** Removed, and kept by what is still charged to it. */
  readonly dying: boolean;
}

export interface MemcgTree {
  /** The root first, each group before its children. */
  readonly groups: readonly Memcg[];
  /** What could not be read, one line each. */
  readonly problems: readonly string[];
}

const EVENTS = ['LOW', 'HIGH', 'MAX', 'OOM', 'OOM_KILL', 'OOM_GROUP_KILL'] as const;

/**
 * All memory cgroups, `struct mem_cgroup`, from `root_mem_cgroup` down.
 * @throws LookupError when this kernel has no memory cgroups or a layout that is not known, FaultError for the root
 */
export function memcgTree(program: Program): MemcgTree {
  const root = program.memory.readPointer(program.symbol('root_mem_cgroup').address);
  const css = program.field('struct mem_cgroup', 'css');
  const parentOf = program.field('struct cgroup_subsys_state', 'parent');
  const groups: Memcg[] = [];
  const problems: string[] = [];
  const seen = new Set<VirtAddr>([root]);
  const waiting: VirtAddr[] = [root];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    const own = css.address(at);
    try {
      const parent = at === root ? undefined : css.container(parentOf.pointer(own));
      groups.push(readMemcg(program, at, own, parent));
    } catch (error) {
      if (!isDataError(error) || at === root) throw error;
      problems.push(error.message);
    }
    const children: VirtAddr[] = [];
    try {
      for (const child of childrenOf(program, own)) {
        const group = css.container(child);
        if (seen.has(group)) throw new ValidationError('struct mem_cgroup', group, 'is its own descendant');
        if (seen.size >= MAX_MEMCGS) throw new ValidationError('struct mem_cgroup', root, 'has too many descendants');
        seen.add(group);
        children.push(group);
      }
    } catch (error) {
      if (!isDataError(error)) throw error;
      problems.push(error.message);
    }
    waiting.push(...children.reverse());
  }
  return { groups, problems };
}

/** `struct cgroup_subsys_state *` of the children. */
function childrenOf(program: Program, css: VirtAddr): Generator<VirtAddr> {
  const head = program.field('struct cgroup_subsys_state', 'children').address(css);
  return listEntries(program, head, 'struct cgroup_subsys_state', 'sibling', MAX_MEMCGS);
}

function readMemcg(program: Program, group: VirtAddr, css: VirtAddr, parent: VirtAddr | undefined): Memcg {
  const flags = program.field('struct cgroup_subsys_state', 'flags').u64(css);
  // 1 << 4 since 4.15; an enumerator without a name for its enum.
  const dying = program.enumerator('CSS_DYING');
  const cgroup = program.field('struct cgroup_subsys_state', 'cgroup');
  return {
    address: group,
    parent,
    path: attempt(() => cgroupPath(program, cgroup.pointer(css))),
    memory: limitOf(program, group, 'memory'),
    swap: limitOf(program, group, 'swap'),
    events: eventsOf(program, group),
    oomGroup: attempt(() => program.tryField('struct mem_cgroup', 'oom_group')?.u64(group) === 1n),
    dying: dying !== undefined && (flags & dying) !== 0n,
  };
}

function limitOf(program: Program, group: VirtAddr, member: string): MemcgLimit {
  const field = (name: string) => program.field('struct mem_cgroup', `${member}.${name}`);
  // max since 4.18 (commit bbec2e15170a), before it was `limit`; high in page_counter since 5.7 (commit d1663a907b2a).
  const [usage, max, peak] = [field('usage.counter'), field('max'), field('watermark')];
  const high = program.tryField('struct mem_cgroup', `${member}.high`);
  const size = (pages: bigint): Bytes => bytes(Number(pages) * program.pageSize);
  /** PAGE_COUNTER_MAX: no limit. */
  const none = 0x7fffffffffffffffn / BigInt(program.pageSize);
  const limit = (pages: bigint | undefined): Bytes | undefined =>
    pages === undefined || pages >= none ? undefined : size(pages);
  const used = usage.value(group);
  return {
    // As the kernel does: it may be below zero for a moment.
    usage: size(used > 0n ? used : 0n),
    max: limit(max.u64(group)),
    high: limit(high?.u64(group)),
    peak: size(peak.u64(group)),
  };
}

function eventsOf(program: Program, group: VirtAddr): ReadonlyMap<string, number> {
  const out = new Map<string, number>();
  for (const event of EVENTS) {
    const index = program.enumerator(`MEMCG_${event}`);
    if (index === undefined) continue;
    const field = program.tryField('struct mem_cgroup', `memory_events[${index}].counter`);
    if (field !== undefined) out.set(event.toLowerCase(), field.number(group));
  }
  return out;
}

/** Statistics that the kernel keeps in bytes; NR_KERNEL_STACK_KB in kilobytes, the others in pages. */
const IN_BYTES: ReadonlySet<string> = new Set([
  'NR_SLAB_RECLAIMABLE_B',
  'NR_SLAB_UNRECLAIMABLE_B',
  'MEMCG_PERCPU_B',
  'MEMCG_ZSWAP_B',
]);

/**
 * A line of memory.stat, by its counter: 'NR_ANON_MAPPED', 'NR_FILE_PAGES', 'NR_SLAB_RECLAIMABLE_B', 'MEMCG_SOCK'.
 * @param groups - all of them, of `memcgTree`
 * @param group - `struct mem_cgroup *`: it and its descendants
 * @returns undefined when this kernel does not count it for cgroups
 * @throws FaultError, LookupError
 */
export function memcgStat(
  program: Program,
  groups: readonly Memcg[],
  group: VirtAddr,
  item: string,
): Bytes | undefined {
  const index = statIndex(program, item);
  if (index === undefined) return undefined;
  const own = sharedStat(program, group, index);
  if (own === undefined) return undefined;
  const pending = descendants(groups, group).reduce((sum, at) => sum + pendingStat(program, at, index), 0n);
  const value = Number(own + pending);
  const unit = IN_BYTES.has(item) ? 1 : item === 'NR_KERNEL_STACK_KB' ? 1024 : program.pageSize;
  return bytes(Math.max(0, value) * unit);
}

/** Place of a counter in the arrays. */
function statIndex(program: Program, item: string): bigint | undefined {
  const value = program.enumerator(item);
  const packed = program.symbols.kernel.lookup('mem_cgroup_stats_index');
  if (value === undefined || packed === undefined) return value;
  // Since 6.11 (commit ff48c71c26aa) only the counters that cgroups have, by a table: s8 with 0 for none and else one
  // more; since 6.12 (commit acb5fe2f1aff) u8 with 0xff for none. In the first the entry of item 0, NR_INACTIVE_ANON, is 1.
  const at = program.memory.readBytes(add(packed.address, Number(value)), 1)[0] ?? 0xff;
  const first = program.memory.readBytes(packed.address, 1)[0];
  if (first === 0) return at === 0xff ? undefined : BigInt(at);
  return at === 0 || at > 0x7f ? undefined : BigInt(at - 1);
}

/** What the group itself shows: its own and, since 5.x, that of its descendants as far as it was passed on. */
function sharedStat(program: Program, group: VirtAddr, index: bigint): bigint | undefined {
  // 5.2-5.12: vmstats[] of atomics in the group.
  const inline = program.tryField('struct mem_cgroup', `vmstats[${index}].counter`);
  if (inline !== undefined) return inline.value(group);
  // A struct memcg_vmstats in the group since 5.13 (commit 2d146aa3aa84), behind a pointer since 6.0 (410f8e82689e).
  const inStruct = program.tryField('struct mem_cgroup', `vmstats.state[${index}]`);
  if (inStruct !== undefined) return inStruct.value(group);
  const stats = program.tryField('struct mem_cgroup', 'vmstats')?.pointer(group);
  if (stats === undefined || !isKernel(stats)) throw new LookupError('member', 'struct mem_cgroup.vmstats');
  return program.tryField('struct memcg_vmstats', `state[${index}]`)?.value(stats);
}

/** What a group's CPUs, and its children, have not passed on. */
function pendingStat(program: Program, group: VirtAddr, index: bigint): bigint {
  let sum = 0n;
  // state_pending since 6.0, and with it the pointer.
  const pending = program.tryField('struct memcg_vmstats', `state_pending[${index}]`);
  if (pending !== undefined) {
    const stats = program.field('struct mem_cgroup', 'vmstats').pointer(group);
    if (isKernel(stats)) sum += pending.value(stats);
  }
  const percpu = program.field('struct mem_cgroup', 'vmstats_percpu').pointer(group);
  const now =
    program.tryField('struct memcg_vmstats_percpu', `state[${index}]`) ??
    program.tryField('struct memcg_vmstats_percpu', `stat[${index}]`);
  if (now === undefined) return sum;
  const before = program.tryField('struct memcg_vmstats_percpu', `state_prev[${index}]`);
  for (const cpu of cpus(program, 'online')) {
    const at = program.perCpuAddress(percpu, cpu);
    sum += now.value(at) - (before?.value(at) ?? 0n);
  }
  return sum;
}

/** `struct mem_cgroup *` of a group and all below it. */
function descendants(groups: readonly Memcg[], group: VirtAddr): readonly VirtAddr[] {
  const found = new Set<VirtAddr>([group]);
  // Each group stands behind its parent.
  for (const { address, parent } of groups) if (parent !== undefined && found.has(parent)) found.add(address);
  return [...found];
}
