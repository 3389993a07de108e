/**
 * The kernel stack of a task: where it lies, its frames, and the words on it. Registers come from the task's switched-out
 * frame, or, for a task that was on a CPU when the machine crashed, from that CPU's crash note (`crash_notes`, filled by
 * crash_save_cpu(), kernel/vmcore_info.c) or the dump's own NT_PRSTATUS note.
 */
import { add, contains, distance, type VirtAddr, virt } from '../base/address.ts';
import { ByteView } from '../base/bytes.ts';
import { attempt, FormatError, isDataError, LookupError } from '../base/errors.ts';
import type { Frame, Registers, StackTrace } from '../program/arch/arch.ts';
import type { Program } from '../program/program.ts';
import type { SymbolAt } from '../program/symbols.ts';
import { cpus } from './cpus.ts';
import type { Task } from './sched.ts';

const NT_PRSTATUS = 1;
const MAX_THREAD_SIZE = 1 << 20;

export interface StackArea {
  /** Lowest address, `task_struct.stack`. */
  readonly start: VirtAddr;
  /** Bytes, THREAD_SIZE. */
  readonly size: number;
}

/** A function on a stack. */
export interface NamedFrame extends Frame {
  /** Symbol that covers the instruction; undefined outside known code. */
  readonly symbol: SymbolAt | undefined;
  /** The symbol's name without compiler suffixes ('.isra.0', '.constprop.0', '.cold'). */
  readonly func: string | undefined;
}

export interface TaskStack {
  readonly frames: readonly NamedFrame[];
  readonly end: StackTrace['end'];
  /** Why the stack is not complete; undefined when it is. */
  readonly problem: string | undefined;
  /** Where the first registers came from. */
  readonly registers: 'switched-out' | 'crash-note' | 'none';
}

/**
 * THREAD_SIZE in bytes: the linker script's room for `init_stack` (INIT_TASK_DATA; its bounds are named
 * `__start_init_stack` since 6.8, commit 0cd7ee6ff5b7, `__start_init_task` before), or the size of `union thread_union`
 * where a source of types has it (BTF has not).
 * @throws LookupError when neither is there
 */
export function threadSize(program: Program): number {
  const kernel = program.symbols.kernel;
  const start = kernel.lookup('__start_init_stack') ?? kernel.lookup('__start_init_task');
  const end = kernel.lookup('__end_init_stack') ?? kernel.lookup('__end_init_task');
  const size =
    start !== undefined && end !== undefined
      ? distance(end.address, start.address)
      : program.sizeOf('union thread_union');
  if (size < 4096 || size > MAX_THREAD_SIZE) throw new LookupError('symbol', 'the bounds of init_stack');
  return size;
}

/**
 * The area of a task's kernel stack.
 * @param task - `struct task_struct *`
 * @returns undefined when the stack was freed (an exited task)
 * @throws FaultError, LookupError
 */
export function stackArea(program: Program, task: VirtAddr): StackArea | undefined {
  const start = program.field('struct task_struct', 'stack').pointer(task);
  return start === 0n ? undefined : { start, size: threadSize(program) };
}

/** What a CPU was doing at the crash. */
export interface CpuState {
  readonly cpu: number;
  readonly registers: Registers;
}

/**
 * Registers of all online CPUs that saved some, for `taskStack`: who asks for many stacks reads them once.
 * @returns for each CPU what its `note_buf_t` or the dump's note has
 * @throws nothing for what the dump holds: a CPU that cannot be read is left out
 */
export function cpuStates(program: Program): readonly CpuState[] {
  const states: CpuState[] = [];
  for (const cpu of attempt(() => cpus(program, 'online')) ?? []) {
    const registers = attempt(() => cpuRegisters(program, cpu));
    if (registers !== undefined) states.push({ cpu, registers });
  }
  return states;
}

export interface StackOptions {
  /** Frames with the registers that are known in them; takes longer. */
  readonly registers?: boolean;
}

/**
 * The stack of a task, innermost function first. An empty or broken stack says why it is.
 * @param task - a `struct task_struct`
 * @param states - of the CPUs
 * @throws nothing for what the dump holds
 */
export function taskStack(
  program: Program,
  task: Task,
  states: readonly CpuState[] = cpuStates(program),
  options: StackOptions = {},
): TaskStack {
  let source: TaskStack['registers'] = 'none';
  try {
    const area = stackArea(program, task.address);
    // A CPU that is just switching stands on the stack of the task before, while `rq.curr` names the next one.
    const on = area && states.find(({ registers }) => !registers.user && contains(area.start, area.size, registers.sp));
    const own = on ?? (task.running ? states.find(({ cpu }) => cpu === task.cpu) : undefined);
    if (own === undefined && task.running) return empty('it was running, and the dump has no registers of its CPU');
    if (own !== undefined) {
      source = 'crash-note';
      if (own.registers.user) return { frames: [], end: 'user', problem: undefined, registers: source };
      const stack = walk(program, own.registers, source, area, options);
      const reached = area !== undefined && stack.frames.some(({ sp }) => contains(area.start, area.size, sp));
      if (reached || area === undefined || stack.end === 'broken') return stack;
    }
    if (area === undefined) return empty('its stack was freed');
    source = 'switched-out';
    const start = program.arch.switchedOutRegisters(program, task.address);
    if (!program.isText(start.pc)) return empty('its saved registers do not point to code');
    return walk(program, start, source, area, options);
  } catch (error) {
    if (!isDataError(error)) throw error;
    return { frames: [], end: 'broken', problem: error.message, registers: source };
  }
}

