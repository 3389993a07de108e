/** `struct`: the definition of a struct or union, or what one holds at an address; the word may be left out. */
import { add, type VirtAddr } from '../base/address.ts';
import { UsageError } from '../base/errors.ts';
import { cpus } from '../kernel/cpus.ts';
import { type CommandArguments, type CommandContext, defineCommand } from '../model/command.ts';
import type { Shape, TextLine } from '../model/shape.ts';
import type { Data } from '../model/value.ts';
import type { VirtualMemory } from '../program/virtual-memory.ts';
import { parseCount, parseCpus } from '../shell/arguments.ts';
import { addressArgument } from '../shell/expression.ts';
import { dumpRows, WORDS } from '../shell/memory-dump.ts';
import {
  definitionLines,
  memberLines,
  offsetArgument,
  pointedLines,
  type PrintOptions,
  structData,
  structLines,
  type StructSpec,
  structSpec,
} from '../shell/struct-view.ts';
import { currentTask } from '../shell/tasks.ts';
import { userMemory } from '../shell/user-memory.ts';

export default defineCommand({
  name: 'struct',
  aliases: ['*', 'size'],
  summary: 'the definition of a struct, or what it holds at an address',
  description: [
    'TYPE is a struct, union or typedef; .MEMBER shows one member, or several with commas, also nested (se.exec_start) or of an ' +
      'array (comm[0]). The address may be a symbol, symbol:CPUS of a per-CPU variable, or an expression. A member is found ' +
      'under its former name as well: task_struct.state is __state since 5.14.',
  ],
  options: [
    { flag: 'o', summary: 'offsets of the members; with an address, their addresses' },
    { flag: 'l', value: 'offset', kind: 'member', summary: 'the address is that of a member: bytes, or TYPE.MEMBER' },
    { flag: 'r', summary: 'raw memory instead of members' },
    { flag: 'p', summary: 'what a member points to as well' },
    { flag: 'u', summary: 'in the user memory of the chosen task' },
    { flag: 'x', summary: 'numbers in hex' },
    { flag: 'd', summary: 'numbers in decimal' },
    {
      flag: 'c',
      value: 'count',
      kind: 'number',
      summary: 'so many, one behind the other; negative: before the address',
    },
  ],
  arguments: [
    { name: 'TYPE[.MEMBER[,MEMBER]]', kinds: ['type', 'member'] },
    { name: 'address | symbol[:cpus]', kinds: ['symbol', 'address'], optional: true },
    { name: 'count', kinds: ['number'], optional: true },
  ],
  examples: [
    { line: 'struct list_head', what: 'its definition' },
    { line: 'struct mm_struct -o', what: 'with offsets' },
    { line: 'task_struct.pid,comm,state ffff88899fc4a0c0', what: 'three members of a task' },
    { line: 'struct rq.nr_running,curr runqueues:a', what: 'of the run queue of every CPU' },
    { line: 'struct inode.i_ino -l inode.i_rwsem ffff88899fd6d080', what: 'the inode around its lock' },
  ],
  run: (context, args) => structShape(context, args),
});

function structShape(context: CommandContext, args: CommandArguments): Shape {
  const { program } = context;
  const [text, where, countText] = args.positionals;
  if (text === undefined) throw new UsageError('which type? usage: struct TYPE[.MEMBER] [address] [count]');
  const spec = structSpec(program, text);
  const offsets = args.has('o');
  if (where === undefined) {
    const lines = definitionLines(spec, offsets || spec.members.length > 0, undefined);
    return { shape: 'lines', lines, data: () => definitionData(spec) };
  }
  const count = parseSigned(args.value('c') ?? countText ?? '1');
  const starts = addresses(context, where);
  const link = args.value('l');
  const back = link === undefined ? 0 : offsetArgument(program, link);
  const objects = starts.flatMap(({ label, at }) =>
    Array.from({ length: Math.abs(count) }, (_, i) => ({
      label: i === 0 ? label : undefined,
      at: add(at, (count < 0 ? count + i : i) * spec.type.size - back),
    })),
  );
  const radix = args.has('x') ? 16 : args.has('d') ? 10 : context.session.radix;
  const memory = args.has('u') ? memoryOfTask(context) : undefined;
  return {
    shape: 'lines',
    lines: shown(context, args, spec, objects, { radix, memory }),
    data: () => objects.map(({ at }) => structData(memory === undefined ? program : { memory }, spec, at)),
  };
}

/** The user memory of the task that `set` chose. */
function memoryOfTask(context: CommandContext): VirtualMemory {
  const { comm, pid, mm, kthread } = currentTask(context);
  if (mm === undefined || kthread)
    throw new UsageError(`${comm} (pid ${pid}) has no memory in user space; choose a task with set`);
  return userMemory(context.program, mm);
}

interface Located {
  readonly label: string | undefined;
  readonly at: VirtAddr;
}

function* shown(
  context: CommandContext,
  args: CommandArguments,
  spec: StructSpec,
  objects: readonly Located[],
  { radix, memory }: Pick<PrintOptions, 'radix' | 'memory'>,
): Generator<TextLine> {
  const source = memory ?? context.program.memory;
  let first = true;
  for (const { label, at } of objects) {
    context.budget.check();
    const options: PrintOptions = { radix, memory, context, what: `${spec.name} at ${at.toString(16)}` };
    if (label !== undefined) yield [{ text: label, style: 'label' }];
    if (!first && label === undefined && spec.members.length === 0) yield '';
    first = false;
    if (args.has('o')) yield* definitionLines(spec, true, at);
    else if (args.has('r'))
      yield* dumpRows(at, Math.ceil(spec.type.size / 8), WORDS, (from, length) => source.readBytes(from, length));
    else if (spec.members.length === 0) yield* structLines(spec, at, options);
    else if (args.has('p')) yield* pointedLines(spec, at, options);
    else yield* memberLines(spec, at, options);
  }
}

/** The address, or one for each CPU of `symbol:cpus`. */
function addresses({ program }: CommandContext, where: string): readonly Located[] {
  const perCpu = /^([^:]+):(a|all|[\d,-]+)$/.exec(where);
  if (perCpu?.[1] === undefined || perCpu[2] === undefined)
    return [{ label: undefined, at: addressArgument(program, where) }];
  const base = addressArgument(program, perCpu[1]);
  const chosen = parseCpus(perCpu[2], cpus(program, 'possible'));
  return chosen.map((cpu) => {
    const at = program.perCpuAddress(base, cpu);
    return { label: `[${cpu}]: ${at.toString(16)}`, at };
  });
}

function parseSigned(text: string): number {
  const negative = text.startsWith('-');
  const count = parseCount(negative ? text.slice(1) : text, 'count', 1, 1 << 20);
  return negative ? -count : count;
}

function definitionData({ name, type, members }: StructSpec): Data {
  const all =
    members.length > 0
      ? members.map(({ path, place }) => ({ name: path, offset: place.offset }))
      : (type.members ?? []).map((member) => ({
          name: member.name,
          offset: Math.floor(member.bitOffset / 8),
          bits: member.bitSize,
        }));
  return { type: name, size: type.size, members: all };
}
