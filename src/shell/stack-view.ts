/** Stacks in crash's layout: frames, registers of exceptions, the words of each frame, with symbols and slab caches. */
import { add, contains, hasBits, type VirtAddr, virt } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import { slabCaches, slabObjectAt } from '../kernel/slab.ts';
import type { Task } from '../kernel/sched.ts';
import { type NamedFrame, stackArea, type StackArea, type TaskStack } from '../kernel/stack.ts';
import { defineFact } from '../model/diagnosis.ts';
import type { CommandContext } from '../model/command.ts';
import type { Piece, TextLine } from '../model/shape.ts';
import { address, type Data } from '../model/value.ts';
import { frameLocals } from '../program/locals.ts';
import type { Program } from '../program/program.ts';
import { bytesPlace, memoryPlace, valueText } from './c-value.ts';
import { hex16 } from './format.ts';

/** The caches by address, read once. */
const slabNamesFact = defineFact<ReadonlyMap<VirtAddr, string>>({
  id: 'slab-names',
  derive: ({ program }) => attempt(() => slabCaches(program)) ?? new Map(),
});

export interface StackOptions {
  /** 0 none, 1 numbers, 2 symbols and caches, 3 with addresses in the caches. */
  readonly words: 0 | 1 | 2 | 3;
  /** Offsets in functions, in this radix. */
  readonly offsets: 10 | 16 | undefined;
  /** Lines of source, where debug information was given. */
  readonly source?: boolean;
  /** Parameters and locals, where debug information was given; the stack has its registers then. */
  readonly locals?: boolean;
}

/**
 * Where the program counter of a frame is kept: a return address lies below the frame; a frame that was cut has none, and
 * its stack pointer stands for it.
 */
export function slotOf(frame: NamedFrame): VirtAddr {
  return frame.exact ? frame.sp : add(frame.sp, -8);
}

export function nameOf(frame: Pick<NamedFrame, 'symbol'>, offsets: StackOptions['offsets']): string {
  const { symbol } = frame;
  if (symbol === undefined) return '(unknown)';
  if (offsets === undefined) return symbol.name;
  return `${symbol.name}+${offsets === 16 ? `0x${symbol.offset.toString(16)}` : symbol.offset}`;
}

/** ` #0 [ffffd1ec00407a78] __schedule at ffffffff9a210e3d [nfs]` */
export function frameText(
  index: number,
  slot: VirtAddr,
  pc: VirtAddr,
  label: string,
  module: string | undefined,
): readonly Piece[] {
  return [
    `${`#${index}`.padStart(3)} [`,
    { text: hex16(slot), style: 'address' },
    '] ',
    { text: label, style: label.startsWith('(') ? 'dim' : 'symbol' },
    ` at ${hex16(pc)}`,
    ...(module === undefined ? [] : [` [${module}]`]),
  ];
}

function frameLine(frame: NamedFrame, index: number, offsets: StackOptions['offsets']): TextLine {
  return [
    ...frameText(index, slotOf(frame), frame.pc, nameOf(frame, offsets), frame.symbol?.module),
    ...(BY_TABLES.has(frame.source) ? [] : [{ text: ` (${frame.source})`, style: 'dim' } as const]),
  ];
}

/** How frames are found where tables tell; of others the way is told. */
const BY_TABLES: ReadonlySet<NamedFrame['source']> = new Set(['registers', 'orc', 'cfi', 'exception']);

/** `struct pt_regs` of x86-64 in memory order; the ABI fixes it. */
const PT_REGS = [
  'R15',
  'R14',
  'R13',
  'R12',
  'RBP',
  'RBX',
  'R11',
  'R10',
  'R9',
  'R8',
  'RAX',
  'RCX',
  'RDX',
  'RSI',
  'RDI',
  'ORIG_RAX',
  'RIP',
  'CS',
  'RFLAGS',
  'RSP',
  'SS',
];

export const PT_REGS_SIZE = PT_REGS.length * 8;

const ROWS = [
  ['RAX', 'RBX', 'RCX'],
  ['RDX', 'RSI', 'RDI'],
  ['RBP', 'R8', 'R9'],
  ['R10', 'R11', 'R12'],
  ['R13', 'R14', 'R15'],
];

export type RegisterSet = ReadonlyMap<string, bigint>;

