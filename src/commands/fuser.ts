/** `fuser`: the tasks that use a file: open, mapped, as working or root directory. */
import { parseAddress, type VirtAddr } from '../base/address.ts';
import { attempt, UsageError } from '../base/errors.ts';
import { fileInode, openFiles, taskDirectories } from '../kernel/files.ts';
import type { Task } from '../kernel/sched.ts';
import { vmasOf } from '../kernel/vma.ts';
import { type CommandContext, defineCommand } from '../model/command.ts';
import { shown } from '../model/shape.ts';
import { address, name } from '../model/value.ts';
import { hex16 } from '../shell/format.ts';
import { pathText } from '../shell/file-type.ts';
import { vmaFile } from '../shell/page-tables.ts';
import { orderedTasks } from '../shell/tasks.ts';

export default defineCommand({
  name: 'fuser',
  summary: 'the tasks that use a file',
  options: [],
  arguments: [{ name: 'path | inode', kinds: ['path', 'address'] }],
  examples: [
    { line: 'fuser /dev/null', what: 'by path' },
    { line: 'fuser ffff8889811d5f30', what: 'by the address of its inode' },
  ],
  run(context, args) {
    const [wanted, more] = args.positionals;
    if (wanted === undefined || more !== undefined) throw new UsageError('usage: fuser path | inode');
    const inode = wanted.startsWith('/') ? undefined : parseAddress(wanted);
    const rows = orderedTasks(context).flatMap((task) => {
      context.budget.check();
      const uses = usesOf(context, task, wanted, inode);
      return uses.length === 0 ? [] : [{ task, uses }];
    });
    if (rows.length === 0) throw new UsageError(`no task uses ${wanted}`);
    return {
      shape: 'table',
      header: ' PID         TASK        COMM             USAGE',
      columns: [
        { key: 'pid', label: 'PID', align: 'right', width: 5 },
        { key: 'task', label: 'TASK', align: 'left', width: 16 },
        { key: 'comm', label: 'COMM', align: 'left', width: 16 },
        { key: 'usage', label: 'USAGE', align: 'left', gap: 1 },
      ],
      rows: rows.map(({ task, uses }) => [
        task.pid,
        shown(hex16(task.address), address(task.address)),
        shown(`"${task.comm}"`, name(task.comm)),
        uses.join(' '),
      ]),
    };
  },
});

function usesOf(
  { program, problem }: CommandContext,
  task: Task,
  wanted: string,
  inode: VirtAddr | undefined,
): readonly string[] {
  const uses: string[] = [];
  const is = (path: Parameters<typeof pathText>[0] | undefined): boolean =>
    path !== undefined && (path.text === wanted || pathText(path) === wanted);
  const directories = attempt(() => taskDirectories(program, task.address));
  if (is(directories?.root)) uses.push('root');
  if (is(directories?.working)) uses.push('cwd');
  const files = attempt(() => openFiles(program, task.address) ?? 'none');
  if (files === undefined) problem(`the open files of ${task.comm} (pid ${task.pid}) cannot be read`);
  const open = files === undefined || files === 'none' ? [] : files.open;
  if (open.some((file) => (inode === undefined ? is(file.path) : file.inode === inode))) uses.push('fd');
  const { mm, kthread } = task;
  const { vmas } = mm === undefined || kthread ? { vmas: [] } : vmasOf(program, mm);
  const mapped = vmas.some((vma) => {
    const { file } = vma;
    if (file === undefined) return false;
    return inode === undefined ? vmaFile(program, vma) === wanted : attempt(() => fileInode(program, file)) === inode;
  });
  if (mapped) uses.push('mmap');
  return uses;
}
