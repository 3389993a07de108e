/** `dis`: code as instructions, by symbol, address or expression. */
import { add, type VirtAddr } from '../base/address.ts';
import { attempt, UsageError } from '../base/errors.ts';
import { type CommandArguments, type CommandContext, defineCommand } from '../model/command.ts';
import type { TextLine } from '../model/shape.ts';
import type { Data } from '../model/value.ts';
import type { MachineInstruction } from '../program/arch/disassembler.ts';
import { parseCount } from '../shell/arguments.ts';
import {
  codeData,
  codeLine,
  type CodeView,
  disassemblerFact,
  instructionsFrom,
  patchSitesFact,
  type ReadCode,
} from '../shell/disassembly.ts';
import { addressArgument } from '../shell/expression.ts';
import { currentTask } from '../shell/tasks.ts';
import { userMemory } from '../shell/user-memory.ts';

const MAX_COUNT = 1 << 20;
/** No function is larger; what has no end before is no function. */
const MAX_FUNCTION = 1 << 20;

/** What is shown: from `start` while before `end`, or so many. */
interface Span {
  readonly start: VirtAddr;
  /** Exclusive. */
  readonly end: VirtAddr | undefined;
  /** At most so many. */
  readonly count: number | undefined;
  /** Of those, only so many of the last. */
  readonly last: number | undefined;
  /** The first instruction at or behind it is the last one. */
  readonly upTo: VirtAddr | undefined;
}

export default defineCommand({
  name: 'dis',
  summary: 'code: instructions of a function or at an address, as they are in memory',
  description: [
    'The bytes are those of the dump, so what the kernel has patched in itself is seen as it was. [FTRACE NOP] is a place for tracing, [STATIC KEY name] one that a static key turns on and off; [..., jumps] when it is not the no-op.',
    'A symbol alone is the whole function, an address one instruction. Source lines take a vmlinux with debug information.',
  ],
  options: [
    { flag: 'r', summary: 'from the start of the function up to the address' },
    { flag: 'f', summary: 'from the address to the end of the function' },
    { flag: 'l', summary: 'file and line above the instructions' },
    { flag: 's', summary: 'file and line of the address' },
    { flag: 'u', summary: 'an address of the chosen task in user space' },
    { flag: 'x', summary: 'offsets in hex' },
    { flag: 'd', summary: 'offsets in decimal' },
    { flag: 'b', summary: 'a number may follow: so many bytes behind ud2 are no code' },
  ],
  arguments: [
    { name: 'address | symbol | (expression)', kinds: ['symbol', 'address', 'expression'] },
    { name: 'count', kinds: ['number'], optional: true },
  ],
  examples: [
    { line: 'dis mutex_lock', what: 'a whole function' },
    { line: 'dis -r rwsem_down_write_slowpath+1234', what: 'all that ran up to a return address of a stack' },
    { line: 'dis -rl schedule+90 5', what: 'the last five, with source lines' },
    { line: 'dis (schedule+5) 3', what: 'three from there' },
  ],
  run(context, args) {
    const { words, skip } = skipArgument(args);
    if (words.length === 0 && args.has('b')) {
      const text = `encoded bytes being skipped after ud2a: ${skip}`;
      return { shape: 'lines', lines: [text], data: () => ({ skippedAfterUd2: skip }) };
    }
    const [where, countText, more] = words;
    if (where === undefined || more !== undefined)
      throw new UsageError('usage: dis [-rfludxs] [-b [number]] address | symbol | (expression) [count]');
    if (args.has('r') && args.has('f')) throw new UsageError('-r and -f: one of them');
    const count = countText === undefined ? undefined : parseCount(countText, 'count', 1, MAX_COUNT);
    const user = args.has('u');
    const at = addressArgument(context.program, where);
    if (args.has('s')) return sourceOf(context, at, where);
    const span = spanOf(context, args, at, where, count);
    const read = reader(context, user);
    const view: CodeView = {
      program: context.program,
      sites: user ? undefined : attempt(() => context.use(patchSitesFact)),
      user,
      radix: args.has('x') ? 16 : args.has('d') ? 10 : context.session.radix,
    };
    if (args.has('l') && context.program.debugFile === undefined)
      context.problem('source lines are not known: a vmlinux with debug information was not given');
    return {
      shape: 'lines',
      lines: lines(context, span, read, view, args.has('l'), skip),
      data: () => data(context, span, read, view, skip),
    };
  },
});

