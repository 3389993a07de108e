/** `vtop`: an address through the page tables, level by level, and the page that it leads to. */
import { isKernel, pageNumber, parseAddress, pfn, type VirtAddr } from '../base/address.ts';
import { attempt, UsageError } from '../base/errors.ts';
import { kernelTable, type TableWalk, walkTables } from '../kernel/page-tables.ts';
import type { Task } from '../kernel/sched.ts';
import { vmaAt } from '../kernel/vma.ts';
import { type CommandContext, defineCommand } from '../model/command.ts';
import type { Shape, TextLine } from '../model/shape.ts';
import { address, type Data, name } from '../model/value.ts';
import { addressArgument } from '../shell/expression.ts';
import { pageLines } from '../shell/kmem-pages.ts';
import { absentText, entryLines, VMA_HEADER, vmaFile, vmaLine } from '../shell/page-tables.ts';
import { currentTask, oneTask } from '../shell/tasks.ts';

export default defineCommand({
  name: 'vtop',
  summary: 'virtual to physical, through the page tables',
  description: ['An address in the lower half is of the chosen task, unless -c names one.'],
  options: [
    { flag: 'u', summary: 'addresses of user space' },
    { flag: 'k', summary: 'addresses of the kernel' },
    { flag: 'c', value: 'pid | task', kind: 'task', summary: 'through the tables of this task' },
  ],
  arguments: [{ name: 'address | symbol', kinds: ['symbol', 'address'], repeated: true }],
  examples: [
    { line: 'vtop init_task', what: 'of a variable of the kernel' },
    { line: 'vtop -c 96 400000', what: 'of a task' },
  ],
  run(context, args) {
    const [first] = args.positionals;
    if (first === undefined) throw new UsageError('usage: vtop [-u | -k] [-c task] address ...');
    if (args.has('u') && args.has('k')) throw new UsageError('-u and -k exclude each other');
    const named = args.value('c');
    const task = named === undefined ? undefined : oneTask(context, named, named);
    return {
      shape: 'list',
      items: args.positionals.map((text) => {
        const at = args.has('u') ? parseAddress(text) : addressArgument(context.program, text);
        if (at === undefined) throw new UsageError(`'${text}' is no address`);
        const user = args.has('u') || (!args.has('k') && !isKernel(at));
        return user ? ofUser(context, at, task ?? currentTask(context)) : ofKernel(context, at);
      }),
    };
  },
});

function ofKernel(context: CommandContext, at: VirtAddr): Shape {
  const { program } = context;
  const pgd = kernelTable(program);
  const walk = walkTables(program, pgd, at);
  const lines: TextLine[] = [];
  const physical = walk.mapped?.physical.toString(16) ?? '(not mapped)';
  lines.push('VIRTUAL           PHYSICAL', `${at.toString(16).padEnd(16)}  ${physical}`, '');
  const [top, ...others] = walk.steps;
  lines.push(`PGD DIRECTORY: ${pgd.toString(16)}`, `PAGE DIRECTORY: ${top?.entry.toString(16)}`);
  lines.push(...others.map(step), ...target(context, walk));
  return { shape: 'lines', lines, data: () => dataOf(at, walk) };
}

function ofUser(context: CommandContext, at: VirtAddr, task: Task): Shape {
  const { program } = context;
  const { mm, comm, pid } = task;
  if (mm === undefined || task.kthread)
    throw new UsageError(`${comm} (pid ${pid}) has no memory in user space; choose a task with set, or with -c`);
  const vma = attempt(() => vmaAt(program, mm, at));
  const walk = walkTables(program, program.field('struct mm_struct', 'pgd').pointer(mm), at);
  const { mapped } = walk;
  // Without a mapping, and not mapped: no access could make it so.
  const nowhere = vma === undefined && mapped === undefined;
  const physical = mapped?.physical.toString(16) ?? (nowhere ? '(not accessible)' : '(not mapped)');
  const lines: TextLine[] = ['VIRTUAL     PHYSICAL', `${at.toString(16).padEnd(10)}  ${physical}`];
  if (!nowhere) {
    lines.push('', ...walk.steps.map(step));
    if (mapped !== undefined) lines.push(...pageStep(walk), '', ...entryLines(mapped.entry, mapped.page, mapped.size));
    if (vma !== undefined) lines.push('', VMA_HEADER, vmaLine(program, vma));
    if (mapped !== undefined) lines.push(...page(context, walk));
    else {
      const text = absentText(program, vma, at, walk.absent);
      if (text !== '(not mapped)') lines.push('', text);
    }
  }
  return {
    shape: 'lines',
    lines,
    data: () => ({
      ...dataOf(at, walk),
      vma: vma === undefined ? undefined : address(vma.vma),
      file: vma?.file === undefined ? undefined : name(vmaFile(program, vma)),
    }),
  };
}

function step({ level, at, entry }: TableWalk['steps'][number]): TextLine {
  return `   ${level}: ${at.toString(16)} => ${entry.toString(16)}`;
}

function pageStep({ mapped }: TableWalk): readonly TextLine[] {
  if (mapped === undefined) return [];
  const size = mapped.size === 4096 ? '' : mapped.size === 1 << 21 ? '  (2MB)' : '  (1GB)';
  return [`  PAGE: ${mapped.page.toString(16)}${size}`];
}

/** The mapped page with the flags of its entry, and its page structure. */
function target(context: CommandContext, walk: TableWalk): readonly TextLine[] {
  const { mapped } = walk;
  if (mapped === undefined) return [];
  return [...pageStep(walk), '', ...entryLines(mapped.entry, mapped.page, mapped.size), ...page(context, walk)];
}

function page({ program, problem }: CommandContext, { mapped }: TableWalk): readonly TextLine[] {
  if (mapped === undefined) return [];
  const frame = pfn(pageNumber(mapped.physical, Math.log2(program.pageSize)));
  const lines = attempt(() => pageLines(program, frame));
  // Device memory has none.
  if (lines === undefined && frame < program.dump.maxPfn)
    problem(`the page structure of ${mapped.physical.toString(16)} is not in the dump`);
  return lines === undefined ? [] : ['', ...lines];
}

function dataOf(at: VirtAddr, { steps, mapped, absent }: TableWalk): { readonly [key: string]: Data } {
  const hex = (value: bigint): string => `0x${value.toString(16)}`;
  return {
    address: address(at),
    physical: mapped && hex(mapped.physical),
    page_size: mapped?.size,
    tables: steps.map(({ level, at: place, entry }) => ({ level, at: hex(place), entry: hex(entry) })),
    absent: absent === undefined ? undefined : hex(absent),
  };
}
