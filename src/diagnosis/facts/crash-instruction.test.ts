import { describe, expect, it } from 'vitest';
import { operandOf } from './crash-instruction.ts';

const registers = new Map([
  ['rdi', 0n],
  ['rax', 0x10n],
  ['rdx', 0x6b6b6b6b6b6b6b6bn],
  ['rbx', 0xffffffffffffff00n],
]);

const operand = (text: string, access?: 'read' | 'write' | 'execute'): ReturnType<typeof operandOf> =>
  operandOf(text, { registers, access });

describe('the memory that an instruction touches', () => {
  it.each([
    ['mov    0x18(%rdi),%eax', '0x18(%rdi)', 'read', 0x18n],
    ['mov    %rax,(%rdx)', '(%rdx)', 'write', 0x6b6b6b6b6b6b6b6bn],
    ['movl   $0x1,-0x8(%rdi)', '-0x8(%rdi)', 'write', 0xfffffffffffffff8n],
    ['cmpq   $0x0,0x10(%rdi,%rax,8)', '0x10(%rdi,%rax,8)', 'read', 0x90n],
    ['mov    0x200(%rbx),%rcx', '0x200(%rbx)', 'read', 0x100n],
    ['mov    0x1000(,%rax,4),%rcx', '0x1000(,%rax,4)', 'read', 0x1040n],
  ] as const)('%s', (text, spelled, access, address) => {
    expect(operand(text)).toMatchObject({ text: spelled, access, address });
  });

  it('is read or written as the log says, whatever the instruction', () => {
    expect(operand('addl   $0x1,(%rdi)')?.access).toBeUndefined();
    expect(operand('addl   $0x1,(%rdi)', 'write')?.access).toBe('write');
  });

  it('has no address where the log does not print a register', () => {
    expect(operand('mov    0x8(%r12,%rax,8),%rcx')).toMatchObject({ address: undefined, registers: [['rax', 0x10n]] });
  });

  it('is none of an instruction without one, or of one relative to itself', () => {
    expect(operand('ud2')).toBeUndefined();
    expect(operand('xor    %eax,%eax')).toBeUndefined();
    expect(operand('mov    0x1234(%rip),%rax')).toBeUndefined();
  });
});
