import { describe, expect, it } from 'vitest';
import { virt } from '../../base/address.ts';
import { disassemblerFor } from './disassembler.ts';

const START = virt(0xffffffff81000000n);

function decode(hex: string) {
  return [...disassemblerFor('x86_64').decode(Buffer.from(hex.replaceAll(' ', ''), 'hex'), START)];
}
const texts = (hex: string): string[] => decode(hex).map(({ text }) => text);

describe('the text of instructions is that of gdb', () => {
  // Bytes and text as crash 9.0.2 and objdump 2.40 show them; where these two differ, crash's.
  it.each([
    ['0f 1f 44 00 00', 'nopl   0x0(%rax,%rax,1)'],
    ['66 66 66 66 90', 'data16 data16 data16 xchg %ax,%ax'],
    ['66 66 2e 0f 1f 84 00 00 00 00 00', 'data16 cs nopw 0x0(%rax,%rax,1)'],
    ['66 2e 0f 1f 84 00 00 00 00 00', 'cs nopw 0x0(%rax,%rax,1)'],
    ['2e 2e 2e 31 c0', 'cs cs cs xor %eax,%eax'],
    ['55', 'push   %rbp'],
    ['ff 32', 'push   (%rdx)'],
    ['8f 80 90 00 00 00', 'pop    0x90(%rax)'],
    ['48 89 df', 'mov    %rbx,%rdi'],
    ['4d 89 68 08', 'mov    %r13,0x8(%r8)'],
    ['48 8b 45 00', 'mov    0x0(%rbp),%rax'],
    ['65 48 8b 1c 25 80 fb 01 00', 'mov    %gs:0x1fb80,%rbx'],
    ['f0 48 0f b1 13', 'lock cmpxchg %rdx,(%rbx)'],
    ['48 d1 ea', 'shr    $1,%rdx'],
    ['c1 e8 01', 'shr    $0x1,%eax'],
    ['4d 69 e4 c0 08 00 00', 'imul   $0x8c0,%r12,%r12'],
    ['f3 48 ab', 'rep stos %rax,%es:(%rdi)'],
    ['f3 a5', 'rep movsl %ds:(%rsi),%es:(%rdi)'],
    ['f3 a6', 'repz cmpsb %es:(%rdi),%ds:(%rsi)'],
    ['a4', 'movsb  %ds:(%rsi),%es:(%rdi)'],
    ['ee', 'out    %al,(%dx)'],
    ['66 ff c2', 'inc    %dx'],
    ['0f 01 c8', 'monitor %rax,%ecx,%edx'],
    ['0f 21 d0', 'mov    %db2,%rax'],
    ['48 cf', 'iretq'],
    ['f3 c3', 'repz ret'],
    ['3e ff e0', 'notrack jmp *%rax'],
    ['c0 64 2c 8b 43', 'shlb   $0x43,-0x75(%rsp,%rbp,1)'],
    ['de c1', 'faddp  %st,%st(1)'],
    ['f3 0f 1e fa', 'endbr64'],
    ['0f 0b', 'ud2'],
    ['cc', 'int3'],
  ])('%s', (bytes, text) => {
    expect(texts(bytes)).toEqual([text]);
  });

  it('goes on one byte behind what is no instruction', () => {
    expect(decode('06 90').map(({ text, length }) => [text, length])).toEqual([
      ['(bad)', 1],
      ['nop', 1],
    ]);
  });
});

describe('what an instruction leads to', () => {
  it('a call, a jump, data beside the code', () => {
    expect(decode('e8 fb 0f 00 00')[0]?.target).toEqual({ kind: 'call', address: START + 0x1000n });
    expect(decode('74 0e')[0]?.target).toEqual({ kind: 'jump', address: START + 0x10n });
    expect(decode('48 8b 05 f9 0f 00 00')[0]).toMatchObject({
      text: 'mov    0xff9(%rip),%rax',
      target: { kind: 'data', address: START + 0x1000n },
    });
    expect(decode('48 8d 3d 00 00 00 00')[0]).toMatchObject({
      text: 'lea    0x0(%rip),%rdi',
      target: { kind: 'data', address: START + 7n },
    });
  });

  it('nothing where a register tells', () => {
    expect(decode('ff d0')[0]).toMatchObject({ text: 'call   *%rax', target: undefined });
  });
});

it('there is none for other architectures', () => {
  expect(() => disassemblerFor('riscv64')).toThrow('no disassembler for riscv64');
});
