/**
 * `sys`: what machine and what dump this is. The rows are crash's; uptime is the kernel's own clock and not counted from
 * jiffies, which lag and need a guess of HZ (docs/crash-differences.md).
 */
import { attempt, UsageError } from '../base/errors.ts';
import { logFact } from '../diagnosis/facts/log.ts';
import { tasksFact } from '../diagnosis/facts/tasks.ts';
import { cpus } from '../kernel/cpus.ts';
import { kernelConfig } from '../kernel/ikconfig.ts';
import { loadAverages } from '../kernel/loadavg.ts';
import { crashTrigger } from '../kernel/panic.ts';
import { taskCount } from '../kernel/sched.ts';
import { taint } from '../kernel/taint.ts';
import { timekeeping } from '../kernel/timekeeping.ts';
import { utsName } from '../kernel/uts.ts';
import { type CommandContext, defineCommand } from '../model/command.ts';
import { type Cell, type Shape, shown } from '../model/shape.ts';
import { address, byteCount, type Data, duration, name, wallClock } from '../model/value.ts';
import type { Program } from '../program/program.ts';
import { parseCount } from '../shell/arguments.ts';
import { clockTime, dateText, hex16, sizeText } from '../shell/format.ts';
import { physicalBytes } from '../shell/task-memory.ts';

export default defineCommand({
  name: 'sys',
  summary: 'the machine, the kernel and the dump',
  description: [
    'UPTIME is CLOCK_BOOTTIME of the timekeeper. DATE is the moment of the crash in UTC. TASKS is the count that the ' +
      'kernel keeps (nr_threads) and the idle tasks. ' +
      'MEMORY is all that the machine has, what was kept for a crash kernel included.',
  ],
  options: [
    {
      flag: 'c',
      value: 'name | number',
      optionalValue: true,
      summary: 'the table of system calls, or those that match',
    },
    { flag: 't', summary: 'why the kernel is tainted' },
    { flag: 'i', summary: 'what the firmware says of the machine (DMI)' },
  ],
  arguments: [{ name: 'name | number', kinds: ['text'], words: ['config'], optional: true }],
  examples: [
    { line: 'sys', what: 'everything at a glance' },
    { line: 'sys -t', what: 'the letters of tainted, with their meaning' },
    { line: 'sys config', what: 'the configuration of the kernel, where it carries it (CONFIG_IKCONFIG)' },
    { line: 'sys -c openat', what: 'the numbers of the system calls of that name' },
  ],
  run(context, args) {
    if (args.has('c')) return systemCalls(context.program, args.value('c') || args.positionals[0]);
    if (args.positionals[0] === 'config') return configuration(context.program);
    if (args.positionals[0] !== undefined)
      throw new UsageError(`'${args.positionals[0]}' belongs to -c; usage: sys -c NAME`);
    if (args.has('t')) return taintShape(context.program);
    if (args.has('i')) return firmware(context.program);
    return overview(context);
  },
});

/** @throws UsageError when the kernel carries none */
function configuration(program: Program): Shape {
  const text = kernelConfig(program);
  if (text === undefined)
    throw new UsageError('this kernel does not carry its configuration: it was made without CONFIG_IKCONFIG');
  const lines = text.trimEnd().split('\n');
  return { shape: 'lines', lines, data: () => lines };
}

function overview(context: CommandContext): Shape {
  const { program, session } = context;
  const rows: { readonly key: string; readonly label: string; readonly value: Cell }[] = [];
  const say = (key: string, label: string, text: string, data: Data): void =>
    void rows.push({ key, label, value: shown(text, data) });
  /** What cannot be read is told, and the row stays: a missing row looks as if there were no such thing. */
  const read = (key: string, label: string, value: () => readonly [text: string, data: Data]): void => {
    const known = attempt(value);
    if (known === undefined) context.problem(`${label} cannot be read`);
    say(key, label, known?.[0] ?? '(unknown)', known?.[1]);
  };
  const uts = attempt(() => utsName(program));
  const time = timekeeping(program);
  // No vmlinux: symbols and types lie in the dump.
  const sources = program.types.sources.map((source) => source.name);
  say('kernel', 'KERNEL', `symbols out of the dump, types: ${sources[0] ?? 'none'}`, { types: sources });
  say('dump', 'DUMPFILE', `${session.dumpPaths.join(' ')}${marks(program)}`, {
    paths: session.dumpPaths,
    description: program.dump.description,
    partial: program.dump.dumpLevel,
  });
  read('cpus', 'CPUS', () => cpuText(program));
  read('date', 'DATE', () => {
    const seconds =
      time.crashTime.value ?? (time.realtime.value === undefined ? undefined : time.realtime.value / 1_000_000_000n);
    return seconds === undefined ? ['(unknown)', undefined] : [dateText(Number(seconds)), wallClock(Number(seconds))];
  });
  const up = time.uptime.boottime;
  if (up.value === undefined) context.problem(`UPTIME: ${up.problem}`);
  say(
    'uptime',
    'UPTIME',
    up.value === undefined ? '(unknown)' : clockTime(up.value),
    up.value === undefined ? undefined : { uptime: duration(up.value), source: up.source },
  );
  read('load', 'LOAD AVERAGE', () => {
    const load = loadAverages(program);
    // As the kernel rounds them for /proc/loadavg: crash cuts them off.
    return [load.map((each) => each.toFixed(2)).join(', '), load];
  });
  read('tasks', 'TASKS', () => {
    // Reading each of many thousands would keep the shell's first prompt waiting.
    const count = taskCount(program) ?? context.use(tasksFact).tasks.length;
    return [String(count), count];
  });
  for (const [key, label, value] of [
    ['nodename', 'NODENAME', uts?.nodename],
    ['release', 'RELEASE', uts?.release ?? program.vmcoreinfo.osRelease],
    ['version', 'VERSION', uts?.version],
  ] as const) {
    if (value === undefined) context.problem(`${label} cannot be read`);
    say(key, label, value ?? '(unknown)', value === undefined ? undefined : name(value));
  }
  const khz = attempt(() => program.memory.readU32(program.symbol('cpu_khz').address));
  say(
    'machine',
    'MACHINE',
    `${uts?.machine ?? program.arch.name}${khz === undefined ? '' : `  (${Math.floor(khz / 1000)} Mhz)`}`,
    { machine: uts?.machine, khz },
  );
  const physical = physicalBytes(program);
  say(
    'memory',
    'MEMORY',
    physical === undefined ? '(unknown)' : sizeText(physical),
    physical === undefined ? undefined : byteCount(physical),
  );
  const { records } = context.use(logFact);
  const trigger = crashTrigger(records);
  const panic =
    trigger?.panic === undefined
      ? (trigger?.record.text.split('\n')[0] ?? '')
      : `Kernel panic - not syncing: ${trigger.panic}`;
  say('panic', 'PANIC', `"${panic}"`, name(panic));
  return { shape: 'key-values', labels: 'right', rows };
}

