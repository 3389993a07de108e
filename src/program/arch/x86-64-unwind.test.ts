import { describe, expect, it } from 'vitest';
import { KernelImage, type Value } from '../../../test/builders/image.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { add, type VirtAddr, virt } from '../../base/address.ts';
import { LookupError } from '../../base/errors.ts';
import type { OrcEntry } from '../../debuginfo/orc.ts';
import type { Program } from '../program.ts';
import type { Frame, Registers, StackTrace } from './arch.ts';
import { unwind } from './x86-64-unwind.ts';

/** `struct pt_regs` in words. */
const REGS = { r13: 2, bp: 4, r10: 7, dx: 12, di: 14, ip: 16, cs: 17, sp: 19, words: 21 } as const;
const KERNEL_CS = 0x10;
const USER_CS = 0x33;
const WORDS = 1024;

const rule = (entry: Partial<OrcEntry>): OrcEntry => ({
  kind: 'call',
  cfaReg: 'sp',
  spOffset: 8,
  bpReg: 'undefined',
  bpOffset: 0,
  signal: false,
  ...entry,
});

/** A kernel of functions with one unwind rule each, and stacks to put words on. */
class Machine {
  readonly image = new KernelImage();
  readonly rules = new Map<string, OrcEntry | undefined>();
  readonly executable: VirtAddr[] = [];

  constructor() {
    for (const stack of ['task', 'irq']) this.image.place(stack, `u64[${WORDS}]`, {}, { align: 4096, page: 'data' });
  }

  /** Address in the middle of a function: where a call in it returns to. */
  func(name: string, entry?: OrcEntry): VirtAddr {
    this.rules.set(name, entry);
    return add(this.image.function(name, 0x100), 0x40);
  }

  /** Address of a word of a stack. */
  at(word: number, stack = 'task'): VirtAddr {
    return add(this.image.address(stack), 8 * word);
  }

  put(word: number, value: Value, stack = 'task'): void {
    this.image.write(`${stack}[${word}]`, value);
  }

  /** A `struct pt_regs` at a word of the task's stack. */
  putRegs(word: number, values: Partial<Record<keyof typeof REGS, Value>>): void {
    for (const [name, value] of Object.entries(values)) this.put(word + REGS[name as keyof typeof REGS], value);
  }

  program(): Program {
    const program = programOfImage(this.image);
    program.orcAt = (pc) => {
      const name = program.symbols.at(pc)?.name;
      return name === undefined ? undefined : this.rules.get(name);
    };
    Object.defineProperty(program, 'hasOrc', { value: true });
    return program;
  }

  unwind(start: Partial<Registers> & { readonly pc: VirtAddr; readonly sp: VirtAddr }): StackTrace {
    const registers = { fp: undefined, others: new Map<string, bigint>(), exact: false, user: false, ...start };
    return unwind(this.program(), registers, { isExecutable: (address) => this.executable.includes(address) });
  }
}

const pcs = (trace: StackTrace): readonly VirtAddr[] => trace.frames.map((frame) => frame.pc);

