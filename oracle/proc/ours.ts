/**
 * Our answers in the terms of /proc, derived from those that we gave already, and the stacks as /proc/PID/stack has them.
 */
import { attempt } from '../../src/base/errors.ts';
import { oomStanding } from '../../src/kernel/oom.ts';
import type { TaskStack } from '../../src/kernel/stack.ts';
import type { Task } from '../../src/kernel/sched.ts';
import type { VirtAddr } from '../../src/base/address.ts';
import type { Program } from '../../src/program/program.ts';
import { type Answers, UNREADABLE } from '../answers.ts';

const PAGE = 4096;
/** Pages in a huge page. */
const HUGE = 512;

/** Names of counters that /proc/vmstat spells otherwise than the kernel's enumerators. */
const VMSTAT: Readonly<Record<string, string>> = {
  NR_ANON_MAPPED: 'nr_anon_pages',
  NR_FILE_MAPPED: 'nr_mapped',
  NR_FILE_DIRTY: 'nr_dirty',
  NR_SLAB_RECLAIMABLE_B: 'nr_slab_reclaimable',
  NR_SLAB_UNRECLAIMABLE_B: 'nr_slab_unreclaimable',
  NR_SHMEM_THPS: 'nr_shmem_hugepages',
  NR_FILE_THPS: 'nr_file_hugepages',
  NR_ANON_THPS: 'nr_anon_transparent_hugepages',
  NR_KERNEL_STACK_KB: 'nr_kernel_stack',
  NR_PAGETABLE: 'nr_page_table_pages',
  NR_SECONDARY_PAGETABLE: 'nr_sec_page_table_pages',
  NR_VMSCAN_WRITE: 'nr_vmscan_write',
  NR_VMSCAN_IMMEDIATE: 'nr_vmscan_immediate_reclaim',
  NR_SWAPCACHE: 'nr_swapcached',
  NR_WRITEBACK_TEMP: 'nr_writeback_temp',
  NR_FREE_CMA_PAGES: 'nr_free_cma',
};

const MEMINFO = {
  MemTotal: 'memTotal',
  MemFree: 'memFree',
  MemAvailable: 'memAvailable',
  Buffers: 'buffers',
  Cached: 'cached',
  SwapCached: 'swapCached',
  'Active(anon)': 'activeAnon',
  'Inactive(anon)': 'inactiveAnon',
  'Active(file)': 'activeFile',
  'Inactive(file)': 'inactiveFile',
  Unevictable: 'unevictable',
  Mlocked: 'mlocked',
  Dirty: 'dirty',
  Writeback: 'writeback',
  AnonPages: 'anonPages',
  Mapped: 'mapped',
  Shmem: 'shmem',
  Slab: 'slab',
  SReclaimable: 'sReclaimable',
  SUnreclaim: 'sUnreclaim',
  KernelStack: 'kernelStack',
  PageTables: 'pageTables',
  SecPageTables: 'secPageTables',
  VmallocUsed: 'vmallocUsed',
  Percpu: 'percpu',
  Hugetlb: 'hugetlb',
  SwapTotal: 'swapTotal',
  SwapFree: 'swapFree',
  CommitLimit: 'commitLimit',
  Committed_AS: 'committedAs',
} as const;

/** Adds what /proc is compared with. */
export function sayForProc(
  program: Program,
  tasks: readonly Task[],
  stacks: ReadonlyMap<VirtAddr, TaskStack>,
  answers: Answers,
): void {
  const text = (group: string, key: string): string => {
    const answer = answers.get(group, key);
    return typeof answer === 'string' ? answer : '';
  };
  sayProcesses(tasks, text, answers);
  sayOomScores(program, tasks, text, answers);
  sayThreads(tasks, answers);
  sayKernelStacks(program, tasks, stacks, answers);
  for (const [name, own] of Object.entries(MEMINFO)) {
    const bytes = text('meminfo', own);
    answers.say('meminfo kB', name, bytes === 'unreadable' ? bytes : Number(bytes) / 1024);
  }
  for (const [key, value] of answers.group('counters')) sayCounter(key, value, answers);
  for (const [name, value] of answers.group('events')) {
    // Counted in sectors of 512 bytes, shown in KiB.
    const shown = /^PGPG(IN|OUT)$/.test(name) ? Math.trunc(Number(value) / 2) : value;
    answers.say('vmstat', name.toLowerCase(), shown);
  }
  sayZones(answers, text);
  for (const [cache, name] of answers.group('slab caches')) {
    if (typeof name !== 'string') continue;
    answers.say('slabinfo', name, 'a cache');
    answers.say('slabinfo', `${name}.pages`, text('slab usage', `${cache}.pages`));
  }
  sayMachine(answers, text);
}

