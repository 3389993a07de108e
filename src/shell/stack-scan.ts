/**
 * What lies on stacks besides the frames that lead to one another: registers that exceptions saved, now or earlier, and every
 * return address, old ones included. `struct pt_regs` are known by their code and stack segments, which the ABI of x86-64 fixes.
 */
import { add, contains, isKernel, type VirtAddr, virt } from '../base/address.ts';
import { attempt, FaultError, isDataError } from '../base/errors.ts';
import { exceptionStacks, interruptStack, type StackKind } from '../kernel/cpu-stacks.ts';
import type { Task } from '../kernel/sched.ts';
import { stackArea, type StackArea, type TaskStack } from '../kernel/stack.ts';
import type { CommandContext } from '../model/command.ts';
import type { TextLine } from '../model/shape.ts';
import { address, type Data } from '../model/value.ts';
import type { Program } from '../program/program.ts';
import { hex16 } from './format.ts';
import {
  frameText,
  nameOf,
  PT_REGS_SIZE,
  registerLines,
  registersAt,
  type RegisterSet,
  slotOf,
  type StackOptions,
  userRegistersAt,
} from './stack-view.ts';

/** __KERNEL_CS, __KERNEL_DS; __USER_CS and __USER32_CS, __USER_DS. */
const SEGMENTS = { kernel: { cs: [0x10n], ss: [0x18n, 0n] }, user: { cs: [0x33n, 0x23n], ss: [0x2bn] } } as const;
/** RFLAGS: bit 1 is always set; bits 3, 5, 15 and those from 22 up never are. */
const ALWAYS = 2n;
const NEVER = ~0x3f7fd7n;
/** Words of `struct pt_regs` that say what it is. */
const CS = 17;
const MAX_STACK = 1 << 20;

export interface SavedRegisters {
  /** `struct pt_regs *`. */
  readonly at: VirtAddr;
  readonly mode: 'kernel' | 'user';
  readonly registers: RegisterSet;
}

/** All that may be a `struct pt_regs` in an area, none overlapping another. @throws FaultError */
export function savedRegisters(program: Program, area: StackArea): readonly SavedRegisters[] {
  if (program.arch.name !== 'x86_64' || area.size > MAX_STACK) return [];
  const bytes = program.memory.readBytes(area.start, area.size);
  const words = new BigUint64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  const found: SavedRegisters[] = [];
  for (let i = 0; i * 8 + PT_REGS_SIZE <= area.size; i++) {
    const at = add(area.start, i * 8);
    const mode = modeOf(program, words.subarray(i), at);
    if (mode === undefined) continue;
    const registers = registersAt(program, at);
    if (registers === undefined) continue;
    found.push({ at, mode, registers });
    i += PT_REGS_SIZE / 8 - 1;
  }
  return found;
}

/** @param words - from `at` on */
function modeOf(program: Program, words: BigUint64Array, at: VirtAddr): SavedRegisters['mode'] | undefined {
  const [rip = 0n, cs = 0n, flags = 0n, rsp = 0n, ss = 0n] = words.subarray(CS - 1, CS + 4);
  if ((flags & ALWAYS) === 0n || (flags & NEVER) !== 0n) return undefined;
  const has = (list: readonly bigint[], value: bigint): boolean => list.includes(value);
  // Of an old one the last word may be overwritten; the stack pointer tells, as the CPU pushes on the same stack.
  const below = rsp - at - BigInt(PT_REGS_SIZE);
  if (has(SEGMENTS.kernel.cs, cs) && (has(SEGMENTS.kernel.ss, ss) || (below >= 0n && below <= 8n)))
    return program.isText(virt(rip)) && isKernel(virt(rsp)) ? 'kernel' : undefined;
  if (has(SEGMENTS.user.cs, cs) && has(SEGMENTS.user.ss, ss))
    return isUser(rip) && isUser(rsp) && (rip !== 0n || rsp !== 0n) ? 'user' : undefined;
  return undefined;
}

/** Below the hole in the address space, of 5-level page tables. */
const isUser = (value: bigint): boolean => value < 1n << 56n;

function registersText(program: Program, { at, mode, registers }: SavedRegisters): TextLine[] {
  const lines: TextLine[] = [`  ${mode.toUpperCase()}-MODE EXCEPTION FRAME AT: ${hex16(at)}`];
  if (mode === 'kernel') lines.push(`    [exception RIP: ${ripText(program, registers)}]`);
  return [...lines, ...registerLines(registers)];
}

function ripText(program: Program, registers: RegisterSet): string {
  const symbol = program.symbols.at(virt(registers.get('RIP') ?? 0n));
  return symbol === undefined ? 'unknown or invalid address' : `${symbol.name}+${symbol.offset}`;
}

interface Found extends SavedRegisters {
  /** A frame of the stack leads to it: no older one, and no copy. */
  readonly live: boolean;
}

/** On a task's stack, and where its frames went to other stacks. */
function taskExceptions(program: Program, stack: TaskStack, area: StackArea): readonly Found[] {
  const user = userRegistersAt(program, stack, area);
  const live = new Set([
    ...stack.frames.flatMap(({ registersAt: at }) => at ?? []),
    ...(user === undefined ? [] : [user]),
  ]);
  const own = savedRegisters(program, area);
  const elsewhere = [...live].flatMap((at): SavedRegisters[] => {
    if (own.some((each) => each.at === at)) return [];
    const registers = registersAt(program, at);
    return registers === undefined ? [] : [{ at, mode: at === user ? 'user' : 'kernel', registers }];
  });
  return [...elsewhere, ...own].map((each) => ({ ...each, live: live.has(each.at) }));
}

