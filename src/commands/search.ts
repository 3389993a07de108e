/**
 * `search`: where a value or a text stands in memory. The kernel's memory is searched by its physical pages, each told
 * once, at its address in the direct map, and by its vmalloc areas; that of a task by its mappings. A text across the
 * border of two pages is not found.
 */
import { add, type Pfn, pfn, phys, type VirtAddr, virt } from '../base/address.ts';
import { attempt, FaultError, UsageError } from '../base/errors.ts';
import { stackArea } from '../kernel/stack.ts';
import { vmasOf } from '../kernel/vma.ts';
import { vmallocAreas } from '../kernel/vmalloc.ts';
import { type CommandArguments, type CommandContext, defineCommand } from '../model/command.ts';
import type { TextLine } from '../model/shape.ts';
import { address, type Data } from '../model/value.ts';
import { parseCount, parseNumber } from '../shell/arguments.ts';
import { addressArgument } from '../shell/expression.ts';
import { hex16 } from '../shell/format.ts';
import { dumpRows, printable, WORDS } from '../shell/memory-dump.ts';
import { currentTask, orderedTasks, taskHeader } from '../shell/tasks.ts';
import { userMemory } from '../shell/user-memory.ts';

/** Found places; more are no answer. */
const MAX_FOUND = 1 << 20;
const PAGE = 4096;

interface Found {
  readonly at: VirtAddr;
  readonly text: string;
  /** Before the first place in the stack of a task. */
  readonly heading?: TextLine;
  /** It is the first of them. */
  readonly first?: boolean;
}

/** The bytes of a page at the address where they are seen. */
interface Chunk {
  readonly at: VirtAddr;
  readonly bytes: Uint8Array;
  readonly heading?: TextLine;
}

export default defineCommand({
  name: 'search',
  summary: 'find values or text in memory',
  description: [
    'Without -u, -p or -t: the physical memory that the dump has, at the addresses of the direct map, and the vmalloc areas. ' +
      'Values are numbers in hex, symbols or (expressions), at places that are aligned to their size.',
  ],
  options: [
    { flag: 'k', summary: 'the memory of the kernel, which is usual' },
    { flag: 'K', summary: 'the same without the vmalloc areas' },
    { flag: 'V', summary: 'the vmalloc areas, those of modules among them, alone' },
    { flag: 'u', summary: 'the memory of the chosen task' },
    { flag: 'p', summary: 'physical memory, told by physical addresses' },
    { flag: 't', summary: 'the kernel stacks of all tasks' },
    { flag: 'T', summary: 'the kernel stacks of the tasks that the CPUs were running' },
    { flag: 'c', summary: 'text instead of values' },
    { flag: 'w', summary: 'values of 32 bits' },
    { flag: 'h', summary: 'values of 16 bits' },
    { flag: 'x', value: 'count', kind: 'number', summary: 'so many values before and behind each that was found' },
    { flag: 'm', value: 'mask', kind: 'number', summary: 'bits that do not matter, in hex' },
    { flag: 's', value: 'start', kind: 'address', summary: 'from this address on' },
    { flag: 'e', value: 'end', kind: 'address', summary: 'up to this address' },
    { flag: 'l', value: 'length', kind: 'number', summary: 'so many bytes from the start on' },
  ],
  arguments: [{ name: 'value | text', kinds: ['address', 'symbol', 'expression', 'text'], repeated: true }],
  examples: [
    { line: 'search ffff88899fc48000', what: 'who points to a task' },
    { line: 'search -m 7 ffff88899fc48000', what: 'also with bits set in the lowest three' },
    { line: 'search -t ffff88899fc48000', what: 'in the stacks' },
    { line: 'search -c "Out of memory"', what: 'a text' },
  ],
  run(context, args) {
    if (args.positionals.length === 0) throw new UsageError('usage: search [options] value ...');
    const around = aroundOf(context, args);
    const find = args.has('c') ? textFinder(args.positionals) : valueFinder(context, args);
    const found = function* (): Generator<Found> {
      let n = 0;
      let last: TextLine | undefined;
      for (const chunk of chunksOf(context, args)) {
        for (const { offset, text } of find(chunk.bytes)) {
          if (++n > MAX_FOUND) {
            context.problem(`more than ${MAX_FOUND} places: the rest is not shown`);
            return;
          }
          const at = add(chunk.at, offset);
          const heading = chunk.heading === last ? undefined : chunk.heading;
          yield { at, text, ...(heading === undefined ? {} : { heading, first: last === undefined }) };
          last = chunk.heading;
        }
      }
    };
    return {
      shape: 'lines',
      lines: lines(found(), around),
      data: () => [...found()].map(({ at, text }): Data => ({ address: address(at), found: text })),
    };
  },
});

