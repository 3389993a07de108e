/**
 * The kernel's symbols both ways: every name of kallsyms at nm's address, and what nm has that kallsyms has not.
 * Addresses are those of the linked image: with KASLR the offset is taken off, but not off per-CPU symbols, which are no
 * addresses (below the image, until 6.14).
 */
import { hex } from '../../src/base/address.ts';
import type { Program } from '../../src/program/program.ts';
import { Answers } from '../answers.ts';

const IMAGE = 0xffffffff80000000n;

/** Our answers: group 'symbols', 'name@address' -> letter. */
export function kallsymsAnswers(program: Program, answers: Answers): void {
  const offset = program.vmcoreinfo.kernelOffset ?? 0n;
  for (const { name, address, type } of program.symbols.kernel.entries()) {
    const linked = address >= IMAGE ? address - offset : address;
    answers.say('symbols', `${name}@${hex(linked)}`, type);
  }
}

/** nm's answers, from `nm vmlinux`: the same keys. */
export function nmAnswers(text: string): Answers {
  const answers = new Answers();
  for (const line of text.split('\n')) {
    const match = /^([0-9a-f]{16}) (\S) (\S+)$/.exec(line);
    if (match?.[1] === undefined || match[2] === undefined || match[3] === undefined) continue;
    answers.say('symbols', `${match[3]}@0x${match[1]}`, match[2]);
  }
  return answers;
}
