/** `timer`: what is to happen when: the timer wheels of the CPUs, and with -r the high-resolution timers. */
import type { VirtAddr } from '../base/address.ts';
import { isDataError } from '../base/errors.ts';
import { cpus } from '../kernel/cpus.ts';
import { timekeeping } from '../kernel/timekeeping.ts';
import { clockBases, clockTimers, type Timer, timerBases, timersOf } from '../kernel/timers.ts';
import { type CommandContext, defineCommand } from '../model/command.ts';
import type { Shape, TextLine } from '../model/shape.ts';
import { address, type Data, symbol } from '../model/value.ts';
import { parseCpus } from '../shell/arguments.ts';
import { hex16, integer } from '../shell/format.ts';
import { centred } from '../shell/page-tables.ts';

export default defineCommand({
  name: 'timer',
  summary: 'timers and when they expire',
  description: [
    'TTE is the time to expiry, in jiffies, or with -r in nanoseconds on the clock of each base; below 0 it is late.',
  ],
  options: [
    { flag: 'r', summary: 'the high-resolution timers' },
    { flag: 'C', value: 'cpus', kind: 'cpus', summary: 'of these CPUs only' },
  ],
  arguments: [],
  examples: [
    { line: 'timer', what: 'the timer wheels' },
    { line: 'timer -r -C 0', what: 'the high-resolution timers of one CPU' },
  ],
  run(context, args) {
    const all = cpus(context.program, 'online');
    const wanted = args.value('C');
    const chosen = wanted === undefined ? all : parseCpus(wanted, all);
    return args.has('r') ? highResolution(context, chosen) : wheels(context, chosen);
  },
});

function told<T>({ problem, budget }: CommandContext, what: string, read: () => readonly T[]): readonly T[] {
  budget.check();
  try {
    return read();
  } catch (error) {
    if (!isDataError(error)) throw error;
    problem(`${what}: ${error.message}`);
    return [];
  }
}

function functionText({ program }: CommandContext, at: VirtAddr): string {
  const found = program.symbols.at(at);
  return found === undefined ? '' : `<${found.name}${found.offset === 0 ? '' : `+${found.offset}`}>`;
}

function timerData({ program }: CommandContext, timer: Timer, left: bigint | undefined): Data {
  return {
    timer: address(timer.timer),
    expires: integer(timer.expires),
    soft_expires: timer.softExpires === undefined ? undefined : integer(timer.softExpires),
    left: left === undefined ? undefined : integer(left),
    function: symbol(program.symbols.at(timer.function)?.name ?? hex16(timer.function)),
  };
}

function wheels(context: CommandContext, chosen: readonly number[]): Shape {
  const { program } = context;
  const jiffies = program.memory.readU64(program.symbol('jiffies_64').address);
  const views = chosen.map((cpu) => ({
    cpu,
    bases: told(context, `timers of CPU ${cpu}`, () => timerBases(program, cpu)).map((base) => ({
      ...base,
      timers: told(context, `${base.name} of CPU ${cpu}`, () => timersOf(program, base.base)),
    })),
  }));
  const lines: TextLine[] = ['JIFFIES', `${jiffies}`];
  for (const { cpu, bases } of views) {
    lines.push('');
    for (const { base, name, timers } of bases) {
      lines.push([{ text: `TIMER_BASES[${cpu}][${name}]: ${hex16(base)}`, style: 'heading' }]);
      lines.push(...wheelLines(context, timers, jiffies));
    }
  }
  return {
    shape: 'lines',
    lines,
    data: () => ({
      jiffies: integer(jiffies),
      bases: views.flatMap(({ cpu, bases }) =>
        bases.map(({ base, name, timers }) => ({
          cpu,
          base: address(base),
          name,
          timers: timers.map((timer) => timerData(context, timer, timer.expires - jiffies)),
        })),
      ),
    }),
  };
}

