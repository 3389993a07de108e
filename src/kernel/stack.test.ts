import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage, type ProgramOptions } from '../../test/builders/program.ts';
import { TasksBuilder } from '../../test/builders/tasks.ts';
import { add, type VirtAddr, virt } from '../base/address.ts';
import { FaultError, LookupError } from '../base/errors.ts';
import type { Frame, Registers, StackTrace } from '../program/arch/arch.ts';
import { prstatusRegisters } from '../program/arch/x86-64-registers.ts';
import { readTasks, type Task } from './sched.ts';
import { cpuRegisters, frameAt, stackArea, stackWords, taskStack, type TaskStack, threadSize } from './stack.ts';

const PR_REG = 112;

/** The desc of an NT_PRSTATUS note with these registers. */
function prstatus(rip: bigint, options: { readonly cs?: bigint; readonly rsp?: bigint } = {}): Uint8Array {
  const desc = Buffer.alloc(336);
  desc.writeBigUInt64LE(rip, PR_REG + 8 * 16);
  desc.writeBigUInt64LE(options.cs ?? 0x10n, PR_REG + 8 * 17);
  desc.writeBigUInt64LE(options.rsp ?? 0xffffc90000003e00n, PR_REG + 8 * 19);
  return desc;
}

/** An ELF note as crash_save_cpu() writes it. */
function note(desc: Uint8Array, type = 1, name = 'CORE\0'): Uint8Array {
  const header = Buffer.alloc(12);
  header.writeUInt32LE(name.length, 0);
  header.writeUInt32LE(desc.length, 4);
  header.writeUInt32LE(type, 8);
  const padded = Buffer.alloc(Math.ceil(name.length / 4) * 4);
  padded.write(name, 'latin1');
  return Buffer.concat([header, padded, desc]);
}

/** `crash_notes` of two CPUs. */
function withNotes(image: KernelImage, notes: readonly Uint8Array[]): void {
  const base = image.perCpuPointer(
    'notes',
    'u8[400]',
    notes.map((each) => [...each]),
  );
  image.global('crash_notes', 'unsigned char *', base);
}

const arch = { prstatusRegisters };
const crashed: { readonly vmcoreinfo: readonly [string, number] } = { vmcoreinfo: ['CRASHTIME', 1732352000] };

describe('cpuRegisters', () => {
  function imageOf(): KernelImage {
    const image = new KernelImage();
    image.cpus(2);
    return image;
  }

  it('come from the crash note of that very CPU', () => {
    const image = imageOf();
    image.vmcoreinfo(...crashed.vmcoreinfo);
    withNotes(image, [note(prstatus(0xffffffff81000010n)), note(prstatus(0xffffffff81000020n))]);
    const program = programOfImage(image, { arch });
    expect([0, 1].map((cpu) => cpuRegisters(program, cpu)?.pc)).toEqual([0xffffffff81000010n, 0xffffffff81000020n]);
  });

  it('are none for a CPU that did not answer: the notes of the dump are not its own', () => {
    const image = imageOf();
    image.vmcoreinfo(...crashed.vmcoreinfo);
    withNotes(image, [new Uint8Array(), note(prstatus(0xffffffff81000020n))]);
    const notes = [{ name: 'CORE', type: 1, desc: prstatus(0xffffffff81000020n) }];
    const program = programOfImage(image, { arch, dump: { notes } });
    expect([0, 1].map((cpu) => cpuRegisters(program, cpu)?.pc)).toEqual([undefined, 0xffffffff81000020n]);
  });

  it('of a live dump come from its notes in order', () => {
    const image = imageOf();
    withNotes(image, []);
    const notes = [
      { name: 'CORE', type: 1, desc: prstatus(0xffffffff81000010n) },
      { name: 'QEMU', type: 0, desc: new Uint8Array(440) },
      { name: 'CORE', type: 1, desc: prstatus(0xffffffff81000020n) },
    ];
    const program = programOfImage(image, { arch, dump: { notes } });
    expect([0, 1, 2].map((cpu) => cpuRegisters(program, cpu)?.pc)).toEqual([
      0xffffffff81000010n,
      0xffffffff81000020n,
      undefined,
    ]);
  });

  it('are none when the note is something else or makes no sense', () => {
    const good = prstatus(0xffffffff81000010n);
    const header = (nameSize: number, descSize: number): Uint8Array =>
      Buffer.from(Uint32Array.of(nameSize, descSize, 1).buffer);
    for (const each of [note(good, 2), header(0xffffffff, 336), header(5, 0xffffffff), header(0, 336)]) {
      const image = imageOf();
      image.vmcoreinfo(...crashed.vmcoreinfo);
      withNotes(image, [each]);
      expect(cpuRegisters(programOfImage(image, { arch }), 0)).toBeUndefined();
    }
  });
});

