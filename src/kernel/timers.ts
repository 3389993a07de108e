/**
 * Timers: the wheel of jiffies, `struct timer_base` (kernel/time/timer.c, since 4.8), and high-resolution timers,
 * `struct hrtimer_cpu_base` (include/linux/hrtimer.h). Not handled: the wheel before 4.8 (`struct tvec_base`).
 */
import { add, type VirtAddr } from '../base/address.ts';
import type { Program } from '../program/program.ts';
import { strip } from '../program/types.ts';
import { hlistEntries } from './list.ts';
import { rbNodes } from './rbtree.ts';

const MAX_TIMERS = 1 << 20;

export interface Timer {
  /** `struct timer_list *` or `struct hrtimer *`. */
  readonly timer: VirtAddr;
  /** jiffies, or nanoseconds on the clock of its base. */
  readonly expires: bigint;
  /** Of a high-resolution timer: the earliest time that will do. */
  readonly softExpires: bigint | undefined;
  /** `void (*)(...)`. */
  readonly function: VirtAddr;
}

export interface TimerBase {
  /** `struct timer_base *`. */
  readonly base: VirtAddr;
  /** 'BASE_STD', 'BASE_DEF'; since 6.10 'BASE_LOCAL', 'BASE_GLOBAL', 'BASE_DEF' (commit 73129cf4b69c). */
  readonly name: string;
}

/**
 * The wheels of one CPU, its `struct timer_base`s.
 * @throws FaultError, LookupError
 */
export function timerBases(program: Program, cpu: number): readonly TimerBase[] {
  const first = program.perCpuAddress(program.symbol('timer_bases').address, cpu);
  // BTF tells the types of per-CPU variables since 5.11 or so; without, NR_BASES is what it was before 6.10.
  const variable = program.types.variable('timer_bases');
  const bare = variable === undefined ? undefined : strip(variable);
  const count = bare === undefined ? 2 : bare.kind === 'array' ? Math.min(bare.length, 8) : 1;
  const names = count === 3 ? ['BASE_LOCAL', 'BASE_GLOBAL', 'BASE_DEF'] : ['BASE_STD', 'BASE_DEF'];
  const size = program.sizeOf('struct timer_base');
  return Array.from({ length: count }, (_, i) => ({
    base: add(first, i * size),
    name: names[i] ?? `BASE_${i}`,
  }));
}

/**
 * The timers of a wheel, those that expire first at the front.
 * @param base - `struct timer_base *`
 * @throws FaultError, LookupError, ValidationError when a list is broken
 */
export function timersOf(program: Program, base: VirtAddr): readonly Timer[] {
  const vectors = program.field('struct timer_base', 'vectors');
  const bare = strip(vectors.type);
  const count = bare.kind === 'array' ? Math.min(bare.length, 4096) : 0;
  const field = (path: string) => program.field('struct timer_list', path);
  const timers: Timer[] = [];
  for (let i = 0; i < count; i++) {
    const head = add(vectors.address(base), i * 8);
    for (const timer of hlistEntries(program, head, 'struct timer_list', 'entry', MAX_TIMERS)) {
      const callback = field('function').pointer(timer);
      timers.push({ timer, expires: field('expires').u64(timer), softExpires: undefined, function: callback });
    }
  }
  return timers.sort((a, b) => (a.expires < b.expires ? -1 : a.expires > b.expires ? 1 : 0));
}

export interface ClockBase {
  readonly index: number;
  /** `struct hrtimer_clock_base *`. */
  readonly base: VirtAddr;
  /** `get_time`; undefined where the base has none (since 6.18). */
  readonly getTime: VirtAddr | undefined;
  /** From CLOCK_MONOTONIC to its clock, nanoseconds. */
  readonly offset: bigint;
}

/**
 * The clocks of the high-resolution timers of one CPU, its `struct hrtimer_clock_base`s.
 * @throws FaultError, LookupError
 */
export function clockBases(
  program: Program,
  cpu: number,
): { readonly cpuBase: VirtAddr; readonly clocks: readonly ClockBase[] } {
  const cpuBase = program.perCpuAddress(program.symbol('hrtimer_bases').address, cpu);
  const clocks = program.field('struct hrtimer_cpu_base', 'clock_base');
  const bare = strip(clocks.type);
  const count = bare.kind === 'array' ? Math.min(bare.length, 16) : 0;
  const size = program.sizeOf('struct hrtimer_clock_base');
  const getTime = program.tryField('struct hrtimer_clock_base', 'get_time');
  const offset = program.firstField('struct hrtimer_clock_base', ['offset.tv64', 'offset']);
  return {
    cpuBase,
    clocks: Array.from({ length: count }, (_, index) => {
      const base = add(clocks.address(cpuBase), index * size);
      return { index, base, getTime: getTime?.pointer(base), offset: offset.value(base) };
    }),
  };
}

/**
 * The timers of a clock in order of their expiry.
 * @param base - `struct hrtimer_clock_base *`
 * @throws FaultError, LookupError, ValidationError when the tree is broken
 */
export function clockTimers(program: Program, base: VirtAddr): readonly Timer[] {
  // A struct rb_root_cached since 5.4 (commit 511885d7061e), `head` before.
  const root = program.firstField('struct hrtimer_clock_base', ['active.rb_root', 'active.head', 'active']);
  // The tree's own node: struct rb_node in a timerqueue_node; a struct rb_node_linked around it since 7.1.
  const node = program.firstField('struct hrtimer', ['node.node.node', 'node.node']);
  // ktime_t was a union until 4.9.
  const expires = program.firstField('struct hrtimer', ['node.expires.tv64', 'node.expires']);
  const soft = program.firstField('struct hrtimer', ['_softexpires.tv64', '_softexpires']);
  const timers: Timer[] = [];
  for (const at of rbNodes(program, root.address(base), MAX_TIMERS)) {
    const timer = node.container(at);
    timers.push({
      timer,
      expires: expires.value(timer),
      softExpires: soft.value(timer),
      function: program.field('struct hrtimer', 'function').pointer(timer),
    });
  }
  return timers;
}
