/**
 * `oom`: the machine as the OOM killer sees it. Who would be killed next and why, who is protected by what, who was
 * chosen and has not ended, and what it did before by the log.
 */
import { attempt, UsageError } from '../base/errors.ts';
import { oomCandidatesFact, type OomCandidates, type OomProcess } from '../diagnosis/facts/oom-candidates.ts';
import { oomLogFact } from '../diagnosis/facts/oom-log.ts';
import { EXEMPTIONS } from '../diagnosis/facts/oom-outlook.ts';
import type { AllocationFailure } from '../kernel/allocation-failure.ts';
import type { OomReport } from '../kernel/oom-report.ts';
import { type CommandContext, defineCommand } from '../model/command.ts';
import { type Cell, type Column, type Shape, shown } from '../model/shape.ts';
import { address, byteCount, type Data, duration, name, type Prose, prose, task } from '../model/value.ts';
import type { Program } from '../program/program.ts';
import { parseCount } from '../shell/arguments.ts';
import { kib } from '../shell/format.ts';

const DEFAULT_ROWS = 20;

export default defineCommand({
  name: 'oom',
  summary: 'whom the OOM killer would choose, who is protected, and what it did',
  description: [
    'BADNESS is what the kernel compares: resident pages, swapped pages and page tables, moved by oom_score_adj; SCORE is ' +
      'what /proc/PID/oom_score shows. Both are of the whole machine: a memory cgroup at its limit chooses among its own.',
  ],
  options: [
    { flag: 'a', summary: 'all processes, not only the first 20' },
    { flag: 'r', summary: 'the reports of the log alone, with all rows of their tables' },
    { flag: 'n', value: 'number', kind: 'number', summary: 'so many processes' },
  ],
  arguments: [],
  examples: [
    { line: 'oom', what: 'the next choice, the worst processes, the reports of the log' },
    { line: 'oom -a', what: 'every process with its score' },
    { line: 'oom -r', what: 'what the killer printed, in full' },
  ],
  run(context, args) {
    if (args.has('r')) return reportsShape(context, true);
    const wanted = args.value('n');
    const rows = args.has('a')
      ? Number.MAX_SAFE_INTEGER
      : wanted === undefined
        ? DEFAULT_ROWS
        : parseCount(wanted, 'oom -n');
    if (args.positionals[0] !== undefined) throw new UsageError(`'${args.positionals[0]}': oom takes no arguments`);
    const candidates = context.use(oomCandidatesFact);
    if (candidates.partial) context.problem('a process could not be read: the next choice may be another');
    return {
      shape: 'list',
      items: [
        { shape: 'text', lines: summary(context.program, candidates) },
        processTable(context.program, candidates, rows),
        reportsShape(context, false),
      ],
    };
  },
});

/** The settings and the next choice in sentences. */
function summary(program: Program, { next, waitsFor, victims, totalPages }: OomCandidates): readonly Prose[] {
  const lines: Prose[] = [];
  if (totalPages === undefined) lines.push(['Nobody is judged: how much memory there is cannot be read.']);
  else if (waitsFor !== undefined)
    lines.push(
      prose`The killer waits for ${task(waitsFor.task)}, which it chose before (state ${waitsFor.task.state.letter}); nobody else is chosen until that ends or is given up.`,
    );
  else if (next === undefined) lines.push(['There is nobody whom it may kill: the kernel would panic.']);
  else
    lines.push(
      prose`Next choice: ${task(next.task)}, ${byteCount((next.standing.pages ?? 0) * program.pageSize)}, oom_score_adj ${String(next.standing.scoreAdj)}.`,
    );
  for (const victim of victims)
    if (victim !== waitsFor)
      lines.push(
        prose`Chosen before: ${task(victim.task)}, ${victim.standing.exemption === 'skip' ? 'emptied or given up' : 'which has no memory any more'}.`,
      );
  const settings = ['panic_on_oom', 'oom_kill_allocating_task'].flatMap((setting) => {
    // Behind a macro since 3.x: sysctl_panic_on_oom, sysctl_oom_kill_allocating_task.
    const value = attempt(() => program.memory.readS32(program.symbol(`sysctl_${setting}`).address));
    return value === undefined ? [] : [`vm.${setting} = ${value}`];
  });
  if (settings.length > 0) lines.push([`${settings.join(', ')}.`]);
  return lines;
}

const COLUMNS: readonly Column[] = [
  { key: 'pid', label: 'PID', align: 'right' },
  { key: 'task', label: 'TASK', align: 'left' },
  { key: 'state', label: 'ST', align: 'left' },
  { key: 'score', label: 'SCORE', align: 'right' },
  { key: 'adj', label: 'ADJ', align: 'right' },
  { key: 'badness', label: 'BADNESS', align: 'right' },
  { key: 'kib', label: 'KIB', align: 'right' },
  { key: 'protected', label: 'PROTECTED BY', align: 'left' },
  { key: 'comm', label: 'COMM', align: 'left' },
];