/** The registers in a `struct pt_regs`; undefined when they cannot be read or this is no x86-64. */
export function registersAt(program: Program, at: VirtAddr): RegisterSet | undefined {
  if (program.arch.name !== 'x86_64') return undefined;
  return attempt(() => {
    const bytes = program.memory.readBytes(at, PT_REGS_SIZE);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return new Map(PT_REGS.map((name, i) => [name, view.getBigUint64(i * 8, true)]));
  });
}

/** Where the registers of user mode were saved: below the last frame, or at the top of the stack. */
export function userRegistersAt(program: Program, stack: TaskStack, area: StackArea | undefined): VirtAddr | undefined {
  if (stack.end !== 'user') return undefined;
  const last = stack.frames.at(-1);
  const candidates = [last?.sp, area === undefined ? undefined : add(area.start, area.size - PT_REGS_SIZE)];
  return candidates.find((at) => {
    if (at === undefined) return false;
    const cs = registersAt(program, at)?.get('CS');
    return cs !== undefined && cs < 0x10000n && hasBits(virt(cs), 3n);
  });
}

export function registerLines(registers: RegisterSet): TextLine[] {
  const value = (name: string): string => hex16(registers.get(name) ?? 0n);
  const pair = (name: string): string => `${name.padStart(3)}: ${value(name)}`;
  const short = (name: string, digits: number): string =>
    `${name}: ${(registers.get(name) ?? 0n).toString(16).padStart(digits, '0')}`;
  return [
    `    ${pair('RIP')}  ${pair('RSP')}  ${short('RFLAGS', 8)}`,
    ...ROWS.map((row) => `    ${row.map(pair).join('  ')}`),
    `    ORIG_RAX: ${value('ORIG_RAX')}  ${short('CS', 4)}  ${short('SS', 4)}`,
  ];
}

/** The lines below a task's header. */
export function* stackLines(
  context: CommandContext,
  task: Task,
  stack: TaskStack,
  options: StackOptions,
): Generator<TextLine> {
  const { program } = context;
  const { frames } = stack;
  const area = attempt(() => stackArea(program, task.address));
  let index = 0;
  const words = (frame: NamedFrame, next: NamedFrame | undefined): Iterable<TextLine> =>
    options.words > 0 ? wordLines(context, frame.sp, next?.sp, options) : [];
  for (const [i, frame] of frames.entries()) {
    const before = frames[i - 1];
    const next = frames[i + 1];
    // Registers that were saved when this frame was cut; crash shows them instead of the frame, before the words in
    // which they are.
    const cut = frame.exact && before?.registersAt !== undefined ? registersAt(program, before.registersAt) : undefined;
    if (cut !== undefined && before !== undefined) {
      yield `    [exception RIP: ${frame.symbol === undefined ? hex16(frame.pc) : `${frame.symbol.name}+${frame.symbol.offset}`}]`;
      if (options.source === true) yield* sourceLines(context, frame);
      if (options.locals === true) yield* localLines(context, frame);
      yield* registerLines(cut);
      yield* words(before, frame);
      if (sameStack(before, frame)) {
        yield* words(frame, next);
        continue;
      }
      yield '--- <another stack> ---';
    }
    yield frameLine(frame, index++, options.offsets);
    if (options.source === true) yield* sourceLines(context, frame);
    if (options.locals === true) yield* localLines(context, frame);
    if (frame.registersAt === undefined || next?.exact !== true) yield* words(frame, next);
  }
  const user = userRegistersAt(program, stack, area);
  const registers = user === undefined ? undefined : registersAt(program, user);
  if (registers !== undefined) yield* registerLines(registers);
  if (stack.problem !== undefined) {
    yield [{ text: `    (${stack.problem})`, style: 'warning' }];
    context.problem(`stack of pid ${task.pid}: ${stack.problem}`);
  }
}

/** File and line, those of functions that the compiler inlined there first. */
function* sourceLines({ program }: CommandContext, frame: NamedFrame): Generator<TextLine> {
  // A call returns behind itself, which may be the next line already.
  const frames = attempt(() => program.lineAt(frame.exact ? frame.pc : add(frame.pc, -1))) ?? [];
  for (const [i, { func, file, line }] of frames.entries()) {
    const inlined = i + 1 < frames.length ? ` (${func ?? '?'}, inlined)` : '';
    if (file !== undefined) yield `    ${file}: ${line ?? '?'}${inlined}`;
  }
}

