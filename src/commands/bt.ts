/**
 * `bt`: kernel stacks. Frames follow the kernel's own unwind tables; of a task that a CPU was running they begin at the
 * registers that this CPU saved, so that neither guessed frames nor those of the NMI that stopped it are shown.
 */
import { add, type VirtAddr, virt } from '../base/address.ts';
import { attempt, UsageError } from '../base/errors.ts';
import { tasksFact } from '../diagnosis/facts/tasks.ts';
import { cpus } from '../kernel/cpus.ts';
import type { Task } from '../kernel/sched.ts';
import { cpuStates, stackArea, stackFrom, taskStack, type TaskStack } from '../kernel/stack.ts';
import { type CommandArguments, type CommandContext, defineCommand } from '../model/command.ts';
import type { Shape, TextLine } from '../model/shape.ts';
import { parseCpus } from '../shell/arguments.ts';
import { symbolText } from '../shell/c-value.ts';
import { addressArgument } from '../shell/expression.ts';
import { hex16 } from '../shell/format.ts';
import { dumpRows, WORDS } from '../shell/memory-dump.ts';
import {
  cpuStackData,
  cpuStackLines,
  exceptionData,
  exceptionLines,
  oldFrameData,
  oldFrameLines,
} from '../shell/stack-scan.ts';
import {
  nameOf,
  registerLines,
  registersAt,
  slotOf,
  stackData,
  stackLines,
  type StackOptions,
  textLines,
  userRegistersAt,
} from '../shell/stack-view.ts';
import {
  activeTask,
  currentTask,
  inOrder,
  orderedTasks,
  panicTask,
  taskArguments,
  taskData,
  taskHeader,
} from '../shell/tasks.ts';

export default defineCommand({
  name: 'bt',
  summary: 'kernel stacks',
  options: [
    { flag: 'a', summary: 'of the tasks that the CPUs were running' },
    { flag: 'c', value: 'cpus', kind: 'cpus', summary: 'of the tasks that these CPUs were running' },
    { flag: 'p', summary: 'of the task that crashed' },
    { flag: 'n', value: 'idle', summary: 'with -a or -c: leave out idle tasks' },
    { flag: 'g', summary: 'of all threads of the process' },
    { flag: 'f', summary: 'the words of each frame' },
    { flag: 'F', summary: 'the words of each frame, as symbols and [slab caches]; -FF with addresses' },
    { flag: 's', summary: 'offsets in the functions' },
    { flag: 'x', summary: 'offsets in hex' },
    { flag: 'd', summary: 'offsets in decimal' },
    { flag: 't', summary: 'all words of the stack that point into code, from where the task left off' },
    { flag: 'T', summary: 'all words of the whole stack that point into code' },
    { flag: 'r', summary: 'the raw stack' },
    { flag: 'e', summary: 'registers that exceptions and system calls saved, old ones too' },
    { flag: 'E', summary: 'the same on the stacks of interrupts and exceptions of the CPUs' },
    { flag: 'o', summary: 'every return address from where the task left off: frames, and what older calls left' },
    {
      flag: 'S',
      value: 'sp',
      kind: 'address',
      summary: 'frames from this stack pointer, or from a return address there',
    },
    { flag: 'I', value: 'ip', kind: 'address', summary: 'with -S: the instruction at which that function stands' },
    { flag: 'R', value: 'symbol | address', kind: 'symbol', summary: 'only stacks with this function, or this word' },
    { flag: 'v', summary: 'which stacks have overflowed' },
    { flag: 'L', summary: 'parameters (in brackets) and locals of each function, where a vmlinux was given' },
    { flag: 'l', summary: 'lines of source, where a vmlinux was given (docs/debuginfo.md)' },
  ],
  arguments: [{ name: 'pid | task | command', kinds: ['task'], optional: true, repeated: true }],
  examples: [
    { line: 'bt 96', what: 'one task' },
    { line: 'bt -a', what: 'what every CPU was doing' },
    { line: 'bt -FF 101', what: 'words of each frame: locks and other objects that it has' },
    { line: 'foreach UN bt', what: 'all tasks in uninterruptible sleep' },
  ],
  run(context, args) {
    if (args.has('v')) return overflows(context);
    const wanted = [...(args.has('l') ? ['lines of source'] : []), ...(args.has('L') ? ['locals'] : [])];
    if (wanted.length > 0 && context.program.debugFile === undefined)
      context.problem(
        `${wanted.join(' and ')} are not known: the dump has none, and no vmlinux with debug information was given`,
      );
    if (args.has('E')) return stacksOfCpus(context, args);
    const tasks = chosen(context, args);
    const view = viewOf(args);
    const reference = args.value('R');
    const filter = reference === undefined ? undefined : references(context, reference);
    const states = cpuStates(context.program);
    const start = args.value('S') === undefined && args.value('I') === undefined ? undefined : startOf(context, args);
    const stackOf = (task: Task): TaskStack =>
      start === undefined ? ownStack(task) : stackFrom(context.program, task.address, start.pc, start.sp);
    const ownStack = (task: Task): TaskStack => taskStack(context.program, task, states, { registers: args.has('L') });
    return {
      shape: 'lines',
      lines: lines(context, args, tasks, view, stackOf, filter),
      data: () =>
        tasks.map((task) => {
          const stack = stackOf(task);
          return {
            ...taskData(task),
            ...(stackData(stack) as object),
            ...(view === 'e' ? { exceptions: exceptionData(context, task, stack) } : {}),
            ...(view === 'o' ? { old: oldFrameData(context, task, stack) } : {}),
          };
        }),
    };
  },
});