describe('call frames', () => {
  it('are followed by the stack pointer to the first function', () => {
    const machine = new Machine();
    const a = machine.func('a', rule({ spOffset: 24 }));
    const b = machine.func('b', rule({ spOffset: 8 }));
    const first = machine.func('first', rule({ kind: 'end', cfaReg: 'undefined' }));
    machine.put(12, b);
    machine.put(13, first);
    const trace = machine.unwind({ pc: a, sp: machine.at(10) });
    expect(trace.end).toBe('end');
    expect(trace.frames).toEqual<Frame[]>([
      { pc: a, sp: machine.at(10), cfa: machine.at(13), exact: false, source: 'registers', registersAt: undefined },
      { pc: b, sp: machine.at(13), cfa: machine.at(14), exact: false, source: 'orc', registersAt: undefined },
      { pc: first, sp: machine.at(14), cfa: undefined, exact: false, source: 'orc', registersAt: undefined },
    ]);
  });

  it('use rbp, saved below the frame or in the frame above', () => {
    const machine = new Machine();
    // a keeps its frame at rbp and saved its caller's; b only pushed rbp; c needs it again.
    const a = machine.func('a', rule({ cfaReg: 'bp', spOffset: 16, bpReg: 'prev-sp', bpOffset: -16 }));
    const b = machine.func('b', rule({ spOffset: 16, bpReg: 'bp', bpOffset: 8 }));
    const c = machine.func('c', rule({ cfaReg: 'bp-indirect', spOffset: -8 }));
    const first = machine.func('first', rule({ kind: 'end' }));
    machine.put(10, machine.at(40)); // a's saved rbp
    machine.put(11, b);
    machine.put(13, c);
    machine.put(41, machine.at(50)); // *(rbp + 8), rbp in c
    machine.put(49, machine.at(60)); // *(rbp - 8), the frame address of c
    machine.put(59, first);
    const trace = machine.unwind({ pc: a, sp: machine.at(5), fp: machine.at(10) });
    expect([pcs(trace), trace.end]).toEqual([[a, b, c, first], 'end']);
    expect(trace.frames[2]?.cfa).toBe(machine.at(60));
  });

  it('are broken where the rule needs rbp and nobody knows it', () => {
    const machine = new Machine();
    const a = machine.func('a', rule({ cfaReg: 'bp', spOffset: 16 }));
    const trace = machine.unwind({ pc: a, sp: machine.at(5) });
    expect(trace).toMatchObject({ end: 'broken', problem: 'the rule needs register bp, which is not known' });
  });

  it('use other registers only as long as these are known', () => {
    const machine = new Machine();
    const a = machine.func('a', rule({ cfaReg: 'r10', spOffset: 0 }));
    const b = machine.func('b', rule({ cfaReg: 'r13', spOffset: 0 }));
    machine.put(19, b);
    const others = new Map([
      ['r10', machine.at(20)],
      ['r13', machine.at(30)],
    ]);
    const trace = machine.unwind({ pc: a, sp: machine.at(5), others });
    expect(pcs(trace)).toEqual([a, b]);
    expect(trace.problem).toBe('the rule needs register r13, which is not known');
  });
});