function wheelLines(context: CommandContext, timers: readonly Timer[], jiffies: bigint): readonly TextLine[] {
  if (timers.length === 0) return ['  (none)'];
  const left = timers.map(({ expires }) => expires - jiffies);
  // One more than the digits, for the sign.
  const width = 1 + Math.max(...left.map((each) => String(each < 0n ? -each : each).length));
  const wide = Math.max(10, ...timers.map(({ expires }) => String(expires).length));
  const head = `  EXPIRES        TTE${'TIMER_LIST'.padStart(wide + width + 2)}     FUNCTION`;
  return [
    head,
    ...timers.map(
      ({ timer, expires, function: callback }, i) =>
        `  ${String(expires).padStart(wide)}  ${String(left[i]).padStart(width)}  ${hex16(timer)}  ${hex16(callback)}  ${functionText(context, callback)}`,
    ),
  ];
}

function highResolution(context: CommandContext, chosen: readonly number[]): Shape {
  const { program, problem } = context;
  const { monotonic } = timekeeping(program).uptime;
  if (monotonic.value === undefined) problem(`the time is not known: ${monotonic.problem}`);
  const views = chosen.flatMap((cpu) =>
    told(context, `timers of CPU ${cpu}`, () => {
      const { cpuBase, clocks } = clockBases(program, cpu);
      const read = clocks.map((clock) => ({
        ...clock,
        now: monotonic.value === undefined ? undefined : monotonic.value + clock.offset,
        timers: told(context, `clock ${clock.index} of CPU ${cpu}`, () => clockTimers(program, clock.base)),
      }));
      return [{ cpu, cpuBase, clocks: read }];
    }),
  );
  const lines: TextLine[] = [];
  for (const { cpu, cpuBase, clocks } of views) {
    lines.push([{ text: `CPU: ${cpu}  HRTIMER_CPU_BASE: ${hex16(cpuBase)}`, style: 'heading' }]);
    for (const { index, base, getTime, timers, now } of clocks) {
      const name = getTime === undefined ? '' : `  [${program.symbols.at(getTime)?.name ?? hex16(getTime)}]`;
      lines.push(
        `  CLOCK: ${index}  HRTIMER_CLOCK_BASE: ${hex16(base)}${name}`,
        ...clockLines(context, timers, now),
        '',
      );
    }
  }
  if (lines.at(-1) === '') lines.pop();
  return {
    shape: 'lines',
    lines,
    data: () =>
      views.flatMap(({ cpu, clocks }) =>
        clocks.map(({ index, base, timers, now }) => ({
          cpu,
          clock: index,
          base: address(base),
          now: now === undefined ? undefined : integer(now),
          timers: timers.map((timer) => timerData(context, timer, now === undefined ? undefined : timer.expires - now)),
        })),
      ),
  };
}

function clockLines(context: CommandContext, timers: readonly Timer[], now: bigint | undefined): readonly TextLine[] {
  if (timers.length === 0) return ['  (empty)'];
  const rows = timers.map(({ timer, expires, softExpires, function: callback }) => ({
    soft: String(softExpires ?? '?'),
    expires: String(expires),
    left: now === undefined ? '?' : String(expires - now),
    rest: `${hex16(timer)}  ${hex16(callback)}  ${functionText(context, callback)}`,
  }));
  const widest = (least: number, texts: readonly string[]): number =>
    Math.max(least, ...texts.map((text) => text.length));
  const soft = widest(
    11,
    rows.map((row) => row.soft),
  );
  const expires = widest(
    7,
    rows.map((row) => row.expires),
  );
  const left = widest(
    3,
    rows.map((row) => row.left),
  );
  return [
    `  ${centred('CURRENT', soft)}`,
    `  ${String(now ?? '?').padStart(soft)}`,
    `  ${centred('SOFTEXPIRES', soft)}  ${centred('EXPIRES', expires)}  ${centred('TTE', left, 'up')}  ${centred('HRTIMER', 16)}  ${centred('FUNCTION', 16)}`,
    ...rows.map(
      (row) =>
        `  ${row.soft.padStart(soft)}  ${row.expires.padStart(expires)}  ${row.left.padStart(left)}  ${row.rest}`,
    ),
  ];
}
