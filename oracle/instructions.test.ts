import { describe, expect, it } from 'vitest';
import { virt } from '../src/base/address.ts';
import { type InstructionTally, instructionsReport, isEnough, kindOf, lineOf, parseObjdump } from './instructions.ts';

function tally(instructions: number, equal: number): InstructionTally {
  const kinds = new Map([['other: nop', { count: instructions - equal, example: 'ff: a | b' }]]);
  return { release: '6.1', binutils: '2.47', instructions, equal, padding: 0, missing: 0, kinds };
}

describe('the comparison with objdump', () => {
  it('reads its lines, and compares ours with the target of data behind', () => {
    const theirs = parseObjdump(
      '\n/mnt/code.bin:     file format binary\n\n0000 <.data>:\nffffffff99800013:\tmov    0xff9(%rip),%rax        # 0xffffffff99801013\nffffffff9980001a:\tret\n',
    );
    expect(theirs.get('ffffffff99800013')).toBe(
      lineOf({
        address: virt(0xffffffff99800013n),
        length: 7,
        text: 'mov    0xff9(%rip),%rax',
        target: { kind: 'data', address: virt(0xffffffff99801013n) },
      }),
    );
    expect(theirs.size).toBe(2);
  });

  it('tells known kinds of differences from others', () => {
    expect(kindOf({ ours: 'rep stos %rax,%es:(%rdi)', theirs: 'rep stos %rax,(%rdi)' })).toMatch(/^segments/);
    expect(kindOf({ ours: 'shr    $1,%rdx', theirs: 'shr    %rdx' })).toMatch(/^shifts/);
    expect(kindOf({ ours: 'ltr    %ax', theirs: 'ltr    %eax' })).toMatch(/^selectors/);
    expect(kindOf({ ours: 'mov    %rax,%rbx', theirs: 'mov    %rax,%rcx' })).toBe('other: mov');
    expect(kindOf({ ours: undefined, theirs: 'nop' })).toMatch(/sees no instruction/);
  });

  it('wants 995 of 1000', () => {
    expect(isEnough(tally(1000, 995))).toBe(true);
    expect(isEnough(tally(1000, 994))).toBe(false);
    expect(isEnough(tally(0, 0))).toBe(false);
    expect(instructionsReport([tally(1000, 994)])).toContain('99.400 %');
  });
});