describe('exceptions', () => {
  it('go on where the registers stand, with their rbp and others', () => {
    const machine = new Machine();
    const entry = machine.func('asm_exc_page_fault', rule({ kind: 'regs', spOffset: 0 }));
    const filldir = machine.func('filldir64', rule({ cfaReg: 'r10', spOffset: 0 }));
    const iterate = machine.func('iterate_dir', rule({ cfaReg: 'bp', spOffset: 16 }));
    const first = machine.func('first', rule({ kind: 'end' }));
    const r10 = machine.at(90);
    machine.putRegs(10, { ip: filldir, cs: KERNEL_CS, sp: machine.at(60), bp: machine.at(100), r10 });
    machine.put(89, iterate);
    machine.put(101, first);
    const trace = machine.unwind({ pc: entry, sp: machine.at(10) });
    expect([pcs(trace), trace.end]).toEqual([[entry, filldir, iterate, first], 'end']);
    expect(trace.frames[0]).toMatchObject({ registersAt: machine.at(10), cfa: machine.at(10), exact: false });
    expect(trace.frames[1]).toMatchObject({ sp: machine.at(60), exact: true, source: 'exception' });
  });

  it('with only a part of the registers leave rbp as it is', () => {
    const machine = new Machine();
    const entry = machine.func('entry', rule({ kind: 'regs-partial', spOffset: 16 }));
    const cut = machine.func('cut', rule({ cfaReg: 'bp', spOffset: 16 }));
    const first = machine.func('first', rule({ kind: 'end' }));
    // The five words of an IRET frame.
    for (const [i, value] of [cut, KERNEL_CS, 0, machine.at(60), 0].entries()) machine.put(12 + i, value);
    machine.put(71, first);
    const trace = machine.unwind({ pc: entry, sp: machine.at(10), fp: machine.at(70) });
    expect([pcs(trace), trace.end]).toEqual([[entry, cut, first], 'end']);
    expect(trace.frames[0]?.registersAt).toBe(add(machine.at(12), -REGS.ip * 8));
    // Registers that were not saved are not read.
    machine.rules.set('cut', rule({ cfaReg: 'r10' }));
    expect(machine.unwind({ pc: entry, sp: machine.at(10), fp: machine.at(70) }).problem).toContain('register r10');
  });

  it('are looked up at the instruction itself, calls at the one before', () => {
    const machine = new Machine();
    const asked: VirtAddr[] = [];
    const entry = machine.func('entry', rule({ kind: 'regs', spOffset: 0 }));
    const cut = machine.func('cut', rule({ kind: 'end' }));
    machine.putRegs(10, { ip: cut, cs: KERNEL_CS, sp: machine.at(60) });
    const program = machine.program();
    const orcAt = program.orcAt.bind(program);
    program.orcAt = (pc) => {
      asked.push(pc);
      return orcAt(pc);
    };
    const others = new Map<string, bigint>();
    unwind(program, { pc: entry, sp: machine.at(10), fp: undefined, others, exact: false, user: false });
    expect(asked).toEqual([add(entry, -1), cut]);
  });

  it('from user mode end the stack', () => {
    const machine = new Machine();
    const entry = machine.func('entry_SYSCALL_64', rule({ kind: 'regs', spOffset: 0 }));
    machine.putRegs(10, { ip: 0x43ae29, cs: USER_CS, sp: 0x7ffd00000000 });
    expect(machine.unwind({ pc: entry, sp: machine.at(10) })).toMatchObject({ end: 'user', problem: undefined });
    const partial = machine.func('partial', rule({ kind: 'regs-partial', spOffset: 0 }));
    for (const [i, value] of [0x43ae29, USER_CS, 0, 0x7ffd00000000, 0x2b].entries()) machine.put(70 + i, value);
    expect(machine.unwind({ pc: partial, sp: machine.at(70) })).toMatchObject({ end: 'user', problem: undefined });
  });

  it('on a wild instruction pointer return to its caller', () => {
    const machine = new Machine();
    const entry = machine.func('asm_exc_page_fault', rule({ kind: 'regs', spOffset: 0 }));
    const caller = machine.func('caller', rule({ kind: 'end' }));
    machine.put(60, caller);
    for (const wild of [0n, 0x6b6b6b6b6b6b6b6bn]) {
      machine.putRegs(10, { ip: wild, cs: KERNEL_CS, sp: machine.at(60) });
      const trace = machine.unwind({ pc: entry, sp: machine.at(10) });
      expect([pcs(trace), trace.end]).toEqual([[entry, wild, caller], 'end']);
      expect(trace.frames[2]).toMatchObject({ sp: machine.at(61), source: 'call' });
    }
    machine.put(60, 5);
    expect(machine.unwind({ pc: entry, sp: machine.at(10) })).toMatchObject({
      end: 'broken',
      problem: 'the instruction pointer 6b6b6b6b6b6b6b6b is not code',
    });
  });
});

describe('interrupt stacks', () => {
  it('are left through the saved stack pointer', () => {
    const machine = new Machine();
    const handler = machine.func('handler', rule({ spOffset: 16 }));
    const entry = machine.func('asm_call', rule({ cfaReg: 'sp-indirect', spOffset: 8 }));
    const cut = machine.func('cut', rule({ kind: 'end' }));
    machine.put(101, entry, 'irq');
    machine.put(102, machine.at(20), 'irq');
    machine.put(20, cut);
    const trace = machine.unwind({ pc: handler, sp: machine.at(100, 'irq') });
    expect([pcs(trace), trace.end]).toEqual([[handler, entry, cut], 'end']);
    expect(trace.frames[1]).toMatchObject({ sp: machine.at(102, 'irq'), cfa: machine.at(21) });
  });
});

