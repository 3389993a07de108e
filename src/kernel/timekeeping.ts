/**
 * Clocks at the moment of the crash: HZ, jiffies, the timekeeper (kernel/time/timekeeping.c, `struct timekeeper`) and
 * VMCOREINFO's CRASHTIME. The timekeeper stands where its last update left it, at most a tick (on an idle machine some
 * ticks) before the crash.
 *
 * Uptime is the timekeeper's CLOCK_BOOTTIME, as /proc/uptime shows it and as drgn computes it. jiffies can lag behind it:
 * they count ticks, and ticks that were lost with interrupts off, as early in boot, do not come back. crash shows
 * jiffies. Both are given; without a timekeeper jiffies are the uptime, and its source says so.
 */
import { add, type VirtAddr } from '../base/address.ts';
import { LookupError, ValidationError } from '../base/errors.ts';
import { nanoseconds, type Nanoseconds } from '../base/units.ts';
import type { Field } from '../program/field.ts';
import type { Program } from '../program/program.ts';
import { firstKnown, type Known, known, unknown } from './known.ts';

const SECOND = 1_000_000_000n;

export interface Timekeeping {
  /** Ticks in a second (CONFIG_HZ). */
  readonly hz: Known<number>;
  /** `u64 jiffies_64`: starts 300 seconds before the 32-bit wrap. */
  readonly jiffies: Known<bigint>;
  readonly uptime: {
    /** CLOCK_BOOTTIME: suspended time counts. */
    readonly boottime: Known<Nanoseconds>;
    /** CLOCK_MONOTONIC: suspended time does not count. */
    readonly monotonic: Known<Nanoseconds>;
    /** Ticks since boot divided by HZ. */
    readonly jiffies: Known<Nanoseconds>;
  };
  /** CLOCK_REALTIME: since 1970. */
  readonly realtime: Known<Nanoseconds>;
  /** Seconds since 1970, from VMCOREINFO: only a crashing kernel writes it. */
  readonly crashTime: Known<bigint>;
}

/**
 * Reads `struct timekeeper`, `jiffies_64` and what tells HZ.
 * @throws nothing for what the dump holds: each value says why it is not known
 */
export function timekeeping(program: Program): Timekeeping {
  const keeper = known('timekeeper', () => new Keeper(program));
  const hz = hzOf(program, keeper.value);
  const jiffies = known('jiffies_64', () => {
    const value = program.memory.readU64(program.symbol('jiffies_64').address);
    if (hz.value !== undefined && value - firstJiffies(hz.value) > MAX_UPTIME * BigInt(hz.value))
      throw new LookupError('symbol', `sensible jiffies_64: ${value}`);
    return value;
  });
  const byJiffies = uptimeOfJiffies(jiffies, hz);
  const clock = (name: string, read: (at: Keeper) => bigint): Known<Nanoseconds> => {
    const at = keeper.value;
    if (at === undefined) return unknown(name, keeper.problem ?? 'there is no timekeeper');
    return known(`${name} of ${at.source}`, () => nanoseconds(read(at)));
  };
  return {
    hz,
    jiffies,
    uptime: {
      boottime: firstKnown(
        clock('CLOCK_BOOTTIME', (at) => at.boottime()),
        () => byJiffies,
      ),
      monotonic: firstKnown(
        clock('CLOCK_MONOTONIC', (at) => at.monotonic()),
        () => byJiffies,
      ),
      jiffies: byJiffies,
    },
    realtime: clock('CLOCK_REALTIME', (at) => at.realtime()),
    crashTime: known('VMCOREINFO CRASHTIME', () => program.vmcoreinfo.crashTime),
  };
}

/** A hundred years, in seconds: no machine runs for so long, and a damaged counter may say anything. */
const MAX_UPTIME = 100n * 365n * 86_400n;

/** INITIAL_JIFFIES, (unsigned long)(unsigned int)(-300 * HZ). */
function firstJiffies(hz: number): bigint {
  return (1n << 32n) - 300n * BigInt(hz);
}

function uptimeOfJiffies(jiffies: Known<bigint>, hz: Known<number>): Known<Nanoseconds> {
  const source = 'jiffies_64 and HZ';
  if (jiffies.value === undefined) return unknown(source, jiffies.problem ?? '');
  if (hz.value === undefined) return unknown(source, `HZ is not known: ${hz.problem}`);
  const ticks = jiffies.value - firstJiffies(hz.value);
  if (ticks < 0n) return unknown(source, `jiffies_64 is ${jiffies.value}, before boot`);
  return known(source, () => nanoseconds((ticks * SECOND) / BigInt(hz.value ?? 1)));
}

function hzOf(program: Program, keeper: Keeper | undefined): Known<number> {
  const ofTick = (ns: bigint): number => {
    const hz = ns > 0n ? Math.round(1e9 / Number(ns)) : 0;
    // Configured values are 24 to 1200; whole clock cycles and NTP move a tick by less than a thousandth.
    if (hz < 12 || hz > 20_000) throw new LookupError('symbol', `sensible tick: ${ns} ns`);
    return hz;
  };
  return firstKnown(
    known(`xtime_interval of ${keeper?.source ?? 'the timekeeper'}`, () =>
      keeper === undefined ? undefined : ofTick(keeper.tick()),
    ),
    () => known('tick_nsec', () => ofTick(program.memory.readU64(program.symbol('tick_nsec').address))),
    // A member of struct ntp_data since 6.13 (commit 68f66f97c568).
    () =>
      known('tk_ntp_data.tick_nsec', () =>
        ofTick(program.field('struct ntp_data', 'tick_nsec').u64(program.symbol('tk_ntp_data').address)),
      ),
  );
}

