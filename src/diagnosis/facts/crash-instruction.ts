/**
 * The instruction that the kernel crashed at, out of the dump's own memory: its bytes, whether they are those that the log
 * printed (`Code:`), what it is, and which address its operand makes of the registers in the log. Only x86-64 is taken
 * apart; where no disassembler is installed, the bytes stand alone.
 */
import { add, type VirtAddr } from '../../base/address.ts';
import { attempt } from '../../base/errors.ts';
import type { Oops } from '../../kernel/oops.ts';
import { disassemblerFor } from '../../program/arch/disassembler.ts';
import type { Program } from '../../program/program.ts';

export interface CrashInstruction {
  readonly address: VirtAddr;
  /** As GNU's tools write it: 'mov    0x18(%rdi),%eax'; undefined without a disassembler. */
  readonly text: string | undefined;
  /** Of the instruction; without a disassembler, those that the log printed from it on. */
  readonly bytes: Uint8Array;
  /** The bytes in memory are those of the log; undefined where that has none. */
  readonly sameAsLog: boolean | undefined;
  readonly operand: MemoryOperand | undefined;
}

/** The memory that an instruction touches. */
export interface MemoryOperand {
  /** '0x18(%rdi)'. */
  readonly text: string;
  readonly access: 'read' | 'write' | undefined;
  /** What the log's registers make of it; undefined where it does not print one of them. */
  readonly address: bigint | undefined;
  /** Registers that it is made of, with their values: 'rdi'. */
  readonly registers: readonly (readonly [name: string, value: bigint])[];
}

/** More than any instruction has. */
const ENOUGH = 16;

/**
 * @param func - where the function begins that `oops.at` names
 * @returns undefined when the dump does not have the instruction
 */
export function crashInstruction(
  program: Program,
  oops: Oops,
  func: VirtAddr | undefined,
): CrashInstruction | undefined {
  const { at, code } = oops;
  if (func === undefined || at === undefined) return undefined;
  const address = add(func, at.offset);
  const read = attempt(() => program.memory.readBytes(address, Math.max(ENOUGH, code?.length ?? 0)));
  if (read === undefined) return undefined;
  const sameAsLog = code === undefined ? undefined : code.every((byte, i) => read[i] === byte);
  const [decoded] =
    attempt(() => [...disassemblerFor(program.arch.name).decode(read.subarray(0, ENOUGH), address)]) ?? [];
  if (decoded === undefined)
    return { address, text: undefined, bytes: read.slice(0, code?.length ?? 0), sameAsLog, operand: undefined };
  const { text, length } = decoded;
  return { address, text, bytes: read.slice(0, length), sameAsLog, operand: operandOf(text, oops) };
}

/** 'disp(base,index,scale)' in GNU's syntax. */
const OPERAND = /(-?0x[0-9a-f]+)?\((%\w+)?(?:,(%\w+),([1248]))?\)/;
/** Instructions whose operands say alone who is read and who is written: the last is written. */
const MOVES = /^mov/;
const READS = /^(cmp|test|push|call|jmp|bt)\w?\b/;

/** @param text - 'mov    0x18(%rdi),%eax' */
export function operandOf(
  text: string,
  { registers, access }: Pick<Oops, 'registers' | 'access'>,
): MemoryOperand | undefined {
  const found = OPERAND.exec(text);
  if (found === null) return undefined;
  const [operand, displacement, base, index, scale] = found;
  // Relative to the instruction: no register of the log has to do with it.
  if (base === '%rip') return undefined;
  const used: [string, bigint][] = [];
  let address: bigint | undefined = BigInt(displacement?.replace('-', '') ?? 0);
  if (displacement?.startsWith('-') === true) address = -address;
  for (const [name, factor] of [
    [base, 1n],
    [index, BigInt(scale ?? 1)],
  ] as const) {
    if (name === undefined) continue;
    const value = registers.get(name.slice(1));
    if (value !== undefined) used.push([name.slice(1), value]);
    address = value === undefined || address === undefined ? undefined : address + value * factor;
  }
  const last = text.endsWith(operand);
  const bySyntax = READS.test(text) ? 'read' : MOVES.test(text) ? (last ? 'write' : 'read') : undefined;
  return {
    text: operand,
    access: access === 'execute' ? undefined : (access ?? bySyntax),
    address: address === undefined ? undefined : BigInt.asUintN(64, address),
    registers: used,
  };
}
