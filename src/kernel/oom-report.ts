/**
 * Reports of the OOM killer in the kernel's log (mm/oom_kill.c, mm/memcontrol.c): who asked, for which memory, who was
 * there to choose from, who was chosen. All shapes from 2.6.32 to today; the table is read by its own header. Lines of
 * other tasks between them are told apart where the log keeps the caller (5.10).
 */
import type { Nanoseconds } from '../base/units.ts';
import { type KernelLine, kernelLines, sameCaller } from './kernel-lines.ts';
import type { LogRecord } from './log-record.ts';
import { type MemInfoBlock, memInfoBlock } from './mem-info-block.ts';

export interface OomInvoker {
  readonly comm: string;
  /** From the line of the CPU; undefined when that is missing. */
  readonly pid: number | undefined;
  /** gfp_t as the kernel printed it. */
  readonly gfpMask: number;
  /** The names of the mask's bits, since 4.6. */
  readonly gfpFlags: string | undefined;
  /** 2^order pages were asked for; -1 when sysrq-f asked. */
  readonly order: number;
  /** -17 to 15, in 2.6.32. */
  readonly oomAdj: number | undefined;
  /** Undefined in 2.6.32, which prints oom_adj; el6 has both. */
  readonly scoreAdj: number | undefined;
  /** Its cpuset, and the nodes of which it may have memory ('0-1'); nodes of its memory policy, '(null)' for all. */
  readonly cpuset: string | undefined;
  readonly memsAllowed: string | undefined;
  readonly nodemask: string | undefined;
}

/** A row of the table of tasks; what a kernel does not print is undefined. */
export interface OomRow {
  readonly pid: number;
  readonly tgid: number;
  readonly uid: number;
  /** Pages. */
  readonly totalVm: number;
  /** Pages. */
  readonly rss: number;
  /** Pages: what rss consists of, since 6.8. */
  readonly rssAnon: number | undefined;
  readonly rssFile: number | undefined;
  readonly rssShmem: number | undefined;
  /** Bytes of page tables: printed as such since 4.19, before as counts of pages. */
  readonly pageTableBytes: number | undefined;
  /** Pages in swap, since 3.2. */
  readonly swapEntries: number | undefined;
  /** Of 2.6.32. */
  readonly oomAdj: number | undefined;
  readonly scoreAdj: number | undefined;
  readonly comm: string;
}

export interface OomVictim {
  readonly pid: number;
  readonly comm: string;
  /** 0 to 1000 and above, until 5.0. */
  readonly score: number | undefined;
  /** Kilobytes, as printed. */
  readonly totalVm: number | undefined;
  readonly anonRss: number | undefined;
  readonly fileRss: number | undefined;
  readonly shmemRss: number | undefined;
  readonly uid: number | undefined;
  readonly pageTables: number | undefined;
  readonly scoreAdj: number | undefined;
  /** What oom_reaper said of it later. */
  readonly reaped: 'reaped' | 'unable' | undefined;
}

export interface OomMemcg {
  /** The memory cgroup whose limit was hit. */
  readonly path: string;
  /** That of the task that asked. */
  readonly taskPath: string | undefined;
  /** Kilobytes. */
  readonly usage: number | undefined;
  readonly limit: number | undefined;
  readonly failCount: number | undefined;
  /** The same of 'memory+swap' (cgroup v1), 'swap' (v2), 'kmem'. */
  readonly others: ReadonlyMap<string, MemcgCounter>;
}

/** Kilobytes, and how often the limit was met. */
export interface MemcgCounter {
  readonly usage: number;
  readonly limit: number;
  readonly failCount: number;
}

export interface OomReport {
  readonly timeNs: Nanoseconds | undefined;
  readonly invoker: OomInvoker;
  /** Without CONSTRAINT_: NONE, CPUSET, MEMORY_POLICY, MEMCG; undefined until 4.19 where the texts do not tell. */
  readonly constraint: string | undefined;
  readonly memcg: OomMemcg | undefined;
  /** The memory at that moment; absent for a memory cgroup. */
  readonly memory: MemInfoBlock | undefined;
  /** Undefined without a table: vm.oom_dump_tasks is 0, or the log lost it. */
  readonly table: readonly OomRow[] | undefined;
  /** Rows that could not be read: cut off or overwritten. */
  readonly badRows: number;
  /** The first is the one chosen; more share its memory, or its group is killed as one. */
  readonly victims: readonly OomVictim[];
  readonly outcome: 'killed' | 'panic' | 'no-victim' | 'unknown';
}

