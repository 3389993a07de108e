/** `mach`: the machine: CPUs, clock, address ranges, stacks of interrupts and exceptions, the firmware's memory map. */
import { add } from '../base/address.ts';
import { attempt, isDataError } from '../base/errors.ts';
import { exceptionStacks, interruptStack, type StackKind } from '../kernel/cpu-stacks.ts';
import { cpus } from '../kernel/cpus.ts';
import { threadSize } from '../kernel/stack.ts';
import { timekeeping } from '../kernel/timekeeping.ts';
import { type CommandContext, defineCommand } from '../model/command.ts';
import type { Shape } from '../model/shape.ts';
import type { Data } from '../model/value.ts';
import type { Program } from '../program/program.ts';
import { hex16, sizeText } from '../shell/format.ts';
import { structData, structLines, structSpec } from '../shell/struct-view.ts';
import { taskMemoryFact } from '../shell/task-memory.ts';

export default defineCommand({
  name: 'mach',
  summary: 'the machine: CPUs, clock, address ranges, stacks of interrupts, memory map',
  options: [
    { flag: 'c', summary: 'what each CPU says of itself: struct cpuinfo_x86' },
    { flag: 'm', summary: 'the map of physical memory that the firmware gave' },
    { flag: 'x', summary: 'with -c: numbers in hex' },
    { flag: 'd', summary: 'with -c: numbers in decimal' },
  ],
  arguments: [],
  examples: [
    { line: 'mach', what: 'all about the machine' },
    { line: 'mach -m', what: 'memory as the firmware described it' },
  ],
  run(context, args) {
    if (args.has('m')) return memoryMap(context.program);
    if (args.has('c')) return cpuInfo(context, args.has('x') ? 16 : args.has('d') ? 10 : context.session.radix);
    return machine(context);
  },
});

interface Row {
  readonly label: string;
  readonly text: string;
  readonly data: Data;
}

const START_KERNEL_MAP = 0xffffffff80000000n;
/** MODULES_VADDR where the image may take 1 GiB (KASLR), half of it without. */
const MODULES = { random: 0xffffffffc0000000n, fixed: 0xffffffffa0000000n };

function machine(context: CommandContext): Shape {
  const { program } = context;
  const rows: Row[] = [];
  const say = (label: string, data: string | number | undefined, text = String(data)): void => {
    rows.push({ label, data, text: data === undefined ? '(unknown)' : text });
    if (data === undefined) context.problem(`${label}: cannot be told from the dump`);
  };
  const { physical } = context.use(taskMemoryFact);
  const word = (symbol: string): bigint | undefined =>
    attempt(() => program.memory.readU64(program.symbol(symbol).address));
  const at = (label: string, value: bigint | undefined): void =>
    say(label, value === undefined ? undefined : hex16(value));
  say('MACHINE TYPE', program.arch.name);
  say('MEMORY SIZE', physical, physical === undefined ? '' : sizeText(physical));
  say(
    'CPUS',
    attempt(() => cpus(program, 'online').length),
  );
  const khz = attempt(() => program.memory.readU32(program.symbol('cpu_khz').address));
  say('PROCESSOR SPEED', khz, `${Math.floor((khz ?? 0) / 1000)} Mhz`);
  say('HZ', timekeeping(program).hz.value);
  say('PAGE SIZE', program.pageSize);
  at('KERNEL VIRTUAL BASE', word('page_offset_base'));
  at('KERNEL VMALLOC BASE', word('vmalloc_base'));
  at('KERNEL VMEMMAP BASE', word('vmemmap_base'));
  at('KERNEL START MAP', START_KERNEL_MAP);
  const limit = program.vmcoreinfo.number('KERNEL_IMAGE_SIZE') ?? 0n;
  at('KERNEL MODULES BASE', limit > 1n << 29n ? MODULES.random : MODULES.fixed);
  const stack = attempt(() => threadSize(program));
  say('KERNEL STACK SIZE', stack);
  const interrupts = interruptStack(program);
  for (const kind of [...(interrupts === undefined ? [] : [interrupts]), ...exceptionStacks(program)])
    rows.push(...stackRows(program, kind));
  const width = Math.max(...rows.map(({ label }) => label.length));
  return {
    shape: 'lines',
    lines: rows.map(({ label, text }) => `${label.padStart(width)}: ${text}`.trimEnd()),
    data: () => rows.map(({ label, data }) => ({ label, value: data })),
  };
}

