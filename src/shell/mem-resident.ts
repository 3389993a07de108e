/**
 * `mem --by process` and its sums: what programs have resident, by one walk over their page tables. RSS counts a page in each
 * program that maps it; PSS shares it among them, so that PSS adds up.
 */
import { attempt } from '../base/errors.ts';
import { memcgsFact } from '../diagnosis/facts/memcgs.ts';
import { type Resident, residentFact, type ResidentProcess } from '../diagnosis/facts/resident.ts';
import { tasksFact } from '../diagnosis/facts/tasks.ts';
import type { CommandContext } from '../model/command.ts';
import type { Cell, Column, Shape } from '../model/shape.ts';
import { address, byteCount, name } from '../model/value.ts';
import type { Program } from '../program/program.ts';
import type { MemView } from './mem-views.ts';

const SIZES: readonly Column[] = [
  { key: 'pss', label: 'PSS', align: 'right' },
  { key: 'uss', label: 'USS', align: 'right' },
  { key: 'rss', label: 'RSS', align: 'right' },
  { key: 'swap', label: 'SWAP', align: 'right' },
  { key: 'tables', label: 'TABLES', align: 'right' },
];

const HUGETLB: Column = { key: 'hugetlb', label: 'HUGETLB', align: 'right' };

interface Sum {
  hugetlb: number;
  processes: number;
  pss: number;
  uss: number;
  rss: number;
  swap: number;
  tables: number;
}

function sumOf(processes: readonly ResidentProcess[], pageSize: number): Sum {
  const sum: Sum = { processes: processes.length, pss: 0, uss: 0, rss: 0, swap: 0, tables: 0, hugetlb: 0 };
  for (const { pss, uss, rss, swap, tables, hugetlb } of processes) {
    sum.hugetlb += hugetlb;
    sum.pss += pss;
    sum.uss += uss;
    sum.rss += rss;
    sum.swap += swap;
    sum.tables += tables * pageSize;
  }
  return sum;
}

/** With a column for hugetlb where some program has such pages. */
function sizesOf({ processes }: Resident): readonly Column[] {
  return processes.some(({ hugetlb }) => hugetlb > 0) ? [...SIZES, HUGETLB] : SIZES;
}

function cells(columns: readonly Column[], sum: Omit<Sum, 'processes'>): readonly Cell[] {
  const { pss, uss, rss, swap, tables, hugetlb } = sum;
  return [pss, uss, rss, swap, tables, hugetlb].slice(0, columns.length).map((bytes) => byteCount(bytes));
}

/** What all have together, beside the sum that counts shared memory many times. */
function total({ unique, sum, processes, unread }: Resident): Shape {
  const off = unique === 0 ? '' : ` (${(sum / unique).toFixed(2)} times as much)`;
  const missing = unread === 0 ? '' : `; the page tables of ${unread} more could not be read`;
  return {
    shape: 'text',
    lines: [
      [
        `${processes.length} programs have `,
        byteCount(unique),
        ' resident, each page once; the sum of their RSS is ',
        byteCount(sum),
        `${off}${missing}.`,
      ],
    ],
  };
}

function noteLost(context: CommandContext, { processes, unread }: Resident): void {
  const lost = processes.filter(({ lostTables }) => lostTables > 0).length;
  if (lost > 0) context.problem(`page tables of ${lost} programs are not all in the dump: they have at least so much`);
  if (unread > 0) context.problem(`the page tables of ${unread} programs could not be read`);
  if (lost + unread > 0 && processes.length > 0)
    context.problem('what these share with others counts for the others alone: their PSS and USS are at most so much');
}

const byProcess: MemView = {
  key: 'process',
  summary: 'what each program has resident: alone (USS), its share (PSS), mapped (RSS)',
  run(context) {
    const resident = context.use(residentFact);
    noteLost(context, resident);
    const { pageSize } = context.program;
    return {
      shape: 'list',
      items: [
        {
          shape: 'table',
          columns: [
            ...sizesOf(resident),
            { key: 'pid', label: 'PID', align: 'right' },
            { key: 'task', label: 'TASK', align: 'left' },
            { key: 'comm', label: 'COMM', align: 'left' },
          ],
          rows: resident.processes.map((process) => [
            ...cells(sizesOf(resident), { ...process, tables: process.tables * pageSize }),
            process.task.tgid,
            address(process.task.address),
            name(process.task.comm),
          ]),
        },
        total(resident),
      ],
    };
  },
};

/** @param keyOf - the group of a program, in words */
function grouped(
  key: string,
  label: string,
  summary: string,
  keyOf: (context: CommandContext) => (process: ResidentProcess) => string,
): MemView {
  return {
    key,
    summary,
    run(context) {
      const resident = context.use(residentFact);
      noteLost(context, resident);
      const groups = Map.groupBy(resident.processes, keyOf(context));
      const rows = [...groups]
        .map(([group, processes]) => ({ group, ...sumOf(processes, context.program.pageSize) }))
        .sort((a, b) => b.pss - a.pss);
      return {
        shape: 'list',
        items: [
          {
            shape: 'table',
            columns: [
              ...sizesOf(resident),
              { key: 'processes', label: 'PROGRAMS', align: 'right' },
              { key, label, align: 'left' },
            ],
            rows: rows.map((row) => [...cells(sizesOf(resident), row), row.processes, name(row.group)]),
          },
          total(resident),
        ],
      };
    },
  };
}

const byCommand = grouped(
  'command',
  'COMMAND',
  'the same by command name',
  () =>
    ({ task }) =>
      task.comm,
);

const byLauncher = grouped('launcher', 'STARTED BY', 'the same by who started them', (context) => {
  const { parentOf } = context.use(tasksFact);
  return ({ task }) => {
    const parent = parentOf(task);
    if (parent === undefined) return '(not known)';
    return parent.pid <= 1 ? `${parent.comm} (it, or one that is gone)` : `${parent.comm} (${parent.pid})`;
  };
});

const byCgroup = grouped('cgroup', 'MEMORY CGROUP', 'the same by memory cgroup', (context) => {
  const memcgs = context.use(memcgsFact);
  return ({ task }) => memcgs.of(task)?.path ?? '(not known)';
});

const byUser = grouped('user', 'UID', 'the same by user', ({ program }) => {
  return ({ task }) => String(attempt(() => uidOf(program, task.address)) ?? '(not known)');
});

/** `kuid_t uid` of `struct cred`; a plain uid_t until 3.4. */
function uidOf(program: Program, task: ResidentProcess['task']['address']): number {
  const cred = program.field('struct task_struct', 'cred').pointer(task);
  return program.firstField('struct cred', ['uid.val', 'uid']).number(cred);
}

export const residentViews: readonly MemView[] = [byProcess, byCommand, byLauncher, byCgroup, byUser];