/** What a CPU has not added yet is in one of our values and not in the other: either may be what /proc showed. */
function sayCounter(key: string, folded: unknown, answers: Answers): void {
  if (!key.endsWith('.folded') || typeof folded !== 'string') return;
  const item = key.slice(0, -'.folded'.length);
  const exact = answers.get('counters', item);
  // Kept in pages since 5.10, shown as huge pages still.
  const unit = /_(ANON|SHMEM|FILE)_THPS$|_PMDMAPPED$/.test(`_${item}`) ? HUGE : 1;
  const [a, b] = [folded, exact].map((each) => Math.trunc(Math.max(0, Number(each)) / unit)) as [number, number];
  const name = VMSTAT[item] ?? item.toLowerCase();
  const range = { low: Math.min(a, b), high: Math.max(a, b), text: `${folded} and what CPUs have not added` };
  answers.say('vmstat', name, a === b ? String(a) : range);
}

function sayProcesses(tasks: readonly Task[], text: (group: string, key: string) => string, answers: Answers): void {
  const threads = new Map<number, number>();
  for (const { tgid, idle } of tasks) if (!idle) threads.set(tgid, (threads.get(tgid) ?? 0) + 1);
  const byAddress = new Map(tasks.map((task) => [task.address, task] as const));
  for (const task of tasks) {
    if (task.idle || task.pid !== task.tgid) continue;
    const at = `0x${task.address.toString(16).padStart(16, '0')}`;
    const say = (name: string, value: string | number | bigint | undefined): void =>
      answers.say('processes', `${task.pid}.${name}`, value);
    say('Name', task.comm);
    say('Tgid', task.tgid);
    const parent = task.realParent === undefined ? undefined : (byAddress.get(task.realParent)?.tgid ?? 0);
    say('PPid', parent);
    say('ppid', parent);
    say('State', task.state.letter);
    say('Threads', threads.get(task.pid));
    say('processGroup', text('job ids', `${at}.processGroup`));
    say('session', text('job ids', `${at}.session`));
    // In ticks of 1/100 s (USER_HZ), on the clock that counts suspended time too: the same where nothing was suspended.
    say('starttime', task.startTime === undefined ? undefined : task.startTime / 10_000_000n);
    say('runDelay', task.schedInfo?.runDelay);
    say('runs', task.schedInfo?.runs);
    say('cgroup', text('cgroups', at));
    const mm = text('tasks', `${at}.mm`);
    const none = task.mm === undefined;
    const pages = (name: string): number => Number(text('rss', `${mm}.${name}`));
    const sized = (name: string, pagesOrBytes: number, unit: number): void =>
      say(name, Number.isNaN(pagesOrBytes) ? UNREADABLE : pagesOrBytes * unit);
    sized('vsize', none ? 0 : pages('totalVm'), PAGE);
    if (none) continue;
    sized('VmSize', pages('totalVm'), PAGE / 1024);
    sized('VmPTE', pages('pageTables'), 1 / 1024);
    sized('VmSwap', pages('swap'), PAGE / 1024);
    sized('Rss', pages('total'), PAGE / 1024);
  }
}

function sayOomScores(
  program: Program,
  tasks: readonly Task[],
  text: (group: string, key: string) => string,
  answers: Answers,
): void {
  const mms = new Map<number, VirtAddr>();
  for (const { tgid, mm } of tasks) if (mm !== undefined) mms.set(tgid, mm);
  const totalPages = (Number(text('meminfo', 'memTotal')) + Number(text('meminfo', 'swapTotal'))) / PAGE;
  for (const { address, pid, tgid, kthread, idle } of tasks) {
    if (idle || pid !== tgid) continue;
    const standing = attempt(() =>
      oomStanding(program, { task: address, pid, kthread, mm: mms.get(tgid) }, totalPages),
    );
    answers.say('processes', `${pid}.oomScoreAdj`, standing?.scoreAdj ?? UNREADABLE);
    answers.say('processes', `${pid}.oomScore`, standing?.score);
  }
}