describe('code without rules', () => {
  it('is stepped over by its frame pointer, BPF too', () => {
    const machine = new Machine();
    const bpf = virt(0xffffffffc0abc040n);
    const helper = machine.func('helper', rule({ spOffset: 16, bpReg: 'undefined' }));
    const caller = machine.func('caller', rule({ kind: 'end' }));
    machine.put(11, bpf);
    machine.put(20, machine.at(200));
    machine.put(21, caller);
    const start = { pc: helper, sp: machine.at(10), fp: machine.at(20) };
    expect(machine.unwind(start).problem).toBe('return address ffffffffc0abc040 is not code');
    machine.executable.push(bpf);
    const trace = machine.unwind(start);
    expect([pcs(trace), trace.end]).toEqual([[helper, bpf, caller], 'end']);
    expect(trace.frames[2]).toMatchObject({ source: 'frame-pointer', sp: machine.at(22), exact: false });
  });

  it('is the end when the frame pointer does not help', () => {
    const machine = new Machine();
    const odd = machine.func('odd');
    const text = machine.func('text', rule({ kind: 'end' }));
    machine.put(31, 5);
    const problem = (fp: VirtAddr | undefined): string | undefined =>
      machine.unwind({ pc: odd, sp: machine.at(20), fp }).problem;
    const none = 'no unwind table covers this code, and no frame pointer helps';
    expect(problem(undefined)).toBe(none);
    expect(problem(machine.at(10))).toBe(none);
    expect(problem(add(machine.at(30), 4))).toBe(none);
    expect(problem(virt(machine.at(20) + 0x100000n))).toBe(none);
    expect(problem(machine.at(30))).toBe('return address 5 is not code');
    machine.put(31, text);
    expect(problem(machine.at(30))).toBeUndefined();
  });

  it('is passed over by the return address of a call of that function', () => {
    const machine = new Machine();
    const crash = machine.func('__crash_kexec', rule({ kind: 'undefined', cfaReg: 'undefined' }));
    const other = machine.func('other', rule({ kind: 'end' }));
    const panic = machine.func('panic', rule({ cfaReg: 'bp', spOffset: 16 }));
    const first = machine.func('first', rule({ kind: 'end' }));
    const call = (label: string, returnAddress: VirtAddr, target: string): void => {
      const displacement = Number(machine.image.address(target) - returnAddress);
      machine.image.place(`${label} code`, 'u8', 0xe8, { at: returnAddress - 5n });
      machine.image.place(label, 'u8[4]', [...Buffer.from(Int32Array.of(displacement).buffer)], {
        at: returnAddress - 4n,
      });
    };
    call('the call', panic, '__crash_kexec');
    call('another', other, 'first');
    // What else may lie there: a pointer to code that nobody called from, one behind a call of something else.
    machine.put(13, first);
    machine.put(14, other);
    machine.put(25, panic);
    machine.put(41, first);
    const start = { pc: crash, sp: machine.at(10), fp: machine.at(40), exact: true };
    const trace = machine.unwind(start);
    expect([pcs(trace), trace.end]).toEqual([[crash, panic, first], 'end']);
    expect(trace.frames.map((frame) => [frame.cfa, frame.source])).toEqual([
      [machine.at(26), 'registers'],
      [machine.at(42), 'call'],
      [undefined, 'orc'],
    ]);
    const problem = 'the unwind table has no rule here';
    machine.put(25, 0);
    machine.put(700, panic);
    expect(machine.unwind(start).problem).toBe(problem);
    machine.put(25, panic);
    // The call may aim behind the ENDBR64 of the function, or into the padding before it, and no farther.
    for (const [aim, found] of [
      [-17, false],
      [-16, true],
      [4, true],
      [5, false],
    ] as const) {
      const displacement = Number(machine.image.address('__crash_kexec') - panic) + aim;
      machine.image.write('the call', [...Buffer.from(Int32Array.of(displacement).buffer)]);
      expect([aim, machine.unwind(start).problem === undefined]).toEqual([aim, found]);
    }
    machine.put(25, 0);
    expect(machine.unwind(start)).toMatchObject({
      end: 'broken',
      problem,
      frames: [{ pc: crash }],
    });
  });
});