function* lines(found: Iterable<Found>, around: Around | undefined): Generator<TextLine> {
  for (const { at, text, heading, first } of found) {
    if (heading !== undefined && around !== undefined && first === false) yield '';
    if (heading !== undefined) yield heading;
    const place = { text: hex16(at), style: 'address' } as const;
    if (around === undefined) {
      yield [place, `: ${text}`];
      continue;
    }
    yield* around(at, -1);
    yield [place, `:  ${text}`];
    yield* around(at, 1);
    yield '';
  }
}

/** Rows of memory before (-1) or behind (1) a value. */
type Around = (at: VirtAddr, side: -1 | 1) => Iterable<TextLine>;

function aroundOf(context: CommandContext, args: CommandArguments): Around | undefined {
  const text = args.value('x');
  if (text === undefined) return undefined;
  if (args.has('c')) throw new UsageError('-x is about values and cannot stand with -c');
  const count = parseCount(text, '-x', 1, 1 << 16);
  const size = args.has('h') ? 2 : args.has('w') ? 4 : 8;
  const { memory } = context.program;
  const task = args.has('u') ? currentTask(context) : undefined;
  const user = task?.mm === undefined ? undefined : userMemory(context.program, task.mm);
  const read = (at: VirtAddr, length: number): Uint8Array =>
    args.has('p')
      ? memory.physical.readBytes(phys(at), length)
      : user === undefined
        ? memory.readBytes(at, length)
        : user.readBytes(at, length);
  return function* (at, side) {
    const start = add(at, side < 0 ? -count * size : size);
    // What is not in the dump is left out: single values, so that the others are shown.
    const rows = attempt(() => [...dumpRows(start, count, { ...WORDS, size }, read)]);
    yield* rows ?? ['(not in the dump)'];
  };
}

type Finder = (bytes: Uint8Array) => Iterable<{ readonly offset: number; readonly text: string }>;

function textFinder(texts: readonly string[]): Finder {
  const wanted = texts.map((text) => Buffer.from(text, 'utf8'));
  if (wanted.some(({ length }) => length === 0 || length > 1024)) throw new UsageError('a text has 1 to 1024 bytes');
  return function* (bytes) {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    for (const text of wanted) {
      for (let at = buffer.indexOf(text); at >= 0; at = buffer.indexOf(text, at + 1))
        yield { offset: at, text: printable(bytes.subarray(at, at + 56)) };
    }
  };
}

function valueFinder({ program }: CommandContext, args: CommandArguments): Finder {
  const size = args.has('h') ? 2 : args.has('w') ? 4 : 8;
  const maskText = args.value('m');
  const mask = maskText === undefined ? 0n : parseNumber(/^0x/i.test(maskText) ? maskText : `0x${maskText}`);
  if (mask === undefined) throw new UsageError(`-m '${maskText}': must be a number in hex`);
  const keep = BigInt.asUintN(8 * size, ~mask);
  const wanted = args.positionals.map((text) => {
    const value = addressArgument(program, text);
    if (BigInt.asUintN(8 * size, value) !== value) throw new UsageError(`'${text}' does not fit into ${8 * size} bits`);
    return value & keep;
  });
  // As crash: what was not written as a number stands behind the value.
  const labels = args.positionals.map((text) => (/^(0x)?[0-9a-f]+$/i.test(text) ? '' : ` (${text})`));
  // Compared in halves of 32 bits: numbers, as there are hundreds of millions.
  const low = (value: bigint): number => Number(value & 0xffffffffn);
  const high = (value: bigint): number => Number(value >> 32n);
  const [keepLow, keepHigh] = [low(keep), high(keep)];
  const halves = wanted.map((value, i) => ({ low: low(value) | 0, high: high(value) | 0, label: labels[i] ?? '' }));
  return function* (bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at + size <= bytes.length; at += size) {
      const first = size === 2 ? view.getUint16(at, true) : view.getUint32(at, true);
      const second = size === 8 ? view.getUint32(at + 4, true) : 0;
      for (const half of halves) {
        if ((first & keepLow) !== half.low || (second & keepHigh) !== half.high) continue;
        const value = (BigInt(second) << 32n) | BigInt(first);
        yield { offset: at, text: `${value.toString(16).padStart(2 * size, '0')}${half.label}` };
      }
    }
  };
}