describe('threadSize', () => {
  function sizeOf(start: string, end: string, size: number): number {
    const image = new KernelImage();
    image.symbol(start, 0xffffffff82000000n);
    image.symbol(end, 0xffffffff82000000n + BigInt(size));
    return threadSize(programOfImage(image));
  }

  it('is the room of the first stack', () => {
    expect(sizeOf('__start_init_stack', '__end_init_stack', 16384)).toBe(16384);
    expect(sizeOf('__start_init_task', '__end_init_task', 8192)).toBe(8192);
  });

  it('is the size of thread_union where there are no such symbols', () => {
    const image = new KernelImage();
    image.union('thread_union', { stack: 'unsigned long[512]' });
    expect(threadSize(programOfImage(image))).toBe(4096);
    // One bound alone bounds nothing.
    image.symbol('__start_init_stack', 0xffffffff82000000n);
    expect(threadSize(programOfImage(image))).toBe(4096);
    expect(() => threadSize(programOfImage(new KernelImage()))).toThrow(LookupError);
  });

  it('is not what no kernel has', () => {
    for (const size of [0, -16384, 512, 1 << 24]) {
      expect(() => sizeOf('__start_init_stack', '__end_init_stack', size)).toThrow(LookupError);
    }
  });
});

/** A task and a program whose unwinder gives the frames. */
function withTask(
  frames: readonly Frame[],
  options: {
    readonly registers?: Partial<Registers>;
    /** Those of the CPU; the stack pointer is nowhere unless one is given. */
    readonly cpuRegisters?: Partial<Registers>;
    readonly running?: boolean;
    /** One frame, on the task's own stack. */
    readonly onStack?: boolean;
    readonly stack?: bigint;
    readonly end?: StackTrace['end'];
  } = {},
): { readonly tasks: TasksBuilder; readonly stackOf: () => ReturnType<typeof taskStack> } {
  const tasks = new TasksBuilder();
  tasks.add('ps', { pid: 96, 'thread_info.cpu': 1 });
  tasks.link();
  if (options.running === true) tasks.running('ps', 1);
  if (options.stack !== undefined) tasks.image.write('ps.stack', options.stack);
  tasks.image.function('__schedule', 0x800);
  tasks.image.function('rwsem_down_read_slowpath.isra.0', 0x100);
  tasks.image.function('do_exit', 0x100);
  tasks.image.function('behind_do_exit', 0x100);
  const registers: Registers = {
    pc: add(tasks.image.address('__schedule'), 0x281),
    sp: add(tasks.image.address('ps stack'), 0x3000),
    fp: undefined,
    others: new Map(),
    exact: false,
    user: false,
    ...options.registers,
  };
  const own = frame(registers.pc);
  const trace: StackTrace = {
    frames: options.onStack === true ? [{ ...own, sp: registers.sp }] : frames,
    end: options.end ?? 'user',
    problem: undefined,
  };
  const programOptions: ProgramOptions = {
    arch: {
      switchedOutRegisters: () => registers,
      prstatusRegisters: () => ({ ...registers, sp: virt(0n), exact: true, ...options.cpuRegisters }),
      unwind: () => trace,
    },
  };
  return {
    tasks,
    stackOf() {
      const program = programOfImage(tasks.image, programOptions);
      const [task] = readTasks(program).tasks;
      if (task === undefined) throw new Error('no task');
      return taskStack(program, task);
    },
  };
}

const frame = (pc: VirtAddr, exact = false): Frame => ({
  pc,
  sp: virt(0xffffc90000001000n),
  cfa: virt(0xffffc90000001040n),
  exact,
  source: 'orc',
  registersAt: undefined,
});

