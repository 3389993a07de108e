/**
 * x86-64 machine code into the text of GNU's tools (AT&T syntax, as crash, gdb and objdump show it). iced-x86 decodes it,
 * x86-64-syntax.ts makes its text GNU's. The package is loaded when code is asked for: a report never pays for it.
 */
import { createRequire } from 'node:module';
import type * as Iced from 'iced-x86';
import { add, virt } from '../../base/address.ts';
import { UsageError } from '../../base/errors.ts';
import type { Disassembler, InstructionTarget, MachineInstruction } from './disassembler.ts';
import { gnuText } from './x86-64-syntax.ts';

/** No instruction is longer. */
const MAX_LENGTH = 15;

/** @throws UsageError when the package is not installed */
function loadIced(): typeof Iced {
  const require = createRequire(import.meta.url);
  try {
    return require('iced-x86') as typeof Iced;
  } catch (error) {
    throw new UsageError('dis needs the package iced-x86, which is not installed beside kwhy', { cause: error });
  }
}

/** @throws UsageError when the package iced-x86 is not installed */
export function x86Disassembler(): Disassembler {
  const iced = loadIced();
  const formatter = new iced.Formatter(iced.FormatterSyntax.Gas);
  formatter.hexPrefix = '0x';
  formatter.smallHexNumbersInDecimal = false;
  formatter.uppercaseHex = false;
  formatter.branchLeadingZeros = false;
  formatter.leadingZeros = false;
  formatter.alwaysShowScale = true;
  formatter.showBranchSize = false;
  formatter.ripRelativeAddresses = true;
  // One for all: it lies in the memory of the package, which nobody collects.
  const instruction = new iced.Instruction();
  const operandSizes = new Map<number, boolean>();
  const usesOperandSize = (): boolean => {
    const known = operandSizes.get(instruction.code);
    if (known !== undefined) return known;
    const info = instruction.opCode;
    const uses = info.operandSize === 16 || info.mandatoryPrefix === iced.MandatoryPrefix.P66;
    info.free();
    operandSizes.set(instruction.code, uses);
    return uses;
  };
  const targetOf = (): InstructionTarget | undefined => {
    if (instruction.isIpRelMemoryOperand)
      return { kind: 'data', address: virt(BigInt.asUintN(64, instruction.ipRelMemoryAddress)) };
    const near = instruction.nearBranchTarget;
    if (near === 0n) return undefined;
    return { kind: instruction.isCallNear ? 'call' : 'jump', address: virt(BigInt.asUintN(64, near)) };
  };
  return {
    maxLength: MAX_LENGTH,
    *decode(bytes, start): Generator<MachineInstruction> {
      const decoder = new iced.Decoder(64, bytes, iced.DecoderOptions.None);
      try {
        decoder.ip = start;
        while (decoder.canDecode) {
          const at = decoder.position;
          decoder.decodeOut(instruction);
          const { length } = instruction;
          // What cannot be decoded is one byte, and the next may be an instruction again: as GNU has it.
          if (instruction.isInvalid) decoder.position = at + 1;
          if (instruction.isInvalid) decoder.ip = add(start, at + 1);
          const target = targetOf();
          const text = gnuText({
            text: formatter.format(instruction),
            bytes: bytes.subarray(at, at + length),
            zeroDisplacement: instruction.memoryDisplSize !== 0 && instruction.memoryDisplacement === 0n,
            usesOperandSize,
          });
          yield { address: add(start, at), length: instruction.isInvalid ? 1 : length, text, target };
        }
      } finally {
        decoder.free();
      }
    },
  };
}
