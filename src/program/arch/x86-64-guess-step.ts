/**
 * Steps of the x86-64 unwinder where no table has a rule: through entry code by the registers that it keeps, by frame
 * pointers where a function is seen to keep one, by the return address of a call of that very function, and last by a scan
 * of the stack for a return address behind a call that may have led here. Each frame says which it was.
 */
import { add, isAligned, isKernel, type VirtAddr } from '../../base/address.ts';
import { attempt } from '../../base/errors.ts';
import type { Program } from '../program.ts';
import { callBefore, enters, jumpsInto } from './x86-64-calls.ts';
import { isEntryCode, isOutermost, stepThroughEntry } from './x86-64-entry-step.ts';
import { called, type IsCode, lookupOf, notCode, STACK_GAP, type State, type Step } from './x86-64-frame-state.ts';

/** Words of one frame that are searched for a return address. */
const MAX_FRAME_WORDS = 512;
/** Return addresses of a scan for which the code of what they called is searched. */
const MAX_SEARCHED = 64;
/** A scan does not leave the stack, whose end is told or is at such a boundary: no stack is smaller. */
const SMALLEST_STACK = 4096n;

/** For `program.layouts`. */
const STACKS = 'stacks of tasks';
const NO_HELP = 'no unwind table covers this code, and no frame pointer helps';

/** Single frames of modules and of assembler were compared with ORC: they were the same. Whole stacks are not proven. */
function noteGuess(program: Program, { pc }: State, how: string): void {
  if (!hasCfi(program) && program.symbols.isKernelText(pc)) program.layouts.chose(STACKS, how, []);
}

/** What no table tells of: `stackEnd` is the end of the task's stack, when it is known. */
export function stepByGuess(program: Program, state: State, isCode: IsCode, stackEnd: VirtAddr | undefined): Step {
  if (isOutermost(program, state)) return { end: 'end' };
  if (isEntryCode(program, state)) {
    const through = stepThroughEntry(program, state) ?? stepByPlainFramePointer(program, state, isCode);
    if (through !== undefined) return through;
  }
  return (
    stepByPrologue(program, state, isCode) ??
    stepFromLeaf(program, state, isCode) ??
    stepByScan(program, state, isCode, stackEnd)
  );
}

/** Code without unwind tables (BPF programs, ftrace trampolines) keeps the frame pointer. */
export function stepByFramePointer(program: Program, state: State, isCode: IsCode): Step {
  const bp = state.bp;
  if (bp === undefined || bp < state.sp || bp - state.sp > STACK_GAP || !isAligned(bp, 8)) {
    return { end: 'broken', problem: NO_HELP };
  }
  const pc = program.memory.readPointer(add(bp, 8));
  if (!isCode(pc)) return notCode(pc);
  return { next: called(pc, add(bp, 16), program.memory.readPointer(bp), 'frame-pointer'), cfa: add(bp, 16) };
}

/** The pc is no code at all: something called or jumped through a wild pointer, and the return address is on top. */
export function stepFromNowhere(program: Program, state: State): Step {
  const pc = program.memory.readPointer(state.sp);
  if (!program.isText(pc))
    return { end: 'broken', problem: `the instruction pointer ${state.pc.toString(16)} is not code` };
  return { next: called(pc, add(state.sp, 8), state.bp, 'call'), cfa: add(state.sp, 8) };
}

/**
 * Passes over a frame for whose code there is no rule: upwards from the stack pointer, the first word that is the
 * return address of a direct call of this very function. That such a function left rbp alone is only likely: if it did
 * not, the next frame that needs it ends the walk.
 */
export function stepByCall(program: Program, state: State, isCode: IsCode): Step {
  const start = startOf(program, state);
  for (let i = 0; start !== undefined && i < MAX_FRAME_WORDS; i++) {
    const at = add(state.sp, 8 * i);
    const word = attempt(() => program.memory.readPointer(at));
    if (word === undefined) break;
    const target = program.isText(word) ? callBefore(program, word, isCode)?.target : undefined;
    if (target !== undefined && enters(target, start))
      return { next: called(word, add(at, 8), state.bp, 'call'), cfa: add(at, 8) };
  }
  return { end: 'broken', problem: 'the unwind table has no rule here' };
}

