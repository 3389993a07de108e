import { describe, expect, it } from 'vitest';
import { KernelImage, struct, type Value } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { timekeeping } from './timekeeping.ts';

const SECOND = 1_000_000_000n;
const SHIFT = 24n;
/** 300 seconds before the 32-bit wrap at HZ=250, as an unsigned long. */
const INITIAL_250 = 0x100000000n - 75_000n;

function base(): KernelImage {
  const image = new KernelImage();
  image.struct('timespec64', { tv_sec: 's64', tv_nsec: 'long' });
  image.typedef('ktime_t', 's64');
  image.global('jiffies_64', 'u64', INITIAL_250 + 2500n);
  return image;
}

function modern(image: KernelImage): void {
  image.struct('tk_read_base', {
    clock: 'void *',
    mask: 'u64',
    mult: 'u32',
    shift: 'u32',
    xtime_nsec: 'u64',
    base: 'ktime_t',
  });
  image.struct('timekeeper', {
    tkr_mono: 'struct tk_read_base',
    tkr_raw: 'struct tk_read_base',
    xtime_sec: 'u64',
    wall_to_monotonic: 'struct timespec64',
    offs_boot: 'ktime_t',
    xtime_interval: 'u64',
  });
}

/** Boot at 1,700,000,000.25; 10.75 s later; 100 s of them in suspend. */
const values: { readonly [path: string]: Value } = {
  'tkr_mono.shift': Number(SHIFT),
  'tkr_mono.xtime_nsec': (SECOND / 2n) << SHIFT,
  xtime_sec: 1_700_000_010n,
  'wall_to_monotonic.tv_sec': -1_700_000_001n,
  'wall_to_monotonic.tv_nsec': 750_000_000,
  offs_boot: 100n * SECOND,
  // 4 ms less a fraction: a whole number of clock cycles.
  xtime_interval: 3_999_997n << SHIFT,
};

const read = (image: KernelImage): ReturnType<typeof timekeeping> => timekeeping(programOfImage(image));