class Keeper {
  readonly source: string;
  readonly #program: Program;
  readonly #at: VirtAddr;

  constructor(program: Program) {
    this.#program = program;
    const { at, source } = locate(program);
    this.#at = at;
    this.source = source;
  }

  #field(...paths: readonly [string, ...string[]]): Field {
    return this.#program.firstField('struct timekeeper', paths);
  }

  #has(path: string): boolean {
    return this.#program.tryField('struct timekeeper', path) !== undefined;
  }

  #shift(): bigint {
    // tkr_mono since 4.1 (commit 876e78818def), tkr since 3.17; in the timekeeper itself before.
    const shift = this.#field('tkr_mono.shift', 'tkr.shift', 'shift').u64(this.#at);
    if (shift > 63n) throw new ValidationError('struct timekeeper', this.#at, `shift is ${shift}`);
    return shift;
  }

  /** Nanoseconds of a tick; a little less, as it is a whole number of clock cycles. */
  tick(): bigint {
    return this.#field('xtime_interval').u64(this.#at) >> this.#shift();
  }

  realtime(): bigint {
    // xtime_sec and a shifted xtime_nsec since 3.6 (commit 1e75fa8be9fb); struct timespec xtime before.
    if (!this.#has('xtime_sec')) return this.#timespec('xtime');
    const nsec = this.#field('tkr_mono.xtime_nsec', 'tkr.xtime_nsec', 'xtime_nsec').u64(this.#at) >> this.#shift();
    return this.#field('xtime_sec').u64(this.#at) * SECOND + nsec;
  }

  monotonic(): bigint {
    return this.#since(this.realtime() + this.#timespec('wall_to_monotonic'), 'CLOCK_MONOTONIC');
  }

  boottime(): bigint {
    // ktime_t offs_boot since about 3.5, a union until 4.9; total_sleep_time before.
    const asleep = this.#has('offs_boot')
      ? this.#field('offs_boot.tv64', 'offs_boot').value(this.#at)
      : this.#timespec('total_sleep_time');
    return this.#since(this.monotonic() + asleep, 'CLOCK_BOOTTIME');
  }

  #since(ns: bigint, clock: string): bigint {
    if (ns < 0n) throw new ValidationError('struct timekeeper', this.#at, `${clock} is negative`);
    return ns;
  }

  /** A `struct timespec` or `struct timespec64`; until 2.6.32 and 3.3 some were variables of their own. */
  #timespec(name: string): bigint {
    const member = this.#program.tryField('struct timekeeper', `${name}.tv_sec`);
    const type =
      this.#program.types.tryFind('struct timespec64') === undefined ? 'struct timespec' : 'struct timespec64';
    const sec = member ?? this.#program.field(type, 'tv_sec');
    const nsec = member === undefined ? this.#program.field(type, 'tv_nsec') : this.#field(`${name}.tv_nsec`);
    const at = member === undefined ? this.#program.symbol(name).address : this.#at;
    return sec.value(at) * SECOND + nsec.value(at);
  }
}

function locate(program: Program): { readonly at: VirtAddr; readonly source: string } {
  const kernel = program.symbols.kernel;
  // timekeeper_data[0] since 6.17 (commit 22c62b9a84b8), tk_core since 3.17 (commit 3fdb14fd1df7): a sequence counter
  // and the timekeeper, in a struct with a name (tk_data) since 6.13 (commit 10f7c178a9da).
  for (const name of ['timekeeper_data', 'tk_core']) {
    const symbol = kernel.lookup(name);
    if (symbol === undefined) continue;
    const member = program.tryField('struct tk_data', 'timekeeper');
    const form = `${name}${member === undefined ? '' : ', struct tk_data'}`;
    const proven =
      form === 'tk_core'
        ? ['5.10', '6.1', '6.1-rt', '6.12']
        : form === 'timekeeper_data, struct tk_data'
          ? ['7.2']
          : [];
    program.layouts.chose('clocks', form, proven);
    if (member !== undefined) return { at: member.address(symbol.address), source: name };
    // seqcount_raw_spinlock_t since 5.9 (commit 025e82bcbc34), the same 4 bytes unless lockdep or PREEMPT_RT add to it.
    const counter =
      program.types.tryFind('seqcount_raw_spinlock_t') === undefined ? 'seqcount_t' : 'seqcount_raw_spinlock_t';
    return { at: add(symbol.address, Math.ceil(program.sizeOf(counter) / 8) * 8), source: name };
  }
  const symbol = kernel.lookup('timekeeper');
  if (symbol === undefined) throw new LookupError('symbol', 'tk_core');
  program.layouts.chose('clocks', 'timekeeper (until 3.16)', []);
  return { at: symbol.address, source: 'timekeeper' };
}
