import { describe, expect, it } from 'vitest';
import { KernelImage, type Value } from '../../../test/builders/image.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { add, type VirtAddr, virt } from '../../base/address.ts';
import type { StackTrace } from './arch.ts';
import { unwind } from './x86-64-unwind.ts';

const FLAGS = 0x246;
const PUSH_RBP = [0x55, 0x48, 0x89, 0xe5];
const WORDS = 512;

/** Functions with real bytes, no unwind tables, and a stack to put words on. */
class Machine {
  readonly image = new KernelImage();
  readonly #starts = new Map<string, VirtAddr>();

  constructor() {
    this.image.place('task', `u64[${WORDS}]`, {}, { align: 4096, page: 'data' });
    this.image.symbol('_stext', 0xffffffff81000000n, 0, 'T');
    this.image.symbol('_etext', 0xffffffff81100000n, 0, 'T');
  }

  func(name: string, prologue: readonly number[] = [0x90]): VirtAddr {
    const start = this.image.function(name, 0x100);
    this.image.bytes(
      `${name} code`,
      Uint8Array.from({ length: 0x100 }, (_, i) => prologue[i] ?? 0x90),
      { at: start },
    );
    this.#starts.set(name, start);
    return start;
  }

  /** The return address of a call in a function: direct, through a register ('pointer'), or a jump. */
  call(from: string, at: number, to: string, opcode = 0xe8): VirtAddr {
    const start = this.#starts.get(from) ?? virt(0n);
    const back = add(start, at);
    const bytes = [0xff, 0xd0];
    if (to !== 'pointer') {
      const target = this.#starts.get(to) ?? virt(0n);
      bytes.splice(0, 2, opcode, ...Buffer.from(Int32Array.of(Number(target - back)).buffer));
    }
    this.image.bytes(`${from} calls ${to} at ${at}`, Uint8Array.from(bytes), { at: back - BigInt(bytes.length) });
    return back;
  }

  at(word: number): VirtAddr {
    return add(this.image.address('task'), 8 * word);
  }

  put(word: number, ...values: readonly Value[]): void {
    values.forEach((value, i) => this.image.write(`task[${word + i}]`, value));
  }

  unwind(pc: VirtAddr, sp: VirtAddr, fp?: VirtAddr, exact = false): StackTrace {
    const start = { pc, sp, fp, others: new Map<string, bigint>(), exact, user: false };
    return unwind(programOfImage(this.image), start, { stackEnd: this.at(WORDS) });
  }
}

const told = (trace: StackTrace): unknown => [trace.frames.map(({ pc, source }) => [pc, source]), trace.end];

