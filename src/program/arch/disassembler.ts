/** Machine code into text: what all architectures have in common, and which disassembler one has. */
import type { VirtAddr } from '../../base/address.ts';
import { UsageError } from '../../base/errors.ts';
import { x86Disassembler } from './x86-64-instructions.ts';

/** Where an instruction jumps to or what it calls; `data`: what it addresses relative to itself. */
export interface InstructionTarget {
  readonly address: VirtAddr;
  readonly kind: 'jump' | 'call' | 'data';
}

export interface MachineInstruction {
  readonly address: VirtAddr;
  /** Bytes; at least 1, also of what is no instruction. */
  readonly length: number;
  /**
   * As GNU's tools write it: 'mov    %rdi,%rbx'; '(bad)' for what is no instruction. Without the comment behind '#', which
   * has the target.
   */
  readonly text: string;
  readonly target: InstructionTarget | undefined;
}

export interface Disassembler {
  /** Bytes of the longest instruction. */
  readonly maxLength: number;
  /** Instructions one behind the other; the last may be cut off and then is '(bad)'. */
  decode(bytes: Uint8Array, start: VirtAddr): Generator<MachineInstruction>;
}

/** Loads what it takes. @throws UsageError when there is none for the architecture, or it is not installed */
export function disassemblerFor(architecture: string): Disassembler {
  if (architecture === 'x86_64') return x86Disassembler();
  throw new UsageError(`no disassembler for ${architecture}`);
}
