import { describe, expect, it } from 'vitest';
import { BlockDevices, IN_FLIGHT, SECOND } from '../../../test/builders/block-devices.ts';
import { KernelImage, struct } from '../../../test/builders/image.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { WaitScene } from '../../../test/builders/wait-scene.ts';
import { nanoseconds } from '../../base/units.ts';
import { blocksFact } from './blocks.ts';
import { clockFact } from './clock.ts';

/** The request was made 58 s after boot. @param monotonic - by the timekeeper @param now - by the run queues, in seconds */
function age(monotonic: bigint, now: bigint | undefined): bigint | undefined {
  const image = new KernelImage();
  image.cpus(1);
  image.struct('tk_read_base', { shift: 'u32', xtime_nsec: 'u64' });
  image.struct('timespec64', { tv_sec: 's64', tv_nsec: 'long' });
  image.struct('timekeeper', {
    tkr_mono: 'struct tk_read_base',
    xtime_sec: 'u64',
    wall_to_monotonic: 'struct timespec64',
    offs_boot: 's64',
    xtime_interval: 'u64',
  });
  image.typedef('seqcount_t', struct({ sequence: 'unsigned int' }));
  const timekeeper = { xtime_sec: monotonic, xtime_interval: 4_000_000n };
  image.place('core', struct({ seq: 'seqcount_t', timekeeper: 'struct timekeeper' }), { timekeeper });
  image.symbol('tk_core', 'core');
  image.global('jiffies_64', 'u64', 4_294_992_296n);
  const blocks = new BlockDevices(image, '6.1');
  blocks.disk('sda');
  blocks.request('r', 'sda', { tag: 1, state: IN_FLIGHT, start: 58n * SECOND });
  blocks.link();
  const scene = new WaitScene();
  scene.set(clockFact, { now: now === undefined ? undefined : nanoseconds(now * SECOND) } as never);
  return scene.context(programOfImage(image)).use(blocksFact)?.queues[0]?.requests[0]?.age;
}

describe('ages of requests', () => {
  it('are by CLOCK_MONOTONIC, which may differ a little from the clocks of the run queues', () => {
    expect(age(100n, 100n)).toBe(42n * SECOND);
    expect(age(100n, 97n)).toBe(42n * SECOND);
    expect(age(100n, undefined)).toBe(42n * SECOND);
  });

  it('are not known where that is far ahead of the run queues: a damaged timekeeper makes no disk silent', () => {
    expect(age(900_000n, 100n)).toBeUndefined();
  });
});