function processTable(program: Program, { killable, exempt }: OomCandidates, rows: number): Shape {
  const all = [...killable, ...exempt];
  // By size: who is largest must be seen, protected or not.
  const sizeOf = (process: OomProcess): number => process.standing.pages ?? 0;
  const sorted = all.sort((a, b) => sizeOf(b) - sizeOf(a));
  return {
    shape: 'table',
    title: sorted.length > rows ? `The largest ${rows} of ${sorted.length} processes` : `${sorted.length} processes`,
    columns: COLUMNS,
    rows: sorted.slice(0, rows).map((process) => rowOf(program, process)),
  };
}

function rowOf(program: Program, { task: leader, standing }: OomProcess): readonly Cell[] {
  const size = (standing.pages ?? 0) * program.pageSize;
  const { exemption } = standing;
  return [
    leader.pid,
    address(leader.address),
    leader.state.letter,
    standing.score,
    standing.scoreAdj,
    standing.badness,
    shown(String(kib(size)), byteCount(size)),
    exemption === undefined ? '' : EXEMPTIONS[exemption].cell,
    name(leader.comm),
  ];
}

function reportsShape(context: CommandContext, full: boolean): Shape {
  const { reports, failures } = context.use(oomLogFact);
  const { pageSize } = context.program;
  return {
    shape: 'lines',
    lines: logLines(reports, failures, full),
    data: () => ({ reports: reports.map((report) => reportData(report, pageSize)), failures: failures.length }),
  };
}

function* logLines(
  reports: readonly OomReport[],
  failures: readonly AllocationFailure[],
  full: boolean,
): Generator<string> {
  yield `${reports.length} reports of the OOM killer and ${failures.length} failed allocations in the log`;
  for (const report of reports) yield* reportLines(report, full);
  for (const { timeNs, stalledMs, atomic, comm, order, gfpFlags, gfpMask } of failures) {
    const kind = stalledMs === undefined ? 'failed' : `stalled for ${stalledMs} ms`;
    const wait = atomic === true ? ', could not wait' : '';
    const flags = gfpFlags ?? `0x${gfpMask.toString(16)}`;
    yield `${stamp(timeNs)}${comm}: allocation of order ${order} ${kind}${wait} (${flags})`;
  }
}

function stamp(timeNs: bigint | undefined): string {
  if (timeNs === undefined) return '';
  return `[${String(timeNs / 1_000_000_000n).padStart(5)}.${String((timeNs % 1_000_000_000n) / 1000n).padStart(6, '0')}] `;
}

function* reportLines(report: OomReport, full: boolean): Generator<string> {
  const { invoker, memcg, victims, table } = report;
  const where = memcg === undefined ? 'the machine' : `the memory cgroup ${memcg.path}`;
  yield `${stamp(report.timeNs)}${invoker.comm} (${invoker.pid ?? '?'}) asked for order ${invoker.order}; ${where} was out of memory`;
  for (const victim of victims) {
    const anon = victim.anonRss === undefined ? '' : `, ${victim.anonRss} kB anonymous`;
    const reaped = victim.reaped === undefined ? '' : victim.reaped === 'reaped' ? ', reaped' : ', could not be reaped';
    yield `    killed ${victim.pid} (${victim.comm})${anon}${reaped}`;
  }
  if (victims.length === 0) yield `    ${OUTCOME[report.outcome]}`;
  if (!full || table === undefined) return;
  yield `    ${'PID'.padStart(7)} ${'ADJ'.padStart(5)} ${'RSS'.padStart(9)} ${'SWAP'.padStart(9)}  COMM    (pages)`;
  for (const row of table) {
    const cells = [[row.scoreAdj, 5] as const, [row.rss, 9] as const, [row.swapEntries, 9] as const];
    const text = cells.map(([value, width]) => String(value ?? '-').padStart(width)).join(' ');
    yield `    ${String(row.pid).padStart(7)} ${text}  ${row.comm}`;
  }
}

const OUTCOME: Readonly<Record<OomReport['outcome'], string>> = {
  killed: 'killed',
  panic: 'the kernel panicked',
  'no-victim': 'found nobody to kill',
  unknown: 'how it ended is not in the log',
};

function reportData(report: OomReport, pageSize: number): Data {
  const { invoker, memcg } = report;
  return {
    time: report.timeNs === undefined ? undefined : duration(report.timeNs),
    invoker: { comm: name(invoker.comm), pid: invoker.pid, order: invoker.order, gfpMask: invoker.gfpMask },
    constraint: report.constraint,
    memcg: memcg === undefined ? undefined : { path: name(memcg.path), usageKb: memcg.usage, limitKb: memcg.limit },
    outcome: report.outcome,
    victims: report.victims.map(({ pid, comm, score, anonRss, reaped }) => ({
      pid,
      comm: name(comm),
      score,
      anonRssKb: anonRss,
      reaped,
    })),
    table: report.table?.map((row) => ({
      pid: row.pid,
      comm: name(row.comm),
      rss: byteCount(row.rss * pageSize),
      swap: row.swapEntries === undefined ? undefined : byteCount(row.swapEntries * pageSize),
      pageTables: row.pageTableBytes === undefined ? undefined : byteCount(row.pageTableBytes),
      oomScoreAdj: row.scoreAdj,
    })),
  };
}
