/**
 * Our answers about memory by process, from one walk over all page tables, and by cgroup.
 */
import { unlimited } from '../../src/base/budget.ts';
import { attempt } from '../../src/base/errors.ts';
import { makeContext } from '../../src/diagnosis/engine.ts';
import { residentFact } from '../../src/diagnosis/facts/resident.ts';
import { type Memcg, memcgStat, memcgTree } from '../../src/kernel/memcg.ts';
import { hugePagePools } from '../../src/kernel/hugetlb.ts';
import type { Program } from '../../src/program/program.ts';
import { type Answers, UNREADABLE } from '../answers.ts';

/** Lines of memory.stat by the counters that they show. */
const STAT: Readonly<Record<string, readonly string[]>> = {
  anon: ['NR_ANON_MAPPED'],
  file: ['NR_FILE_PAGES'],
  kernel: ['MEMCG_KMEM'],
  kernel_stack: ['NR_KERNEL_STACK_KB'],
  pagetables: ['NR_PAGETABLE'],
  sec_pagetables: ['NR_SECONDARY_PAGETABLE'],
  percpu: ['MEMCG_PERCPU_B'],
  sock: ['MEMCG_SOCK'],
  vmalloc: ['MEMCG_VMALLOC'],
  shmem: ['NR_SHMEM'],
  zswap: ['MEMCG_ZSWAP_B'],
  zswapped: ['MEMCG_ZSWAPPED'],
  file_mapped: ['NR_FILE_MAPPED'],
  file_dirty: ['NR_FILE_DIRTY'],
  file_writeback: ['NR_WRITEBACK'],
  swapcached: ['NR_SWAPCACHE'],
  anon_thp: ['NR_ANON_THPS'],
  file_thp: ['NR_FILE_THPS'],
  shmem_thp: ['NR_SHMEM_THPS'],
  inactive_anon: ['NR_INACTIVE_ANON'],
  active_anon: ['NR_ACTIVE_ANON'],
  inactive_file: ['NR_INACTIVE_FILE'],
  active_file: ['NR_ACTIVE_FILE'],
  unevictable: ['NR_UNEVICTABLE'],
  slab_reclaimable: ['NR_SLAB_RECLAIMABLE_B'],
  slab_unreclaimable: ['NR_SLAB_UNRECLAIMABLE_B'],
  slab: ['NR_SLAB_RECLAIMABLE_B', 'NR_SLAB_UNRECLAIMABLE_B'],
  workingset_refault_anon: ['WORKINGSET_REFAULT_ANON'],
  workingset_refault_file: ['WORKINGSET_REFAULT_FILE'],
  workingset_activate_anon: ['WORKINGSET_ACTIVATE_ANON'],
  workingset_activate_file: ['WORKINGSET_ACTIVATE_FILE'],
  workingset_restore_anon: ['WORKINGSET_RESTORE_ANON'],
  workingset_restore_file: ['WORKINGSET_RESTORE_FILE'],
  workingset_nodereclaim: ['WORKINGSET_NODERECLAIM'],
};

export function sayMemoryForProc(program: Program, answers: Answers): void {
  sayResident(program, answers);
  const tree = attempt(() => memcgTree(program));
  for (const group of tree?.groups ?? []) sayGroup(program, tree?.groups ?? [], group, answers);
  const kib = (...names: readonly string[]): number =>
    names.reduce((sum, name) => sum + Number(answers.get('meminfo', name)) / 1024, 0);
  answers.say('meminfo kB', 'Active', kib('activeAnon', 'activeFile'));
  answers.say('meminfo kB', 'Inactive', kib('inactiveAnon', 'inactiveFile'));
  // Of several sizes /proc/meminfo shows the default one.
  const pools = attempt(() => hugePagePools(program));
  const pool = attempt(() => pools?.[program.memory.readS32(program.symbol('default_hstate_idx').address)]);
  if (pool === undefined) return;
  const say = (name: string, value: number): void => answers.say('meminfo kB', `HugePages_${name}`, value);
  say('Total', pool.total);
  say('Free', pool.free);
  say('Rsvd', pool.reserved);
  say('Surp', pool.surplus);
  answers.say('meminfo kB', 'Hugepagesize', pool.size / 1024);
}

function sayResident(program: Program, answers: Answers): void {
  const resident = attempt(() => makeContext(program, unlimited, []).use(residentFact));
  // What is shared with programs that cannot be read counts for the others alone.
  const whole = resident?.unread === 0 && resident.processes.every(({ lostTables }) => lostTables === 0);
  const isKnown = (name: string, lostTables: number): boolean =>
    lostTables === 0 && (whole || name === 'rss' || name === 'swap');
  for (const { users, rss, uss, pss, swap, lostTables } of resident?.processes ?? []) {
    // vfork() lets two processes have one address space.
    for (const pid of new Set(users.map(({ tgid }) => tgid)))
      for (const [name, bytes] of Object.entries({ rss, uss, pss, swap }))
        answers.say('resident', `${pid}.${name}`, isKnown(name, lostTables) ? bytes / 1024 : UNREADABLE);
  }
}

function sayGroup(program: Program, groups: readonly Memcg[], group: Memcg, answers: Answers): void {
  const { path, memory, swap, events, address } = group;
  if (path === undefined) return;
  const say = (name: string, value: string | number | undefined): void =>
    answers.say('memory cgroups', `${path} ${name}`, value);
  const limit = (value: number | undefined): string => (value === undefined ? 'max' : String(value));
  say('current', memory.usage);
  say('swap.current', swap.usage);
  say('peak', memory.peak);
  say('max', limit(memory.max));
  say('high', limit(memory.high));
  say('swap.max', limit(swap.max));
  for (const [name, value] of events) say(`events.${name}`, value);
  for (const [name, items] of Object.entries(STAT)) {
    const values = items.map((item) => attempt(() => memcgStat(program, groups, address, item)));
    if (values.includes(undefined)) continue;
    const sum = values.reduce<number>((so, value) => so + (value ?? 0), 0);
    say(`stat.${name}`, name.startsWith('workingset') ? sum / program.pageSize : sum);
  }
}