/** More lines than a report of a machine with PID_MAX_LIMIT tasks has would be no report. */
const MAX_LINES = 1 << 20;
/** A report is over when so many lines of its caller say nothing of it. */
const PATIENCE = 64;
/** After its end, in so many lines. */
const AFTERWARDS = 4;
/**
 * Lines of which a report has as many as the stack is deep, the machine has nodes and zones, or there are tasks: rows of the
 * table, frames, registers, `show_mem()`.
 */
const REPEATED =
  /^\[ *\d+\] |^ *(?:\? |\[<[0-9a-f]+>\] (?:\? )?)?[\w.]+\+0x[0-9a-f]+\/0x|^R[\dA-Z]{1,2}[ \d]?: |^Node \d+ |^lowmem_reserve|^CPU +\d+: |^\s*\w+:\d+ /;

const START =
  /^(.{1,64}) invoked oom-killer: gfp_mask=0x([0-9a-f]{1,16})(?:\(([^)]{0,500})\))?,(?: nodemask=(\S+?),?)? order=(-?\d{1,4})(?:, oom_adj=(-?\d{1,6}))?(?:, oom_score_adj=(-?\d{1,6}))?/;
/** A line of its own until 4.20. */
const CPUSET_LINE = / cpuset=(\S+) mems_allowed=(\S+)$/;
/** In the summary since 5.0; a cpuset may have a comma in its name. */
const CPUSET_SUMMARY =
  /^oom-kill:constraint=\w+,nodemask=(.*?),cpuset=(.*),mems_allowed=([\d,-]*),(?:global_oom|oom_memcg=)/;
const CPU_LINE = /^(?:CPU: \d+ (?:UID: \d+ )?PID|Pid): (\d+)[ ,] ?(?:Comm|comm): /;
const TABLE_HEAD = /^\[ *pid *\] +uid +tgid +total_vm +rss /;
const CONSTRAINT = /^oom-kill:constraint=CONSTRAINT_(\w+),/;
const TASK_IN = /^Task in (\/.*?) killed as a result of limit of (\/.*)$/;
const MEMCG_USAGE = /^(memory|memory\+swap|swap|kmem): usage (\d+)kB, limit (\d+)kB, failcnt (\d+)/;
const KILL_PROCESS =
  /^(?:Out of memory|Memory cgroup out of memory|Out of memory \(oom_kill_allocating_task\)): [Kk]ill process (\d+) \((.{0,64}?)\) score (\d+) or/;
const KILLED =
  /^(?:(?:Out of memory|Memory cgroup out of memory|Out of memory \(oom_kill_allocating_task\)): )?Killed process (\d+) \((.{0,64}?)\)(?:,? (.*))?$/;
const KILLED_OLD = /^Killed process (\d+), UID (\d+), \((.{0,64}?)\) (.*)$/;
const NO_VICTIM =
  /^(?:Out of memory and no killable processes|System is deadlocked on memory|Memory cgroup out of memory and no killable|Out of memory: no killable processes)/i;
const PANIC =
  /^Kernel panic - not syncing: (?:Out of memory|out of memory|System is deadlocked on memory|Out of memory and no killable)/i;