describe('taskStack', () => {
  it('names the functions that called, without what compilers add', () => {
    const image = withTask([]).tasks.image;
    const at = (name: string, offset: number): VirtAddr =>
      add(image.symbols.find((symbol) => symbol.name === name)?.address ?? virt(0n), offset);
    const exit = at('behind_do_exit', 0);
    const frames = [
      frame(at('rwsem_down_read_slowpath.isra.0', 0x20)),
      frame(exit),
      frame(exit, true),
      frame(virt(0xffffffffc0123456n)),
    ];
    const stack = withTask(frames).stackOf();
    expect(stack.frames.map((each) => [each.func, each.symbol?.name, each.symbol?.offset])).toEqual([
      ['rwsem_down_read_slowpath', 'rwsem_down_read_slowpath.isra.0', 0x20],
      // It never returns: the address is that of the next function, the call was not.
      ['do_exit', 'do_exit', 0x100],
      ['behind_do_exit', 'behind_do_exit', 0],
      [undefined, undefined, undefined],
    ]);
    expect([stack.end, stack.registers]).toEqual(['user', 'switched-out']);
  });

  it('of a running task comes from the note of its CPU', () => {
    const { tasks, stackOf } = withTask([], { running: true, onStack: true });
    withNotes(tasks.image, [new Uint8Array(), note(prstatus(0n))]);
    expect(stackOf()).toMatchObject({ end: 'user', registers: 'crash-note', problem: undefined });
    tasks.image.write('ps.thread_info.cpu', 0);
    expect(stackOf()).toMatchObject({
      end: 'broken',
      registers: 'none',
      frames: [],
      problem: 'it was running, and the dump has no registers of its CPU',
    });
  });

  it('of a task that ran in user mode has no frames', () => {
    const trace = [frame(virt(0x43ae29n))];
    const { tasks, stackOf } = withTask(trace, { running: true, registers: { pc: virt(0x43ae29n), user: true } });
    withNotes(tasks.image, [new Uint8Array(), note(prstatus(0n))]);
    expect(stackOf()).toMatchObject({ frames: [], end: 'user', problem: undefined });
  });

  it('of a task that ran into nowhere in the kernel is unwound', () => {
    const trace = [frame(virt(0n), true)];
    const { tasks, stackOf } = withTask(trace, { running: true, registers: { pc: virt(0n) }, end: 'broken' });
    withNotes(tasks.image, [new Uint8Array(), note(prstatus(0n))]);
    expect(stackOf()).toMatchObject({ registers: 'crash-note', end: 'broken', frames: { length: 1 } });
  });

  it('of a task that its CPU is just switching to is the one it left, not that of the task before', () => {
    const elsewhere = virt(0xffffc90000009000n);
    const trace = [{ ...frame(virt(0xffffffff81000000n)), sp: elsewhere }];
    const { tasks, stackOf } = withTask(trace, { running: true, cpuRegisters: { sp: elsewhere } });
    withNotes(tasks.image, [new Uint8Array(), note(prstatus(0n))]);
    expect(stackOf()).toMatchObject({ registers: 'switched-out', end: 'user' });
  });

  it('of a task on whose stack a CPU still stands comes from that CPU, whoever is current', () => {
    const { tasks, stackOf } = withTask([], {});
    withNotes(tasks.image, [new Uint8Array(), note(prstatus(0n))]);
    const inside = add(tasks.image.address('ps stack'), 0x3000);
    expect(stackOf()).toMatchObject({ registers: 'switched-out' });
    const busy = withTask([{ ...frame(virt(0xffffffff81000000n)), sp: inside }], { cpuRegisters: { sp: inside } });
    withNotes(busy.tasks.image, [new Uint8Array(), note(prstatus(0n))]);
    expect(busy.stackOf()).toMatchObject({ registers: 'crash-note' });
  });

  it('says why there is none', () => {
    expect(withTask([], { stack: 0n }).stackOf().problem).toBe('its stack was freed');
    expect(withTask([], { registers: { pc: virt(0x41414141n) } }).stackOf()).toMatchObject({
      end: 'broken',
      problem: 'its saved registers do not point to code',
    });
  });

  it('does not throw for what the dump holds', () => {
    const { tasks } = withTask([]);
    const fault = (): never => {
      throw new FaultError('virtual', 0n, 'lost');
    };
    const bug = (): never => {
      throw new TypeError('a bug');
    };
    const stackWith = (switchedOutRegisters: () => never): TaskStack => {
      const program = programOfImage(tasks.image, { arch: { switchedOutRegisters } });
      return taskStack(program, readTasks(program).tasks[0] as Task);
    };
    expect(stackWith(fault).end).toBe('broken');
    expect(stackWith(fault).problem).toContain('lost');
    expect(() => stackWith(bug)).toThrow(TypeError);
  });
});

describe('the words of a stack', () => {
  const tasks = new TasksBuilder();
  tasks.add('ps');
  tasks.link();
  const { image } = tasks;
  image.write('ps stack[2046]', 0x1122334455667788n);
  image.write('ps stack[2047]', ref('ps'));
  const program = programOfImage(image);
  const area = stackArea(program, image.address('ps'));

  it('reach from the stack pointer to the end', () => {
    if (area === undefined) throw new Error('no stack');
    const end = add(area.start, area.size);
    expect(area).toEqual({ start: image.address('ps stack'), size: 16384 });
    const stack = stackWords(program, area, add(end, -16));
    expect([stack?.start, ...(stack?.words ?? [])]).toEqual([end - 16n, 0x1122334455667788n, image.address('ps')]);
    // Rounded up to a word.
    expect(stackWords(program, area, add(end, -15))?.words).toHaveLength(1);
    expect(stackWords(program, area, add(end, -1))?.words).toHaveLength(0);
    expect(stackWords(program, area, area.start)?.words).toHaveLength(2048);
    for (const outside of [end, add(area.start, -8), virt(0n)]) {
      expect(stackWords(program, area, outside)).toBeUndefined();
    }
  });

  it('belong to frames', () => {
    const at = (sp: bigint, cfa: bigint | undefined, func: string) => ({
      ...frame(virt(0n)),
      sp: virt(sp),
      cfa: cfa === undefined ? undefined : virt(cfa),
      func,
      symbol: undefined,
    });
    const frames = [at(0x100n, 0x140n, 'inner'), at(0x140n, 0x180n, 'outer'), at(0x180n, undefined, 'first')];
    const names = [0xffn, 0x100n, 0x13fn, 0x140n, 0x180n].map((word) => frameAt(frames, virt(word))?.func);
    expect(names).toEqual([undefined, 'inner', 'inner', 'outer', undefined]);
  });
});