it('a CPU that was stopped while it switches tasks: what the switch has pushed is passed over', () => {
  const machine = new Machine();
  const inSwitch = machine.func('__switch_to_asm', rule({}));
  const schedule = machine.func('__schedule', rule({ kind: 'end' }));
  const back = machine.image.address('__switch_to_asm') - schedule;
  machine.image.bytes('the call', Uint8Array.from([0xe8, ...Buffer.from(Int32Array.of(Number(back)).buffer)]), {
    at: schedule - 5n,
  });
  machine.put(10, machine.at(50));
  machine.put(11, schedule);
  const told = (exact: boolean): unknown => {
    const trace = machine.unwind({ pc: inSwitch, sp: machine.at(10), exact });
    return [pcs(trace), trace.end];
  };
  expect(told(true)).toEqual([[inSwitch, schedule], 'end']);
  expect(told(false)).toEqual([[inSwitch], 'broken']);
});

describe('hostile stacks', () => {
  it('end where a return address is no code', () => {
    const machine = new Machine();
    const a = machine.func('a', rule({}));
    for (const word of [0n, 0x1234n, machine.at(3)]) {
      machine.put(10, word);
      const trace = machine.unwind({ pc: a, sp: machine.at(10) });
      expect(trace).toMatchObject({ end: 'broken', problem: `return address ${word.toString(16)} is not code` });
      expect(trace.frames).toHaveLength(1);
    }
  });

  it('end where memory does, and where the stack pointer leaves the kernel', () => {
    const machine = new Machine();
    const a = machine.func('a', rule({}));
    const far = machine.func('far', rule({ cfaReg: 'sp-indirect', spOffset: 0 }));
    expect(machine.unwind({ pc: a, sp: virt(0xffff900000000000n) }).problem).toContain('absent');
    for (const [word, cfa] of [0x7ffd00000000n, machine.at(5) + 4n].entries()) {
      machine.put(10 + word, cfa);
      expect(machine.unwind({ pc: far, sp: machine.at(10 + word) }).problem).toBe('the stack pointer left the kernel');
    }
  });

  it('end when they go in circles', () => {
    const machine = new Machine();
    // Two frames that are each other's callers.
    const a = machine.func('a', rule({ cfaReg: 'sp-indirect', spOffset: 8 }));
    machine.put(10, machine.at(19));
    machine.put(19, a);
    machine.put(20, machine.at(9));
    machine.put(9, a);
    const trace = machine.unwind({ pc: a, sp: machine.at(10) });
    expect(trace).toMatchObject({ end: 'broken', problem: 'the stack does not advance' });
    expect(trace.frames.length).toBeLessThan(50);
  });

  it('end when they are too long', () => {
    const machine = new Machine();
    const a = machine.func('a', rule({}));
    for (let word = 0; word < WORDS; word++) machine.put(word, a);
    const trace = machine.unwind({ pc: a, sp: machine.at(0) });
    expect(trace).toMatchObject({ end: 'broken', problem: 'more than 512 frames' });
    expect(trace.frames).toHaveLength(512);
  });

  it('end where the unwind table itself is damaged; a bug is not hidden', () => {
    const machine = new Machine();
    const a = machine.func('a', rule({}));
    const program = machine.program();
    const others = new Map<string, bigint>();
    const start = { pc: a, sp: machine.at(0), fp: undefined, others, exact: false, user: false };
    program.orcAt = () => {
      throw new LookupError('type', 'struct orc_entry');
    };
    expect(unwind(program, start)).toMatchObject({
      end: 'broken',
      problem: "no type 'struct orc_entry' in this kernel",
    });
    program.orcAt = () => {
      throw new TypeError('a bug');
    };
    expect(() => unwind(program, start)).toThrow(TypeError);
  });
});