/** Start of the function, of whose parts that lie apart (`.cold`) that of the whole. */
function startOf(program: Program, state: State): VirtAddr | undefined {
  const symbol = program.symbols.at(lookupOf(state));
  const whole = symbol?.name.endsWith('.cold') === true ? symbol.name.slice(0, -5) : undefined;
  return (whole === undefined ? undefined : program.symbols.lookup(whole)?.address) ?? symbol?.address;
}

/**
 * How well a call fits to have led into the function at `start`.
 * @param followJumps - whether the code of what was called is searched for jumps
 */
function fits(
  program: Program,
  word: VirtAddr,
  start: VirtAddr,
  isCode: IsCode,
  followJumps = true,
): 'exactly' | 'maybe' | undefined {
  const call = program.isText(word) ? callBefore(program, word, isCode) : undefined;
  if (call === undefined) return undefined;
  if (call.target === undefined) return 'maybe';
  const leadsHere = enters(call.target, start) || (followJumps && jumpsInto(program, call.target, start));
  return leadsHere ? 'exactly' : undefined;
}

/** Cut in assembler that uses no stack (`clear_page`, `memcpy`): the return address is on top. */
function stepFromLeaf(program: Program, state: State, isCode: IsCode): Step | undefined {
  const start = state.exact ? startOf(program, state) : undefined;
  const word = start === undefined ? undefined : attempt(() => program.memory.readPointer(state.sp));
  if (start === undefined || word === undefined || fits(program, word, start, isCode) === undefined) return undefined;
  const cfa = add(state.sp, 8);
  return { next: { ...called(word, cfa, state.bp, 'call'), others: state.others }, cfa };
}

/** Assembler that keeps its frame at rbp while it runs on another stack (`asm_call_irq_on_stack` 5.8 to 5.11, `call_softirq`). */
function stepByPlainFramePointer(program: Program, { bp }: State, isCode: IsCode): Step | undefined {
  if (bp === undefined || !isAligned(bp, 8) || !isKernel(bp)) return undefined;
  return attempt(() => returnAt(program, bp, isCode));
}

/** @throws FaultError */
function returnAt(program: Program, bp: VirtAddr, isCode: IsCode): Step | undefined {
  const pc = program.memory.readPointer(add(bp, 8));
  if (!isCode(pc) || callBefore(program, pc, isCode) === undefined) return undefined;
  return { next: called(pc, add(bp, 16), program.memory.readPointer(bp), 'frame-pointer'), cfa: add(bp, 16) };
}

/** ENDBR64; the call of the tracer, or what takes its place; `push %rbp; mov %rsp,%rbp` in both encodings. */
const ENDBR64 = [0xf3, 0x0f, 0x1e, 0xfa];
const NOPS = [
  [0x0f, 0x1f, 0x44, 0x00, 0x00],
  [0x66, 0x66, 0x66, 0x66, 0x90],
];
const KEEPS = [
  [0x55, 0x48, 0x89, 0xe5],
  [0x55, 0x48, 0x8b, 0xec],
];
const PROLOGUE_BYTES = 16;

/**
 * Where a function begins to keep the frame pointer, in bytes from its start; below 0 when it does not.
 * @throws FaultError
 */
function prologueOf(program: Program, start: VirtAddr): number {
  const code = program.memory.readBytes(start, PROLOGUE_BYTES);
  const begins = (at: number, bytes: readonly number[]): boolean => bytes.every((byte, i) => code[at + i] === byte);
  let at = begins(0, ENDBR64) ? ENDBR64.length : 0;
  if (code[at] === 0xe8 || NOPS.some((nop) => begins(at, nop))) at += 5;
  return KEEPS.some((keeps) => begins(at, keeps)) ? at : -1;
}

/** Functions of every kernel, by which it is told how all of them are made. */
const TELLING = ['schedule', 'vfs_read', 'do_exit'];

function telling(program: Program): readonly VirtAddr[] {
  return TELLING.flatMap((name) => program.symbols.kernel.lookup(name)?.address ?? []);
}