/** `-b 2 schedule`: the number belongs to the option, which stands alone just as well. */
function skipArgument(args: CommandArguments): { readonly words: readonly string[]; readonly skip: number } {
  const [first, ...rest] = args.positionals;
  if (args.has('b') && first !== undefined && /^\d{1,2}$/.test(first)) return { words: rest, skip: Number(first) };
  return { words: args.positionals, skip: 0 };
}

function spanOf(
  { program }: CommandContext,
  args: CommandArguments,
  at: VirtAddr,
  where: string,
  count: number | undefined,
): Span {
  const none = { end: undefined, count: undefined, last: undefined, upTo: undefined };
  const symbol = args.has('u') ? undefined : program.symbols.at(at);
  if (args.has('r') || args.has('f')) {
    if (symbol === undefined) throw new UsageError(`${where}: no function is known there`);
    const start = add(at, -symbol.offset);
    if (args.has('r')) return { ...none, start, last: count, upTo: at, end: functionEnd(start, symbol.size) };
    return { ...none, start: at, end: functionEnd(start, symbol.size), count };
  }
  const isFunction = symbol?.offset === 0 && symbol.name === where;
  if (isFunction && count === undefined && /^[tTwW]$/.test(symbol.type))
    return { ...none, start: at, end: functionEnd(at, symbol.size) };
  return { ...none, start: at, count: count ?? 1 };
}

function functionEnd(start: VirtAddr, size: number): VirtAddr {
  return add(start, Math.max(1, Math.min(size, MAX_FUNCTION)));
}

function reader(context: CommandContext, user: boolean): ReadCode {
  const { program } = context;
  if (!user) return (at, length) => program.memory.readBytes(at, length);
  const task = currentTask(context);
  if (task.mm === undefined)
    throw new UsageError(`${task.comm} (pid ${task.pid}) has no memory in user space; choose a task with set`);
  const memory = userMemory(program, task.mm);
  return (at, length) => memory.readBytes(at, length);
}

function* shown(context: CommandContext, span: Span, read: ReadCode, skip: number): Generator<MachineInstruction> {
  const last: MachineInstruction[] = [];
  let n = 0;
  let from = span.start;
  for (;;) {
    let skipped = false;
    for (const each of instructionsFrom(context.use(disassemblerFact), read, from)) {
      context.budget.check();
      if (span.end !== undefined && each.address >= span.end) {
        yield* last;
        return;
      }
      if (span.count !== undefined && n++ >= span.count) return;
      if (span.last === undefined) yield each;
      else {
        last.push(each);
        if (last.length > span.last) last.shift();
      }
      if (span.upTo !== undefined && each.address >= span.upTo) {
        yield* last;
        return;
      }
      if (skip > 0 && each.text === 'ud2') {
        from = add(each.address, each.length + skip);
        skipped = true;
        break;
      }
    }
    if (!skipped) return;
  }
}

function* lines(
  context: CommandContext,
  span: Span,
  read: ReadCode,
  view: CodeView,
  withSource: boolean,
  skip: number,
): Generator<TextLine> {
  let previous: string | undefined;
  for (const each of shown(context, span, read, skip)) {
    const source = withSource ? sourceText(context, each.address) : undefined;
    if (source !== undefined && source !== previous) yield source;
    previous = source ?? previous;
    yield codeLine(view, each);
  }
}

function data(context: CommandContext, span: Span, read: ReadCode, view: CodeView, skip: number): Data {
  return Array.from(shown(context, span, read, skip), (each): Data => {
    const bytes = read(each.address, each.length);
    return { instruction: codeData(view, each, bytes), source: sourceText(context, each.address) };
  });
}

/** 'kernel/sched/core.c: 6654' of the innermost function there. */
function sourceText({ program }: CommandContext, at: VirtAddr): string | undefined {
  const [innermost] = attempt(() => program.lineAt(at)) ?? [];
  return innermost?.file === undefined ? undefined : `${innermost.file}: ${innermost.line ?? '?'}`;
}

function sourceOf(context: CommandContext, at: VirtAddr, where: string) {
  const [innermost] = attempt(() => context.program.lineAt(at)) ?? [];
  if (innermost?.file === undefined)
    throw new UsageError(
      context.program.debugFile === undefined
        ? 'source lines are not known: a vmlinux with debug information was not given'
        : `${where}: the debug information has no source line of it`,
    );
  const { file, line } = innermost;
  context.problem(`${where}: the source itself is not at hand`);
  return { shape: 'lines', lines: [`FILE: ${file}`, `LINE: ${line ?? '?'}`], data: () => ({ file, line }) } as const;
}