describe('without unwind tables', () => {
  it('a stack of functions that keep the frame pointer is followed by it, to user mode', () => {
    const machine = new Machine();
    for (const name of ['schedule', 'mutex_lock']) machine.func(name, [0x0f, 0x1f, 0x44, 0, 0, ...PUSH_RBP]);
    machine.func('sys_open', PUSH_RBP);
    machine.func('system_call');
    const inLock = machine.call('mutex_lock', 0x40, 'schedule');
    const inOpen = machine.call('sys_open', 0x80, 'pointer');
    const inEntry = machine.call('system_call', 0x60, 'pointer');
    machine.put(20, machine.at(30), inLock);
    machine.put(30, machine.at(40), inOpen);
    machine.put(40, 0, inEntry);
    machine.put(42 + 16, 0x401000, 0x33, FLAGS, 0x7ffd0000, 0x2b);
    const schedule = add(machine.image.address('schedule'), 0x50);
    expect(told(machine.unwind(schedule, machine.at(10), machine.at(20)))).toEqual([
      [
        [schedule, 'registers'],
        [inLock, 'frame-pointer'],
        [inOpen, 'frame-pointer'],
        [inEntry, 'frame-pointer'],
      ],
      'user',
    ]);
  });

  it('a function that was cut before it kept the frame pointer has its return address on top', () => {
    const machine = new Machine();
    const inner = machine.func('inner', PUSH_RBP);
    machine.func('outer', PUSH_RBP);
    machine.func('ret_from_fork');
    const back = machine.call('outer', 0x40, 'inner');
    const first = machine.call('ret_from_fork', 0x20, 'outer');
    machine.put(10, back);
    machine.put(30, 0, first);
    for (const [into, sp] of [
      [0, 10],
      [1, 9],
    ] as const)
      expect(told(machine.unwind(add(inner, into), machine.at(sp), machine.at(30), true))).toEqual([
        [
          [add(inner, into), 'registers'],
          [back, 'frame-pointer'],
          [first, 'frame-pointer'],
        ],
        'end',
      ]);
  });

  it('a stack is scanned for the return addresses of calls that fit, and each frame says so', () => {
    const machine = new Machine();
    for (const name of ['__schedule', 'schedule', 'do_wait', 'left_over', 'stub', 'ret_from_fork']) machine.func(name);
    const inSchedule = machine.call('schedule', 0x40, '__schedule');
    const stale = machine.call('left_over', 0x40, 'do_wait');
    // What calls the stub, from which a jump leads on, has called where it leads to.
    machine.call('stub', 0x20, 'schedule', 0xe9);
    const inWait = machine.call('do_wait', 0x80, 'stub');
    const first = machine.call('ret_from_fork', 0x30, 'pointer');
    machine.put(10, stale, 5, add(machine.image.address('schedule'), 0x10), inSchedule);
    machine.put(20, stale, first, inWait);
    machine.put(30, first);
    const pc = add(machine.image.address('__schedule'), 0x20);
    const trace = machine.unwind(pc, machine.at(8));
    expect(told(trace)).toEqual([
      [
        [pc, 'registers'],
        [inSchedule, 'scan'],
        [inWait, 'scan'],
        [first, 'scan'],
      ],
      'end',
    ]);
    expect(trace.frames.map(({ sp }) => sp)).toEqual([8, 14, 23, 31].map((word) => machine.at(word)));
  });

  it('a scan that finds nothing is the end, and it stays on its stack', () => {
    const machine = new Machine();
    machine.func('a');
    machine.func('b');
    const back = machine.call('b', 0x40, 'a');
    machine.image.place('another', 'u64[512]', [back], { at: machine.at(WORDS), page: 'data' });
    const pc = add(machine.image.address('a'), 0x20);
    expect(machine.unwind(pc, machine.at(500))).toMatchObject({ end: 'broken', frames: [{ pc }] });
  });

  it('exceptions are passed by the registers that the entry code keeps', () => {
    const machine = new Machine();
    for (const name of ['do_page_fault', 'page_fault', 'filldir', 'ret_from_fork']) machine.func(name, PUSH_RBP);
    const inEntry = machine.call('page_fault', 0x40, 'do_page_fault');
    const cut = add(machine.image.address('filldir'), 0x33);
    const first = machine.call('ret_from_fork', 0x20, 'filldir');
    machine.put(20, 0, inEntry);
    machine.put(22 + 4, machine.at(70));
    machine.put(22 + 16, cut, 0x10, FLAGS, machine.at(60), 0x18);
    machine.put(70, 0, first);
    const pc = add(machine.image.address('do_page_fault'), 0x50);
    const trace = machine.unwind(pc, machine.at(10), machine.at(20));
    expect(told(trace)).toEqual([
      [
        [pc, 'registers'],
        [inEntry, 'frame-pointer'],
        [cut, 'exception'],
        [first, 'frame-pointer'],
      ],
      'end',
    ]);
    expect(trace.frames[1]?.registersAt).toBe(machine.at(22));
    expect(trace.frames[2]).toMatchObject({ exact: true, sp: machine.at(60) });
  });

  it('a function that was cut while it uses no stack has its return address on top', () => {
    const machine = new Machine();
    const leaf = machine.func('clear_page');
    machine.func('ret_from_fork');
    const back = machine.call('ret_from_fork', 0x40, 'clear_page');
    machine.put(10, back);
    expect(told(machine.unwind(add(leaf, 8), machine.at(10), undefined, true))).toEqual([
      [
        [add(leaf, 8), 'registers'],
        [back, 'call'],
      ],
      'end',
    ]);
  });
});