/** Parameters and locals as gdb's `bt full` has them, those of functions that were inlined there first. */
function* localLines({ program, session }: CommandContext, frame: NamedFrame): Generator<TextLine> {
  const functions = frameLocals(program, frame);
  for (const [i, { func, locals }] of functions.entries()) {
    if (i + 1 < functions.length && locals.length > 0) yield `    ${func ?? '?'} (inlined):`;
    for (const { name, parameter, type, value } of locals) {
      const text =
        value === undefined
          ? '<optimised out>'
          : valueText(
              type,
              'address' in value ? memoryPlace(program, value.address) : bytesPlace(value.bytes),
              { program, radix: session.radix },
              LOCAL_INDENT,
            );
      const [first = '', ...rest] = text.split('\n');
      yield [
        `${' '.repeat(LOCAL_INDENT)}${parameter ? '(' : ''}${name}${parameter ? ')' : ''} = `,
        value === undefined ? { text, style: 'dim' } : first,
      ];
      yield* rest;
    }
  }
}

const LOCAL_INDENT = 8;

/** Frames of one stack follow one another upwards. */
function sameStack(inner: NamedFrame, outer: NamedFrame): boolean {
  return contains(inner.sp, 1 << 15, outer.sp);
}

/** Words from one frame to the next, two in a row. */
function* wordLines(
  context: CommandContext,
  from: VirtAddr,
  to: VirtAddr | undefined,
  options: StackOptions,
): Generator<TextLine> {
  if (to === undefined || to <= from || to - from > 1n << 15n) return;
  const count = Number(to - from) / 8;
  for (let i = 0; i < count; i += 2) {
    const at = add(from, i * 8);
    const words = [at, ...(i + 1 < count ? [add(at, 8)] : [])].map((each) =>
      attempt(() => context.program.memory.readU64(each)),
    );
    const texts = words.map((word) =>
      (word === undefined ? '(unreadable)' : wordText(context, word, options.words)).padEnd(16),
    );
    yield [`    `, { text: hex16(at), style: 'address' }, `: ${texts.join(' ')} `];
  }
}

function wordText(context: CommandContext, word: bigint, level: StackOptions['words']): string {
  if (level < 2) return hex16(word);
  const { program } = context;
  const at = virt(word);
  const symbol = program.symbols.at(at);
  if (symbol !== undefined && !/^[aA]$/.test(symbol.type) && symbol.offset < 1 << 14)
    return symbol.offset === 0 ? symbol.name : `${symbol.name}+${symbol.offset}`;
  const caches = context.use(slabNamesFact);
  const object = caches.size === 0 ? undefined : attempt(() => slabObjectAt(program, at, caches));
  if (object === undefined) return hex16(word);
  return level === 2 ? `[${object.cacheName}]` : `[${hex16(word)}:${object.cacheName}]`;
}

/** All words of a stack that point into code: what may have been called. */
export function* textLines(
  program: Program,
  area: StackArea,
  from: VirtAddr,
  offsets: StackOptions['offsets'],
): Generator<TextLine> {
  for (let at = from; contains(area.start, area.size, at); at = add(at, 8)) {
    const word = attempt(() => program.memory.readPointer(at));
    if (word === undefined || !program.isText(word)) continue;
    const symbol = program.symbols.at(word);
    if (symbol === undefined) continue;
    const name =
      offsets === undefined
        ? symbol.name
        : `${symbol.name}+${offsets === 16 ? `0x${symbol.offset.toString(16)}` : symbol.offset}`;
    yield [
      '  [',
      { text: hex16(at), style: 'address' },
      '] ',
      { text: name, style: 'symbol' },
      ` at ${hex16(word)}${symbol.module === undefined ? '' : ` [${symbol.module}]`}`,
    ];
  }
}

export function stackData(stack: TaskStack): Data {
  return {
    frames: stack.frames.map((frame) => ({
      slot: address(slotOf(frame)),
      pc: address(frame.pc),
      function: frame.symbol?.name,
      offset: frame.symbol?.offset,
      module: frame.symbol?.module,
      found: frame.source,
    })),
    end: stack.end,
    problem: stack.problem,
  };
}
