/**
 * The calls of x86-64 code, by the bytes before a return address: what a stack without unwind tables is read by. The text
 * in the dump is read, as it was patched at run time.
 */
import { add, distance, sub, type VirtAddr } from '../../base/address.ts';
import { attempt } from '../../base/errors.ts';
import type { Program } from '../program.ts';
import type { IsCode } from './x86-64-frame-state.ts';

export interface Call {
  /** Where it goes to; undefined for one through a register or memory. */
  readonly target: VirtAddr | undefined;
}

const CALL = 0xe8;
const CALL_SIZE = 5;
/** A call may aim behind the function's ENDBR64, or, with call depth tracking, into the padding before it. */
const ENDBR_SIZE = 4;
const PADDING = 16;
/** Code of functions that is searched for jumps: of one that is called, and of one that only leads on. */
const MAX_CODE = 1 << 15;
const MAX_STUB = 256;
const MAX_TARGETS = 1024;

/** The call that returns to `address`; undefined when the bytes before it are none, or cannot be read. */
export function callBefore(program: Program, address: VirtAddr, isCode: IsCode): Call | undefined {
  const bytes = attempt(() => program.memory.readBytes(sub(address, 8), 8));
  if (bytes === undefined) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes[8 - CALL_SIZE] === CALL) {
    const target = add(address, view.getInt32(4, true));
    const isText = program.isText(target) || program.isText(add(target, PADDING));
    // Other instructions end in such bytes too, but lead nowhere. Code outside of the text are trampolines.
    if (isText || isCode(target)) return { target: isText && !isThunk(program, target) ? target : undefined };
  }
  return isIndirect(bytes) ? { target: undefined } : undefined;
}

/** Retpolines and their like (with `__pi_` before their names too): the call of one is a call through a register. */
function isThunk(program: Program, target: VirtAddr): boolean {
  return program.symbols.at(target)?.name.includes('__x86_indirect') ?? false;
}

/** `call *%reg`, `call *disp(%reg)`: FF /2 with its operand, of 2 to 7 bytes; a prefix may stand before it. */
function isIndirect(bytes: Uint8Array): boolean {
  for (let size = 2; size <= 7; size++) {
    if (bytes[8 - size] !== 0xff) continue;
    const modrm = bytes[9 - size] ?? 0;
    if ((modrm & 0x38) !== 0x10) continue;
    const [mod, rm] = [modrm >> 6, modrm & 7];
    const sib = mod !== 3 && rm === 4 ? 1 : 0;
    const noBase = mod === 0 && (rm === 5 || (sib === 1 && ((bytes[10 - size] ?? 0) & 7) === 5));
    const displacement = mod === 1 ? 1 : mod === 2 || noBase ? 4 : 0;
    if (2 + sib + displacement === size) return true;
  }
  return false;
}

/** True when a jump or call to `target` enters the function at `start`. */
export function enters(target: VirtAddr, start: VirtAddr): boolean {
  const aim = distance(target, start);
  return aim >= -PADDING && aim <= ENDBR_SIZE;
}

/**
 * True when the function at `start` jumps into the one at `to`: a call of it may then be in `to`. Two jumps in a row are
 * followed: `x64_sys_call` jumps to `__x64_sys_wait4`, and that to `__do_sys_wait4`.
 */
export function jumpsInto(program: Program, start: VirtAddr, to: VirtAddr): boolean {
  const targets = jumpsOf(program, start, MAX_CODE);
  if (targets.some((target) => enters(target, to))) return true;
  return targets
    .slice(0, MAX_TARGETS)
    .some((target) => jumpsOf(program, target, MAX_STUB).some((next) => enters(next, to)));
}

/** Where the function at `start` jumps to outside of itself; none of one that is longer than `most` bytes. */
function jumpsOf(program: Program, start: VirtAddr, most: number): readonly VirtAddr[] {
  const size = program.symbols.at(start)?.size ?? 0;
  const bytes = size > most ? undefined : attempt(() => program.memory.readBytes(start, size));
  if (bytes === undefined) return [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: VirtAddr[] = [];
  const outside = (into: number): void => {
    if (into < 0 || into >= size) found.push(add(start, into));
  };
  for (let i = 0; i + 2 <= bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    // jmp and the conditional ones, with a distance of one byte, then of four, whose second byte is 0x80 to 0x8f.
    if (byte === 0xeb || (byte & 0xf0) === 0x70) outside(i + 2 + view.getInt8(i + 1));
    const isFar = byte === 0xe9 || (i > 0 && bytes[i - 1] === 0x0f && (byte & 0xf0) === 0x80);
    if (isFar && i + CALL_SIZE <= bytes.length) outside(i + CALL_SIZE + view.getInt32(i + 1, true));
  }
  return found;
}