/** What crash puts behind the name of the dump. */
function marks({ dump }: Program): string {
  const out: string[] = [];
  if (dump.dumpLevel !== undefined && dump.dumpLevel > 0) out.push('[PARTIAL DUMP]');
  if (dump.problems.length > 0) out.push('[INCOMPLETE]');
  return out.length === 0 ? '' : `  ${out.join(' ')}`;
}

function cpuText(program: Program): readonly [string, Data] {
  const online = cpus(program, 'online').length;
  const offline = cpus(program, 'present').length - online;
  return [offline > 0 ? `${online + offline} [OFFLINE: ${offline}]` : String(online), { online, offline }];
}

function taintShape(program: Program): Shape {
  const { mask, letters, flags } = taint(program);
  return {
    shape: 'lines',
    lines: [
      `TAINTED_MASK: ${mask.toString(16)}  ${letters}`,
      ...flags.map(
        ({ letter, meaning, bit }) => `  ${letter}  ${meaning ?? `bit ${bit}, which mainline does not have`}`,
      ),
    ],
    data: () => ({
      mask: `0x${mask.toString(16)}`,
      letters,
      flags: flags.map(({ bit, letter, meaning }) => ({ bit, letter, meaning })),
    }),
  };
}

const MAX_SYSTEM_CALLS = 1024;

/** `sys_call_table[]`, pointers to functions (arch/x86/entry/syscall_64.c): those of x86-64. */
function systemCalls(program: Program, wanted: string | undefined): Shape {
  const table = program.symbol('sys_call_table').address;
  const limit = Math.min(MAX_SYSTEM_CALLS, tableLength(program));
  const number = wanted !== undefined && /^(0x)?\d+$/.test(wanted) ? parseCount(wanted, '-c', 0) : undefined;
  const rows: Cell[][] = [];
  let hasSource = false;
  for (let i = 0; i < limit; i++) {
    const at = program.memory.readPointer((table + BigInt(8 * i)) as typeof table);
    const symbol = program.symbols.at(at);
    // The table ends where something else begins.
    if (symbol === undefined || symbol.offset !== 0) break;
    if (number !== undefined ? number !== i : wanted !== undefined && !symbol.name.includes(wanted)) continue;
    const line = program.lineAt(at)[0];
    const source = line?.file === undefined ? undefined : `${line.file}: ${line.line ?? '?'}`;
    hasSource ||= source !== undefined;
    rows.push([i, { kind: 'symbol', value: symbol.name }, shown(source ?? '', source), shown(hex16(at), address(at))]);
  }
  if (rows.length === 0) throw new UsageError(`no system call matches '${wanted}'`);
  return {
    shape: 'table',
    columns: [
      { key: 'number', label: 'NUM', align: 'right', width: 3 },
      { key: 'function', label: 'SYSTEM CALL', align: 'left', width: 26 },
      // Files and lines where a vmlinux with debug information was given.
      ...(hasSource ? [{ key: 'source', label: 'FILE AND LINE NUMBER', align: 'left', gap: 1 } as const] : []),
      { key: 'address', label: 'ADDRESS', align: 'left', gap: 1 },
    ],
    rows: hasSource ? rows : rows.map(([number, symbol, , at]) => [number ?? '', symbol ?? '', at ?? '']),
  };
}

function tableLength(program: Program): number {
  const { size } = program.symbol('sys_call_table');
  return size > 0 ? Math.floor(size / 8) : MAX_SYSTEM_CALLS;
}

/** `char *dmi_ident[DMI_STRING_MAX]`, drivers/firmware/dmi_scan.c, by `enum dmi_field`. */
function firmware(program: Program): Shape {
  const table = program.symbol('dmi_ident').address;
  const type = program.types.find('enum dmi_field');
  const fields = type.kind === 'enum' ? (type.enumerators ?? []) : [];
  const rows = fields
    .filter(
      ({ name: field, value }) => value > 0n && value < 64n && field !== 'DMI_STRING_MAX' && field !== 'DMI_OEM_STRING',
    )
    .flatMap(({ name: field, value }) => {
      const at = program.memory.readPointer((table + 8n * value) as typeof table);
      if (at === 0n) return [];
      const text = Buffer.from(program.memory.readCString(at, 256)).toString('latin1');
      return [{ key: field, label: field.padStart(25), value: shown(text, name(text)) }];
    });
  return { shape: 'key-values', labels: 'right', rows };
}