function* chunksOf(context: CommandContext, args: CommandArguments): Generator<Chunk> {
  const { program } = context;
  const start = bound(context, args.value('s')) ?? virt(0n);
  const length = args.value('l');
  const end =
    length === undefined
      ? (bound(context, args.value('e')) ?? virt((1n << 64n) - 1n))
      : add(start, parseCount(length, '-l', 1));
  const ranged = args.has('s') || args.has('e');
  const source =
    args.has('t') || args.has('T')
      ? stacks(context, args.has('T') && !args.has('t'))
      : args.has('u')
        ? userPages(context)
        : args.has('p')
          ? physicalPages(context, (frame) => virt(BigInt(frame) * BigInt(PAGE)))
          : kernelPages(context, { direct: !args.has('V') || args.has('k'), areas: !args.has('K') || args.has('k') });
  for (const chunk of source) {
    context.budget.check();
    if (!ranged) {
      yield chunk;
      continue;
    }
    const last = add(chunk.at, chunk.bytes.length);
    if (last <= start || chunk.at >= end) continue;
    // Values stand at multiples of their size, of 8 at most.
    const step = args.has('c') ? 1 : 8;
    const from = chunk.at < start ? Math.ceil(Number(start - chunk.at) / step) * step : 0;
    const to = last > end ? Number(end - chunk.at) : chunk.bytes.length;
    yield { ...chunk, at: add(chunk.at, from), bytes: chunk.bytes.subarray(from, to) };
  }
  if (program.lostPages > 0) context.problem(`${program.lostPages} pages are damaged or missing in the dump`);
}

function bound({ program }: CommandContext, text: string | undefined): VirtAddr | undefined {
  return text === undefined ? undefined : addressArgument(program, text);
}

function* physicalPages({ program }: CommandContext, addressOf: (frame: Pfn) => VirtAddr): Generator<Chunk> {
  const { physical } = program.memory;
  for (let frame = 0; frame < program.dump.maxPfn; frame++) {
    program.checkpoint.spend(1);
    // Pages of zeros and those that are not in the dump are not read at all.
    if (program.dump.status(pfn(frame)) !== 'data') continue;
    try {
      const view = physical.view(pfn(frame));
      const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
      yield { at: addressOf(pfn(frame)), bytes };
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
    }
  }
}

/** The direct map, then the vmalloc areas: what lies there is found twice, as crash does. */
function* kernelPages(
  context: CommandContext,
  wanted: { readonly direct: boolean; readonly areas: boolean },
): Generator<Chunk> {
  const { program } = context;
  // `page_offset_base` since 4.8; before, and without randomised memory, the direct map begins here.
  const symbol = program.symbols.kernel.lookup('page_offset_base');
  const base = symbol === undefined ? virt(0xffff888000000000n) : program.memory.readPointer(symbol.address);
  if (wanted.direct) yield* physicalPages(context, (frame) => add(base, BigInt(frame) * BigInt(PAGE)));
  if (!wanted.areas) return;
  const areas = attempt(() => [...vmallocAreas(program)]);
  if (areas === undefined) context.problem('the vmalloc areas cannot be read');
  for (const { start, size, kind } of areas ?? []) {
    if (kind !== 'io') yield* readable(start, size, (at) => program.memory.readBytes(at, PAGE), context);
  }
}

function* userPages(context: CommandContext): Generator<Chunk> {
  const task = currentTask(context);
  if (task.mm === undefined || task.kthread)
    throw new UsageError(`${task.comm} (pid ${task.pid}) has no memory in user space; choose a task with set`);
  const memory = userMemory(context.program, task.mm);
  const { vmas, problem } = vmasOf(context.program, task.mm);
  if (problem !== undefined) context.problem(`mappings of ${task.comm} (pid ${task.pid}): ${problem}`);
  for (const { start, end } of vmas)
    yield* readable(start, Number(end - start), (at) => memory.readBytes(at, PAGE), context);
}

function* stacks(context: CommandContext, active: boolean): Generator<Chunk> {
  for (const task of orderedTasks(context)) {
    if (active && !task.running) continue;
    const area = attempt(() => stackArea(context.program, task.address));
    if (area === undefined) continue;
    const heading = taskHeader(task);
    for (const chunk of readable(area.start, area.size, (at) => context.program.memory.readBytes(at, PAGE), context))
      yield { ...chunk, heading };
  }
}

function* readable(
  start: VirtAddr,
  size: number,
  read: (at: VirtAddr) => Uint8Array,
  { budget }: CommandContext,
): Generator<Chunk> {
  for (let done = 0; done < size; done += PAGE) {
    budget.check();
    const at = add(start, done);
    const bytes = attempt(() => read(at));
    if (bytes !== undefined) yield { at, bytes };
  }
}
