/**
 * Parameters and local variables of a frame, where debug information says that they are somewhere, and that place can be read.
 * What has been optimised away, or lies in a register that nobody saved, has no value: none is guessed.
 */
import { add, virt, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { CType } from '../debuginfo/type.ts';
import { type Location, locate, type Surroundings } from '../debuginfo/dwarf/expression.ts';
import type { Variable, VariablesAt } from '../debuginfo/dwarf/dwarf-variables.ts';
import type { Frame } from './arch/arch.ts';
import type { Program } from './program.ts';
import { sizeOf } from './types.ts';

/** Larger values that do not lie in memory as a whole are not put together. */
const MAX_BYTES = 1 << 16;

/** What of a program this needs. */
type Told = Pick<Program, 'variablesAt'> & { readonly memory: Pick<Program['memory'], 'readBytes'> };

export interface Local {
  readonly name: string;
  readonly parameter: boolean;
  readonly type: CType;
  /** Where it lies, or its bytes; undefined when it has been optimised away. */
  readonly value: { readonly address: VirtAddr } | { readonly bytes: Uint8Array } | undefined;
}

export interface FrameLocals {
  readonly func: string | undefined;
  readonly locals: readonly Local[];
}

/**
 * @param frame - with its registers (`taskStack` with `registers`)
 * @returns the innermost of the functions inlined there first; empty without debug information
 */
export function frameLocals(program: Told, frame: Frame): readonly FrameLocals[] {
  const pc = frame.exact ? frame.pc : add(frame.pc, -1);
  const found = attempt(() => program.variablesAt(pc));
  if (found === undefined) return [];
  const around = surroundings(program, frame, found.told, found.slide);
  return found.told.functions.map(({ func, variables }) => ({
    func,
    locals: variables.flatMap((variable) => {
      const local = attempt(() => localOf(variable, around));
      return local === undefined ? [] : [local];
    }),
  }));
}

function surroundings(program: Told, frame: Frame, told: VariablesAt, slide: bigint): Surroundings {
  const around: Surroundings = {
    register: (number) => frame.registers?.get(number),
    cfa: frame.cfa,
    frameBase: () => {
      const at =
        told.frameBase === undefined ? undefined : locate(told.frameBase, { ...around, frameBase: () => undefined });
      if (at?.kind === 'register') return around.register(at.number);
      return at?.kind === 'memory' ? at.address : undefined;
    },
    read: (address, size) => {
      const bytes = attempt(() => program.memory.readBytes(virt(address), size));
      return bytes === undefined ? undefined : littleEndian(bytes);
    },
    slide,
    indexed: (index) => told.indexed(index),
  };
  return around;
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function bytesOf(value: bigint, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

function localOf(variable: Variable, around: Surroundings): Local {
  const type = variable.type();
  const size = sizeOf(type);
  const { name, parameter, expression, constant } = variable;
  const at = expression === undefined ? undefined : attempt(() => locate(expression, around));
  const local = { name, parameter, type };
  if (at?.kind === 'memory') return { ...local, value: { address: virt(at.address) } };
  if (size > MAX_BYTES) return { ...local, value: undefined };
  const bytes = at === undefined ? undefined : readable(at, size, around);
  if (bytes !== undefined) return { ...local, value: { bytes } };
  if (expression === undefined && constant !== undefined)
    return { ...local, value: { bytes: bytesOf(BigInt.asUintN(64, constant), size) } };
  return { ...local, value: undefined };
}

/** The bytes of a location, all of them or none. */
function readable(at: Location, size: number, around: Surroundings): Uint8Array | undefined {
  switch (at.kind) {
    case 'memory': {
      const bytes = Array.from({ length: size }, (_, i) => around.read(at.address + BigInt(i), 1));
      return bytes.includes(undefined) ? undefined : Uint8Array.from(bytes, (byte) => Number(byte));
    }
    case 'register': {
      const value = around.register(at.number);
      return value === undefined || size > 8 ? undefined : bytesOf(value, size);
    }
    case 'value':
      return size > 8 ? undefined : bytesOf(at.value, size);
    case 'bytes':
      return at.bytes.length >= size ? at.bytes.subarray(0, size) : undefined;
    case 'pieces': {
      const pieces = at.pieces.map((piece) =>
        piece.at === undefined ? undefined : readable(piece.at, piece.size, around),
      );
      if (pieces.includes(undefined)) return undefined;
      const bytes = Buffer.concat(pieces.map((piece) => piece ?? new Uint8Array(0)));
      return bytes.length >= size ? bytes.subarray(0, size) : undefined;
    }
  }
}