/** True when there is a file with call frame information of this kernel's own code. */
function hasCfi(program: Program): boolean {
  return telling(program).some((start) => attempt(() => program.cfiAt(start)) !== undefined);
}

/** What is to be said when the stacks of this kernel can only be guessed; nothing otherwise. */
export function withoutUnwindTables(program: Program): readonly string[] {
  if (program.hasOrc) return [];
  const starts = telling(program);
  const keeps = starts.some((start) => (attempt(() => prologueOf(program, start)) ?? -1) >= 0);
  if (keeps || starts.length === 0 || hasCfi(program)) return [];
  return [
    'there are no unwind tables (ORC) that can be used: the functions on stacks are found by a scan, and marked; the ' +
      "kernel's vmlinux with debug information would tell them",
  ];
}

/** A function that is seen to begin with keeping the frame pointer (CONFIG_FRAME_POINTER), and has done so. */
function stepByPrologue(program: Program, state: State, isCode: IsCode): Step | undefined {
  const start = program.symbols.at(lookupOf(state))?.address;
  const at = start === undefined ? undefined : attempt(() => prologueOf(program, start));
  if (start === undefined || at === undefined)
    return program.isText(state.pc) ? undefined : tryFramePointer(program, state, isCode);
  if (at < 0) return undefined;
  const { bp } = state;
  const into = Number(state.pc - start) - at;
  // Cut before the frame was made: the return address is still on top, or has the saved rbp on top of it.
  if (state.exact && into < 4) return stepFromTop(program, add(state.sp, into < 1 ? 0 : 8), state, isCode);
  if (bp === undefined || bp < state.sp || bp - state.sp > STACK_GAP || !isAligned(bp, 8)) return undefined;
  const step = attempt(() => returnAt(program, bp, isCode));
  if (step !== undefined) noteGuess(program, state, 'followed by frame pointers');
  return step;
}

function stepFromTop(program: Program, at: VirtAddr, state: State, isCode: IsCode): Step | undefined {
  const pc = attempt(() => program.memory.readPointer(at));
  if (pc === undefined || !isCode(pc)) return undefined;
  return { next: called(pc, add(at, 8), state.bp, 'frame-pointer'), cfa: add(at, 8) };
}

function tryFramePointer(program: Program, state: State, isCode: IsCode): Step | undefined {
  const step = attempt(() => stepByFramePointer(program, state, isCode));
  return step !== undefined && 'next' in step ? step : undefined;
}

/**
 * The first return address further up behind a call of this function, or of one that jumps into it; where there is none, the
 * first behind a call through a pointer. What older calls left on the stack may be taken for it: the frame is marked.
 */
function stepByScan(program: Program, state: State, isCode: IsCode, stackEnd: VirtAddr | undefined): Step {
  const start = startOf(program, state);
  const end = stackEnd ?? (state.sp | (SMALLEST_STACK * 4n - 1n)) + 1n;
  let maybe: VirtAddr | undefined;
  let searched = 0;
  for (let i = 0; start !== undefined && add(state.sp, 8 * i) < end; i++) {
    const at = add(state.sp, 8 * i);
    const word = attempt(() => program.memory.readPointer(at));
    if (word === undefined) break;
    // Old return addresses are few; a stack that is full of them was made so.
    const isText = program.isText(word);
    const fit = isText ? fits(program, word, start, isCode, searched++ < MAX_SEARCHED) : undefined;
    if (fit === 'exactly') return scanned(program, word, at, state);
    if (fit === 'maybe') maybe ??= at;
  }
  const word = maybe === undefined ? undefined : attempt(() => program.memory.readPointer(maybe));
  if (maybe !== undefined && word !== undefined) return scanned(program, word, maybe, state);
  return { end: 'broken', problem: NO_HELP };
}

function scanned(program: Program, word: VirtAddr, at: VirtAddr, state: State): Step {
  noteGuess(program, state, 'found by a scan for calls that fit');
  return { next: called(word, add(at, 8), state.bp, 'scan'), cfa: add(at, 8) };
}