function sayThreads(tasks: readonly Task[], answers: Answers): void {
  const byAddress = new Map(tasks.map((task) => [task.address, task] as const));
  for (const { pid, tgid, idle, comm, state, realParent, startTime } of tasks) {
    if (idle || pid === tgid) continue;
    answers.say('threads', `${pid}.Name`, comm);
    answers.say('threads', `${pid}.State`, state.letter);
    answers.say(
      'threads',
      `${pid}.ppid`,
      realParent === undefined ? undefined : (byAddress.get(realParent)?.tgid ?? 0),
    );
    answers.say('threads', `${pid}.starttime`, startTime === undefined ? undefined : startTime / 10_000_000n);
  }
}

/** As stack_trace_save_tsk() saves it: without the functions of the scheduler's section. */
function sayKernelStacks(
  program: Program,
  tasks: readonly Task[],
  stacks: ReadonlyMap<VirtAddr, TaskStack>,
  answers: Answers,
): void {
  const start = program.symbol('__sched_text_start').address;
  const end = program.symbol('__sched_text_end').address;
  for (const task of tasks) {
    if (task.idle) continue;
    const frames = stacks.get(task.address)?.frames ?? [];
    const lines = frames
      .filter(({ pc }) => pc < start || pc >= end)
      .map(({ symbol }) => {
        if (symbol === undefined) return 'unknown';
        const inModule = symbol.module === undefined ? '' : ` [${symbol.module}]`;
        return `${symbol.name}+0x${symbol.offset.toString(16)}/0x${symbol.size.toString(16)}${inModule}`;
      });
    answers.say('kernel stacks', String(task.pid), lines.join(' '));
    // get_wchan(): the first of these of a task that sleeps.
    const asleep = !task.running && task.state.letter !== 'R' && lines[0] !== undefined;
    answers.say('wchan', String(task.pid), asleep ? lines[0]?.replace(/\+0x.*$/, '') : '0');
  }
}

function sayZones(answers: Answers, text: (group: string, key: string) => string): void {
  for (const key of [...answers.group('zones').keys()].filter((each) => each.endsWith('.address'))) {
    const zone = key.slice(0, -'.address'.length);
    for (const name of ['min', 'low', 'high', 'boost', 'spanned', 'present', 'managed', 'startPfn'])
      answers.say('zoneinfo', `${zone}.${name}`, text('zones', `${zone}.${name}`));
    // What is shown of the marks has the boost in it.
    const boost = Number(text('zones', `${zone}.boost`));
    for (const name of ['min', 'low', 'high'])
      answers.say('zoneinfo', `${zone}.${name}`, Number(text('zones', `${zone}.${name}`)) + boost);
    answers.say('zoneinfo', `${zone}.free`, text('zones', `${zone}.NR_FREE_PAGES.folded`));
    for (const [order, count] of text('zones', `${zone}.freeBlocks`).split(' ').entries())
      answers.say('buddyinfo', `${zone}.${order}`, count);
  }
}

function sayMachine(answers: Answers, text: (group: string, key: string) => string): void {
  const say = (name: string, value: string | number): void => answers.say('machine', name, value);
  for (const name of ['release', 'commandLine', 'tainted']) say(name, text('system', name));
  say('minFree', Number(text('meminfo', 'minFree')) / 1024);
  say('uptime', Number(text('system', 'boottime')) / 1e9);
  for (const [i, load] of text('system', 'loadAverages').split(' ').entries()) say(`load ${i}`, load);
  // Since 6.4 a module's data may lie below its text, whose address is shown.
  for (const [name, address] of answers.group('module text')) answers.say('loaded modules', name, address);
  for (const key of [...answers.group('mounts').keys()].filter((each) => each.endsWith('.directory'))) {
    const mount = key.slice(0, -'.directory'.length);
    const device = text('mounts', `${mount}.device`);
    answers.say('mounted', text('mounts', key), `${device} ${text('mounts', `${mount}.type`)}`);
  }
}