/** `bt -e`. */
export function* exceptionLines(context: CommandContext, stack: TaskStack, area: StackArea): Generator<TextLine> {
  for (const found of taskExceptions(context.program, stack, area)) {
    yield '';
    yield* registersText(context.program, found);
    if (!found.live) yield [{ text: '    (old, or a copy: no frame leads to it)', style: 'dim' }];
  }
}

const savedData = ({ at, mode, registers }: SavedRegisters): { readonly [key: string]: Data } => ({
  at: address(at),
  mode,
  registers: Object.fromEntries([...registers].map(([name, value]) => [name, `0x${value.toString(16)}`])),
});

/** The same as data. */
export function exceptionData({ program }: CommandContext, task: Task, stack: TaskStack): Data {
  const area = attempt(() => stackArea(program, task.address));
  const found = area === undefined ? [] : (attempt(() => taskExceptions(program, stack, area)) ?? []);
  return found.map((each) => ({ ...savedData(each), live: each.live }));
}

/** A return address on a stack, or registers that an exception saved where it came in. */
type OldFrame = { readonly slot: VirtAddr; readonly pc: VirtAddr } | { readonly saved: SavedRegisters };

/**
 * From where a stack left off upwards: the first frame, then all words that point into code but not at the start of a
 * function; what is left from older calls is among them.
 */
function* oldFrames(program: Program, stack: TaskStack, area: StackArea): Generator<OldFrame> {
  const [top] = stack.frames;
  if (top === undefined) return;
  yield { slot: slotOf(top), pc: top.pc };
  const saved = new Map(savedRegisters(program, area).map((each) => [each.at, each]));
  // A return address that was shown; a frame that was cut has none.
  const next = add(slotOf(top), top.exact ? 0 : 8);
  const first = contains(area.start, area.size, next) ? next : area.start;
  for (let at = first; contains(area.start, area.size, at); at = add(at, 8)) {
    const word = attempt(() => program.memory.readPointer(at));
    if (word === undefined || !program.isText(word)) continue;
    const symbol = program.symbols.at(word);
    if (symbol === undefined || symbol.offset === 0) continue;
    yield { slot: at, pc: word };
    // The entry code of an exception returns behind its call of the handler; the registers are above.
    const registers = saved.get(add(at, 8));
    if (registers?.mode !== 'kernel') continue;
    yield { saved: registers };
    at = add(at, PT_REGS_SIZE);
  }
}

/** `bt -o`. */
export function* oldFrameLines(
  context: CommandContext,
  stack: TaskStack,
  area: StackArea,
  offsets: StackOptions['offsets'],
): Generator<TextLine> {
  const { program } = context;
  let index = 0;
  for (const frame of oldFrames(program, stack, area)) {
    if ('saved' in frame) {
      yield `    [exception RIP: ${ripText(program, frame.saved.registers)}]`;
      yield* registerLines(frame.saved.registers);
      continue;
    }
    const symbol = program.symbols.at(frame.pc);
    yield frameText(index++, frame.slot, frame.pc, nameOf({ symbol }, offsets), symbol?.module);
  }
  const user = userRegistersAt(program, stack, area);
  const registers = user === undefined ? undefined : registersAt(program, user);
  if (registers !== undefined) yield* registerLines(registers);
}

/** The same as data. */
export function oldFrameData({ program }: CommandContext, task: Task, stack: TaskStack): Data {
  const area = attempt(() => stackArea(program, task.address));
  if (area === undefined) return undefined;
  return Array.from(oldFrames(program, stack, area), (frame) =>
    'saved' in frame
      ? savedData(frame.saved)
      : { slot: address(frame.slot), pc: address(frame.pc), function: program.symbols.at(frame.pc)?.name },
  );
}

interface ScannedStack {
  readonly cpu: number;
  readonly what: string;
  readonly found: readonly SavedRegisters[];
  /** Why it could not be read. */
  readonly problem: string | undefined;
}

/** The stacks of interrupts of all CPUs, then those of exceptions of each. */
function cpuStackRegisters({ program }: CommandContext, cpus: readonly number[]): readonly ScannedStack[] {
  const scan = (cpu: number, { name, area }: StackKind): ScannedStack[] => {
    const what = name === 'IRQ' ? 'IRQ STACK' : `${name} EXCEPTION STACK`;
    try {
      return [{ cpu, what, found: savedRegisters(program, area(cpu)), problem: undefined }];
    } catch (error) {
      if (!isDataError(error)) throw error;
      // The stack of #VC is there on an encrypted guest only.
      if (error instanceof FaultError && error.reason === 'unmapped') return [];
      return [{ cpu, what, found: [], problem: error.message }];
    }
  };
  const interrupts = interruptStack(program);
  return [
    ...(interrupts === undefined ? [] : cpus.flatMap((cpu) => scan(cpu, interrupts))),
    ...cpus.flatMap((cpu) => exceptionStacks(program).flatMap((kind) => scan(cpu, kind))),
  ];
}

/** `bt -E`. */
export function* cpuStackLines(context: CommandContext, cpus: readonly number[]): Generator<TextLine> {
  for (const { cpu, what, found, problem } of cpuStackRegisters(context, cpus)) {
    yield `CPU ${cpu} ${what}:`;
    if (problem !== undefined) context.problem(`CPU ${cpu} ${what}: ${problem}`);
    if (found.length === 0) yield problem === undefined ? '(none found)' : '(not in the dump)';
    for (const each of found) {
      yield '';
      yield* registersText(context.program, each);
    }
    yield '';
  }
}

/** The same as data. */
export function cpuStackData(context: CommandContext, cpus: readonly number[]): Data {
  return cpuStackRegisters(context, cpus).map(({ cpu, what, found, problem }) => ({
    cpu,
    stack: what,
    found: found.map(savedData),
    problem,
  }));
}