const REAPED = /^oom_reaper: (reaped process |unable to reap pid:)(\d+) \(/;

/**
 * The reports in a log, oldest first.
 * @param records - the log, `struct printk_info` and text
 * @param pageSize - bytes, for page tables that were printed as counts
 */
export function oomReports(records: readonly LogRecord[], pageSize: number): readonly OomReport[] {
  const lines = kernelLines(records);
  const reports: OomReport[] = [];
  for (let i = 0; i < lines.length; i++) {
    const first = lines[i];
    const start = first === undefined ? null : START.exec(first.text);
    if (first === undefined || start === null) continue;
    reports.push(parseReport(first, start, linesOf(lines, i), pageSize));
  }
  return withReaper(reports, lines);
}

/** The lines of a report: those of its caller, until another report begins or nothing more is said of it. */
function linesOf(lines: readonly KernelLine[], from: number): readonly string[] {
  const first = lines[from];
  if (first === undefined) return [];
  const out: string[] = [];
  let quiet = 0;
  let ended = false;
  for (let i = from + 1; i < lines.length && i - from < MAX_LINES && quiet < PATIENCE; i++) {
    const line = lines[i];
    if (line === undefined || !sameCaller(first, line)) continue;
    if (START.test(line.text)) break;
    out.push(line.text);
    quiet += 1;
    if (ends(line.text)) quiet = PATIENCE - AFTERWARDS;
    else if (!ended && REPEATED.test(line.text)) quiet = 0;
    ended ||= ends(line.text);
  }
  return out;
}

/** After these only a victim's relatives follow. */
function ends(text: string): boolean {
  return KILLED.test(text) || KILLED_OLD.test(text) || PANIC.test(text);
}

function parseReport(first: KernelLine, start: RegExpExecArray, lines: readonly string[], pageSize: number): OomReport {
  const find = (pattern: RegExp): RegExpExecArray | undefined => {
    for (const line of lines) {
      const found = pattern.exec(line);
      if (found !== null) return found;
    }
    return undefined;
  };
  const { rows, bad } = tableOf(lines, pageSize);
  const victims = victimsOf(lines);
  const constraint = find(CONSTRAINT)?.[1];
  const memcg = memcgOf(lines, find, constraint);
  const cpuset = find(CPUSET_LINE);
  const summary = find(CPUSET_SUMMARY);
  return {
    timeNs: first.timeNs,
    invoker: {
      comm: start[1] ?? '',
      pid: integer(find(CPU_LINE)?.[1]),
      gfpMask: Number.parseInt(start[2] ?? '0', 16),
      gfpFlags: start[3],
      order: Number(start[5]),
      oomAdj: integer(start[6]),
      scoreAdj: integer(start[7]),
      cpuset: cpuset?.[1] ?? summary?.[2],
      memsAllowed: cpuset?.[2] ?? summary?.[3],
      nodemask: start[4] ?? summary?.[1],
    },
    constraint: constraint ?? (memcg === undefined ? undefined : 'MEMCG'),
    memcg,
    memory: memInfoBlock(lines),
    table: rows,
    badRows: bad,
    victims,
    outcome:
      victims.length > 0
        ? 'killed'
        : find(PANIC) !== undefined
          ? 'panic'
          : find(NO_VICTIM) !== undefined
            ? 'no-victim'
            : 'unknown',
  };
}

function integer(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

function memcgOf(
  lines: readonly string[],
  find: (pattern: RegExp) => RegExpExecArray | undefined,
  constraint: string | undefined,
): OomMemcg | undefined {
  const taskIn = find(TASK_IN);
  // 'oom_memcg=' stands in the summary of a cgroup's report only, since 5.0 (commit ef8444ea01d7).
  const summary = find(/^oom-kill:constraint=.*?,oom_memcg=(.*?),task_memcg=(.*?),task=/);
  const path = taskIn?.[2] ?? summary?.[1];
  if (path === undefined && constraint !== 'MEMCG') return undefined;
  const counters = new Map<string, MemcgCounter>();
  for (const line of lines) {
    const [, name, used, most, failed] = MEMCG_USAGE.exec(line) ?? [];
    if (name === undefined || counters.has(name)) continue;
    counters.set(name, { usage: Number(used), limit: Number(most), failCount: Number(failed) });
  }
  const { usage, limit, failCount } = counters.get('memory') ?? {};
  counters.delete('memory');
  return { path: path ?? '', taskPath: taskIn?.[1] ?? summary?.[2], usage, limit, failCount, others: counters };
}

/** The table, by its own header: columns came and went (2.6.32, 3.2, 4.2, 4.19, 6.8). */
function tableOf(lines: readonly string[], pageSize: number): { rows: OomRow[] | undefined; bad: number } {
  const at = lines.findIndex((line) => TABLE_HEAD.test(line));
  const head = lines[at];
  if (head === undefined) return { rows: undefined, bad: 0 };
  const columns = head.replace(/^\[ *pid *\]/, 'pid').split(/ +/);
  const rows: OomRow[] = [];
  let bad = 0;
  for (const line of lines.slice(at + 1)) {
    if (!line.startsWith('[')) break;
    const row = rowOf(line, columns, pageSize);
    if (row === undefined) bad++;
    else rows.push(row);
  }
  return { rows, bad };
}

function rowOf(line: string, columns: readonly string[], pageSize: number): OomRow | undefined {
  const pid = /^\[ *(\d+)\] +/.exec(line);
  if (pid === null) return undefined;
  const values = new Map<string, number>([['pid', Number(pid[1])]]);
  let rest = line.slice(pid[0].length);
  for (const column of columns.slice(1, -1)) {
    const value = /^ *(-?\d+) /.exec(rest);
    if (value === null) return undefined;
    values.set(column, Number(value[1]));
    rest = rest.slice(value[0].length);
  }
  const [uid, tgid, totalVm, rss] = ['uid', 'tgid', 'total_vm', 'rss'].map((column) => values.get(column));
  if (uid === undefined || tgid === undefined || totalVm === undefined || rss === undefined) return undefined;
  const tables = ['nr_ptes', 'nr_pmds', 'nr_puds'].flatMap((column) => values.get(column) ?? []);
  const counted = tables.length === 0 ? undefined : tables.reduce((sum, count) => sum + count) * pageSize;
  return {
    pid: Number(pid[1]),
    tgid,
    uid,
    totalVm,
    rss,
    rssAnon: values.get('rss_anon'),
    rssFile: values.get('rss_file'),
    rssShmem: values.get('rss_shmem'),
    pageTableBytes: values.get('pgtables_bytes') ?? counted,
    swapEntries: values.get('swapents'),
    oomAdj: values.get('oom_adj'),
    scoreAdj: values.get('oom_score_adj'),
    // A name may begin with blanks: one separates it from the number before.
    comm: rest,
  };
}

function victimsOf(lines: readonly string[]): readonly OomVictim[] {
  const chosen = new Map<number, number>();
  const victims: OomVictim[] = [];
  for (const line of lines) {
    const kill = KILL_PROCESS.exec(line);
    if (kill !== null) {
      chosen.set(Number(kill[1]), Number(kill[3]));
      continue;
    }
    const old = KILLED_OLD.exec(line);
    const killed = old ?? KILLED.exec(line);
    if (killed === null) continue;
    const [pid, comm = '', rest = ''] = old === null ? killed.slice(1) : [old[1], old[3], old[4]];
    const kilobytes = (name: string): number | undefined =>
      integer(new RegExp(`\\b${name}:(\\d{1,15})kB`).exec(rest)?.[1]);
    victims.push({
      pid: Number(pid),
      comm,
      // Where a child is killed in its parent's place, the score is that of the parent.
      score: chosen.get(Number(pid)),
      totalVm: kilobytes('total-vm') ?? kilobytes('vsz'),
      anonRss: kilobytes('anon-rss'),
      fileRss: kilobytes('file-rss'),
      shmemRss: kilobytes('shmem-rss'),
      uid: integer(old?.[2] ?? /\bUID[: ](\d+)/.exec(rest)?.[1]),
      pageTables: kilobytes('pgtables'),
      scoreAdj: integer(/oom_score_adj:(-?\d+)/.exec(rest)?.[1]),
      reaped: undefined,
    });
  }
  return victims;
}

/** oom_reaper is another task, and speaks later; a pid belongs to the last report that killed it before. */
function withReaper(reports: readonly OomReport[], lines: readonly KernelLine[]): readonly OomReport[] {
  const said = new Map<number, 'reaped' | 'unable'>();
  for (const { text } of lines) {
    const found = REAPED.exec(text);
    if (found === null) continue;
    const pid = Number(found[2]);
    // Tried again and again until it gives up; what it reached counts.
    if (found[1]?.startsWith('reaped') === true || !said.has(pid))
      said.set(pid, found[1]?.startsWith('reaped') === true ? 'reaped' : 'unable');
  }
  return reports.map((report) => ({
    ...report,
    victims: report.victims.map((victim) => ({ ...victim, reaped: said.get(victim.pid) })),
  }));
}