/** Where frames begin that the user chose. @throws UsageError */
function startOf(
  { program }: CommandContext,
  args: CommandArguments,
): { readonly pc: VirtAddr; readonly sp: VirtAddr } {
  const text = args.value('S');
  if (text === undefined) throw new UsageError('-I needs a stack pointer, too: -S sp');
  const sp = addressArgument(program, text);
  const ip = args.value('I');
  if (ip !== undefined) return { pc: addressArgument(program, ip), sp };
  const pc = attempt(() => program.memory.readPointer(sp));
  if (pc === undefined || !program.isText(pc))
    throw new UsageError(`-S ${text}: there is no return address; give the instruction with -I`);
  return { pc, sp: add(sp, 8) };
}

/** `-E`, of all CPUs or those of `-c`. */
function stacksOfCpus(context: CommandContext, args: CommandArguments): Shape {
  const all = cpus(context.program, 'online');
  const list = args.value('c');
  const wanted = list === undefined ? all : parseCpus(list, all);
  return { shape: 'lines', lines: cpuStackLines(context, wanted), data: () => cpuStackData(context, wanted) };
}

type View = 'frames' | 't' | 'T' | 'r' | 'e' | 'o';

function viewOf(args: CommandArguments): View {
  const views = (['t', 'T', 'r', 'e', 'o'] as const).filter((flag) => args.has(flag));
  if (views.length > 1) throw new UsageError(`-${views.join(' and -')} are different views; give one of them`);
  return views[0] ?? 'frames';
}

function chosen(context: CommandContext, args: CommandArguments): readonly Task[] {
  const idle = args.value('n');
  if (idle !== undefined && idle !== 'idle') throw new UsageError(`-n ${idle}: only idle can be left out`);
  const keep = (tasks: readonly (Task | undefined)[]): readonly Task[] =>
    tasks.filter((task) => task !== undefined).filter((task) => idle === undefined || !task.idle);
  const all = cpus(context.program, 'online');
  if (args.has('a')) return keep(all.map((cpu) => activeTask(context, cpu)));
  const list = args.value('c');
  if (list !== undefined) return keep(parseCpus(list, all).map((cpu) => activeTask(context, cpu)));
  if (args.has('p')) {
    const task = panicTask(context);
    if (task === undefined) throw new UsageError('the dump does not tell which CPU crashed');
    return [task];
  }
  const tasks = taskArguments(context, args.positionals, args.raws) ?? [currentTask(context)];
  if (!args.has('g')) return tasks;
  const groups = new Set(tasks.map((task) => task.tgid));
  return inOrder(context.use(tasksFact).tasks.filter((task) => groups.has(task.tgid) && !task.idle));
}