describe('timekeeping', () => {
  it('reads the timekeeper behind the sequence counter of tk_core (3.17-6.12)', () => {
    const image = base();
    modern(image);
    image.typedef('seqcount_t', struct({ sequence: 'unsigned int' }));
    image.place('core', struct({ seq: 'seqcount_t', timekeeper: 'struct timekeeper' }), { timekeeper: values });
    image.symbol('tk_core', 'core');
    image.vmcoreinfo('CRASHTIME', 1_700_000_011);
    const time = read(image);
    expect(time.hz).toEqual({ value: 250, source: 'xtime_interval of tk_core', problem: undefined });
    expect(time.realtime.value).toBe(1_700_000_010n * SECOND + SECOND / 2n);
    expect(time.uptime.monotonic.value).toBe(10n * SECOND + SECOND / 4n);
    expect(time.uptime.boottime).toEqual({
      value: 110n * SECOND + SECOND / 4n,
      source: 'CLOCK_BOOTTIME of tk_core',
      problem: undefined,
    });
    expect(time.jiffies.value).toBe(INITIAL_250 + 2500n);
    expect(time.uptime.jiffies.value).toBe(10n * SECOND);
    expect(time.crashTime.value).toBe(1_700_000_011n);
  });

  it('finds the timekeeper behind a sequence counter that lockdep made longer', () => {
    const image = base();
    modern(image);
    image.typedef('seqcount_raw_spinlock_t', struct({ seqcount: 'unsigned int', lock: 'void *' }));
    image.typedef('seqcount_t', struct({ sequence: 'unsigned int' }));
    image.place('core', struct({ seq: 'seqcount_raw_spinlock_t', timekeeper: 'struct timekeeper' }), {
      timekeeper: values,
    });
    image.symbol('tk_core', 'core');
    expect(read(image).uptime.monotonic.value).toBe(10n * SECOND + SECOND / 4n);
  });

  it.each(['tk_core', 'timekeeper_data'])('reads struct tk_data in %s (6.13, 6.17)', (symbol) => {
    const image = base();
    modern(image);
    image.struct('tk_data', {
      seq: 'unsigned int',
      timekeeper: 'struct timekeeper',
      shadow_timekeeper: 'struct timekeeper',
    });
    image.place('data', 'struct tk_data[2]', [{ timekeeper: values }]);
    image.symbol(symbol, 'data');
    expect(read(image).uptime.boottime.source).toBe(`CLOCK_BOOTTIME of ${symbol}`);
    expect(read(image).uptime.boottime.value).toBe(110n * SECOND + SECOND / 4n);
  });

  it('reads the flat timekeeper of 3.6-3.16, whose ktime_t is a union', () => {
    const image = base();
    image.struct('timekeeper', {
      clock: 'void *',
      shift: 'u32',
      xtime_interval: 'u64',
      xtime_sec: 'u64',
      xtime_nsec: 'u64',
      wall_to_monotonic: 'struct timespec64',
      offs_boot: struct({ tv64: 's64' }),
    });
    image.global('timekeeper', 'struct timekeeper', {
      shift: 8,
      xtime_interval: 1_000_000 << 8,
      xtime_sec: 1_700_000_010n,
      xtime_nsec: 500_000_000n << 8n,
      wall_to_monotonic: { tv_sec: -1_700_000_001n, tv_nsec: 750_000_000 },
      'offs_boot.tv64': 100n * SECOND,
    });
    const time = read(image);
    expect(time.hz.value).toBe(1000);
    expect(time.uptime.boottime.value).toBe(110n * SECOND + SECOND / 4n);
    expect(time.realtime.value).toBe(1_700_000_010n * SECOND + SECOND / 2n);
  });

  it('reads xtime, wall_to_monotonic and total_sleep_time of older kernels', () => {
    const image = new KernelImage();
    image.struct('timespec', { tv_sec: 'long', tv_nsec: 'long' });
    image.struct('timekeeper', { clock: 'void *', shift: 'int', xtime_interval: 'u64' });
    image.global('timekeeper', 'struct timekeeper', { shift: 10, xtime_interval: 10_000_000n << 10n });
    image.global('xtime', 'struct timespec', { tv_sec: 1_300_000_010n, tv_nsec: 5 });
    image.global('wall_to_monotonic', 'struct timespec', { tv_sec: -1_300_000_000n, tv_nsec: 0 });
    image.global('total_sleep_time', 'struct timespec', { tv_sec: 7 });
    const time = read(image);
    expect(time.hz.value).toBe(100);
    expect(time.uptime.monotonic.value).toBe(10n * SECOND + 5n);
    expect(time.uptime.boottime.value).toBe(17n * SECOND + 5n);
  });

  it('takes jiffies for the uptime when there is no timekeeper, and says so', () => {
    const image = base();
    image.global('tick_nsec', 'unsigned long', 4_000_000);
    const time = read(image);
    expect(time.hz).toEqual({ value: 250, source: 'tick_nsec', problem: undefined });
    expect(time.uptime.boottime).toEqual({ value: 10n * SECOND, source: 'jiffies_64 and HZ', problem: undefined });
    expect(time.realtime.value).toBeUndefined();
    expect(time.realtime.problem).toContain('tk_core');
    expect(time.crashTime).toEqual({
      value: undefined,
      source: 'VMCOREINFO CRASHTIME',
      problem: 'this kernel has none',
    });
  });

  it('finds the tick in tk_ntp_data (6.13)', () => {
    const image = base();
    image.struct('ntp_data', { tick_usec: 'unsigned long', tick_nsec: 'unsigned long' });
    image.global('tk_ntp_data', 'struct ntp_data', { tick_nsec: 4_000_123 });
    expect(read(image).hz.value).toBe(250);
  });

  it('never guesses: without HZ there is no uptime from jiffies, and nonsense is no HZ', () => {
    const image = base();
    const time = read(image);
    expect(time.hz.value).toBeUndefined();
    expect(time.uptime.boottime.value).toBeUndefined();
    expect(time.uptime.jiffies.problem).toMatch(/^HZ is not known/);
    image.global('tick_nsec', 'unsigned long', 1);
    expect(read(image).hz.value).toBeUndefined();
    image.write('tick_nsec', 4_000_000);
    image.write('jiffies_64', 5);
    expect(read(image).uptime.jiffies.problem).toBe('jiffies_64 is 5, before boot');
  });

  it('refuses a timekeeper that makes no sense, and falls back', () => {
    const image = base();
    modern(image);
    image.typedef('seqcount_t', struct({ sequence: 'unsigned int' }));
    image.place('core', struct({ seq: 'seqcount_t', timekeeper: 'struct timekeeper' }), { timekeeper: values });
    image.symbol('tk_core', 'core');
    image.global('tick_nsec', 'unsigned long', 4_000_000);
    image.write('core.timekeeper.tkr_mono.shift', 200);
    const time = read(image);
    expect(time.hz.source).toBe('tick_nsec');
    expect(time.uptime.boottime.source).toBe('jiffies_64 and HZ');
    image.write('core.timekeeper.tkr_mono.shift', Number(SHIFT));
    image.write('core.timekeeper.wall_to_monotonic.tv_sec', -(1n << 40n));
    expect(read(image).uptime.monotonic.source).toBe('jiffies_64 and HZ');
  });
});