/**
 * A stack from a place that the caller chose.
 * @param task - `struct task_struct *`, whose stack bounds a scan
 * @param pc - address of an instruction, `void *`
 * @param sp - the stack pointer in that function
 * @throws nothing for what the dump holds
 */
export function stackFrom(program: Program, task: VirtAddr, pc: VirtAddr, sp: VirtAddr): TaskStack {
  const start: Registers = { pc, sp, fp: undefined, others: new Map(), exact: false, user: false };
  try {
    return walk(program, start, 'none', stackArea(program, task), {});
  } catch (error) {
    if (!isDataError(error)) throw error;
    return empty(error.message);
  }
}

function walk(
  program: Program,
  start: Registers,
  registers: TaskStack['registers'],
  area: StackArea | undefined,
  options: StackOptions,
): TaskStack {
  const isOn = area !== undefined && contains(area.start, area.size, start.sp);
  const end = isOn ? add(area.start, area.size) : undefined;
  const trace = program.arch.unwind(program, start, end, options.registers);
  const frames = trace.frames.map((frame) => nameFrame(program, frame));
  return { frames, end: trace.end, problem: trace.problem, registers };
}

function empty(problem: string): TaskStack {
  return { frames: [], end: 'broken', problem, registers: 'none' };
}

function nameFrame(program: Program, frame: Frame): NamedFrame {
  const symbol = frame.exact ? program.symbols.at(frame.pc) : program.symbols.atReturn(frame.pc);
  return { ...frame, symbol, func: symbol === undefined ? undefined : plainName(symbol.name) };
}

/** 'foo.constprop.0' -> 'foo'. */
function plainName(name: string): string {
  const dot = name.indexOf('.', 1);
  return dot < 0 ? name : name.slice(0, dot);
}

/**
 * Registers of a CPU at the crash, from its `crash_notes` buffer (`note_buf_t *`, per-CPU pointer): an ELF note
 * CORE/NT_PRSTATUS. Indexing the dump's notes instead would go wrong when a CPU did not answer.
 * @returns undefined when the CPU saved none
 * @throws FaultError, LookupError, FormatError
 */
export function cpuRegisters(program: Program, cpu: number): Registers | undefined {
  const notes = program.symbols.kernel.lookup('crash_notes');
  if (notes !== undefined) {
    const buffer = program.perCpuAddress(program.memory.readPointer(notes.address), cpu);
    const desc = attempt(() => noteDesc(program, buffer));
    if (desc !== undefined) return program.arch.prstatusRegisters(desc);
  }
  // A live dump (no CRASHTIME in VMCOREINFO) has one note per virtual CPU, in order, written by the hypervisor.
  if (program.vmcoreinfo.crashTime !== undefined) return undefined;
  const note = program.dump.notes.filter((n) => n.name === 'CORE' && n.type === NT_PRSTATUS)[cpu];
  return note === undefined ? undefined : program.arch.prstatusRegisters(note.desc);
}

function noteDesc(program: Program, at: VirtAddr): Uint8Array | undefined {
  const header = new ByteView(program.memory.readBytes(at, 12), 'crash_notes');
  const nameSize = header.u32(0);
  const descSize = header.u32(4);
  if (nameSize === 0 || header.u32(8) !== NT_PRSTATUS) return undefined;
  if (nameSize > 64 || descSize > 4096) throw new FormatError('crash_notes', `note of ${nameSize} + ${descSize} bytes`);
  return program.memory.readBytes(add(at, 12 + ((nameSize + 3) & ~3)), descSize);
}

/** Words of a stack from an address to its upper end, as a scan needs them. */
export interface StackWords {
  readonly start: VirtAddr;
  readonly words: BigUint64Array;
}

/**
 * The words of a stack from `sp` up.
 * @param area - a `struct task_struct`'s stack
 * @returns undefined when `sp` is not on it
 * @throws FaultError
 */
export function stackWords(program: Program, area: StackArea, sp: VirtAddr): StackWords | undefined {
  if (!contains(area.start, area.size, sp)) return undefined;
  const start = virt((sp + 7n) & ~7n);
  const bytes = program.memory.readBytes(start, Number(area.start + BigInt(area.size) - start));
  return { start, words: new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.length >> 3) };
}

/**
 * The frame in whose stack area an address lies.
 * @param frames - frames of one `struct task_struct`, innermost first
 */
export function frameAt(frames: readonly NamedFrame[], address: VirtAddr): NamedFrame | undefined {
  return frames.find((frame) => frame.cfa !== undefined && address >= frame.sp && address < frame.cfa);
}