/** Whether a stack mentions a function by name, or a word by its value. */
function references(context: CommandContext, text: string): (task: Task, stack: TaskStack) => boolean {
  const { program } = context;
  if (/^[A-Za-z_]/.test(text) && program.symbols.lookup(text, { modules: true }) !== undefined) {
    return (_task, stack) => stack.frames.some((frame) => frame.symbol?.name === text || frame.func === text);
  }
  const wanted = addressArgument(program, text);
  return (task) => {
    const area = attempt(() => stackArea(program, task.address));
    const bytes = area === undefined ? undefined : attempt(() => program.memory.readBytes(area.start, area.size));
    if (bytes === undefined) return false;
    return new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.length >> 3).includes(wanted);
  };
}

function* lines(
  context: CommandContext,
  args: CommandArguments,
  tasks: readonly Task[],
  view: View,
  stackOf: (task: Task) => TaskStack,
  filter: ((task: Task, stack: TaskStack) => boolean) | undefined,
): Generator<TextLine> {
  const words = args.count('F') > 1 ? 3 : args.has('F') ? 2 : args.has('f') ? 1 : 0;
  const offsets = args.has('x') ? 16 : args.has('s') || args.has('d') ? 10 : undefined;
  const source = args.has('l');
  const locals = args.has('L');
  let first = true;
  for (const task of tasks) {
    context.budget.check();
    const stack = stackOf(task);
    if (filter !== undefined && !filter(task, stack)) continue;
    if (!first) yield '';
    first = false;
    yield taskHeader(task);
    yield* body(context, task, stack, view, { words, offsets, source, locals });
  }
}

function* body(
  context: CommandContext,
  task: Task,
  stack: TaskStack,
  view: View,
  options: StackOptions,
): Generator<TextLine> {
  const { program } = context;
  if (view === 'frames') {
    if (stack.frames.length === 0 && stack.end === 'user') yield '    (it was in user mode)';
    yield* stackLines(context, task, stack, options);
    return;
  }
  const area = attempt(() => stackArea(program, task.address));
  if (area === undefined) {
    context.problem(`stack of pid ${task.pid}: it cannot be found`);
    return;
  }
  if (view === 'r') {
    const name = (word: bigint): string | undefined => symbolText(program, virt(word));
    const format = { ...WORDS, text: false, name };
    yield* dumpRows(area.start, area.size / 8, format, (at, length) => program.memory.readBytes(at, length));
    return;
  }
  if (view === 'e') yield* exceptionLines(context, stack, area);
  if (view === 'o') yield* oldFrameLines(context, stack, area, options.offsets);
  if (view === 'e' || view === 'o') return;
  const user = userRegistersAt(program, stack, area);
  const userRegisters = user === undefined ? undefined : registersAt(program, user);
  const [top] = stack.frames;
  if (view === 't' && top !== undefined)
    yield `              START: ${nameOf(top, options.offsets)} at ${hex16(top.pc)}`;
  const from: VirtAddr = view === 't' && top !== undefined ? slotOf(top) : area.start;
  yield* textLines(program, area, from, options.offsets);
  if (userRegisters !== undefined) yield* registerLines(userRegisters);
}

/** STACK_END_MAGIC, include/uapi/linux/magic.h: the last word of a kernel stack that has not overflowed. */
const STACK_END_MAGIC = 0x57ac6e9dn;

function overflows(context: CommandContext): Shape {
  const { program, budget } = context;
  const found: Task[] = [];
  for (const task of orderedTasks(context)) {
    budget.check();
    const area = attempt(() => stackArea(program, task.address));
    if (area === undefined) continue;
    const word = attempt(() => program.memory.readU64(area.start));
    // The stack of the first task begins where the image ends it; it may have no mark before 4.9.
    if (word === undefined) context.problem(`stack of pid ${task.pid}: its end cannot be read`);
    else if (word !== STACK_END_MAGIC) found.push(task);
  }
  const text: TextLine[] =
    found.length === 0
      ? ['No stack overflows detected']
      : found.flatMap((task) => [taskHeader(task), '  its end is overwritten']);
  return { shape: 'lines', lines: text, data: () => found.map(taskData) };
}