/** Of each CPU, the lowest address. */
function stackRows(program: Program, { name, size, area }: StackKind): Row[] {
  const rows: Row[] = [{ label: `${name} STACK SIZE`, text: String(size), data: size }];
  rows.push({ label: `${name} STACKS`, text: '', data: undefined });
  for (const cpu of cpus(program, 'online')) {
    const start = attempt(() => area(cpu).start);
    const isThere = start !== undefined && attempt(() => program.memory.readU8(start)) !== undefined;
    const text = start === undefined ? '(unknown)' : `${hex16(start)}${isThere ? '' : ' [unavailable]'}`;
    rows.push({ label: `CPU ${cpu}`, text, data: start === undefined ? undefined : hex16(start) });
  }
  return rows;
}

function cpuInfo(context: CommandContext, radix: 10 | 16): Shape {
  const { program } = context;
  const symbol = program.symbol('cpu_info').address;
  const spec = structSpec(program, 'cpuinfo_x86');
  const all = cpus(program, 'online');
  const lines = function* (): Generator<string> {
    for (const cpu of all) {
      yield `CPU ${cpu}:`;
      try {
        yield* structLines(spec, program.perCpuAddress(symbol, cpu), {
          radix,
          context,
          what: `cpu_info of CPU ${cpu}`,
        });
      } catch (error) {
        if (!isDataError(error)) throw error;
        context.problem(`CPU ${cpu}: ${error.message}`);
      }
      if (cpu !== all.at(-1)) yield '';
    }
  };
  return {
    shape: 'lines',
    lines: lines(),
    data: () => all.map((cpu) => attempt(() => structData(program, spec, program.perCpuAddress(symbol, cpu)))),
  };
}

/** enum e820_type, as the kernel names it. */
const E820: ReadonlyMap<number, string> = new Map([
  [1, 'E820_RAM'],
  [2, 'E820_RESERVED'],
  [3, 'E820_ACPI'],
  [4, 'E820_NVS'],
  [5, 'E820_UNUSABLE'],
  [7, 'E820_PMEM'],
  [12, 'E820_PRAM'],
  [128, 'E820_RESERVED_KERN'],
]);
const MAX_ENTRIES = 4096;

function memoryMap(program: Program): Shape {
  const table = program.memory.readPointer(program.symbol('e820_table').address);
  const count = program.field('struct e820_table', 'nr_entries').number(table);
  const entries = program.field('struct e820_table', 'entries').address(table);
  const field = (path: string) => program.field('struct e820_entry', path);
  const [start, size, type] = [field('addr'), field('size'), field('type')];
  const step = program.sizeOf('struct e820_entry');
  const rows = Array.from({ length: Math.max(0, Math.min(count, MAX_ENTRIES)) }, (_, i) => {
    const at = add(entries, i * step);
    const from = start.u64(at);
    const kind = type.number(at);
    return { start: from, end: from + size.u64(at), type: E820.get(kind) ?? `type ${kind}` };
  });
  return {
    shape: 'lines',
    lines: [
      '      PHYSICAL ADDRESS RANGE         TYPE',
      ...rows.map((row) => `${hex16(row.start)} - ${hex16(row.end)}  ${row.type}`),
    ],
    data: () => rows.map((row) => ({ ...row, start: hex16(row.start), end: hex16(row.end) })),
  };
}
