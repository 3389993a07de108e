import { describe, expect, it } from 'vitest';
import { contextOf, type TestContext } from '../../../test/builders/facts.ts';
import type { KernelImage } from '../../../test/builders/image.ts';
import { Incident, type TestTask } from '../../../test/builders/incident.ts';
import { placeLog } from '../../../test/builders/log.ts';
import type { Nanoseconds } from '../../base/units.ts';
import type { Task } from '../../kernel/sched.ts';
import type { Coverage } from '../../model/diagnosis.ts';
import { type Clock, clockFact, type CpuTurns } from './clock.ts';
import { tasksFact } from './tasks.ts';

const SECOND = 1_000_000_000n;

function clockOf(
  incident: Incident,
  damage?: (image: KernelImage) => void,
): {
  readonly clock: Clock;
  readonly offCpu: (task: TestTask) => Nanoseconds | undefined;
  readonly turns: (task: TestTask) => CpuTurns | undefined;
} {
  const context = contextOf(incident.program(damage));
  const clock = context.use(clockFact);
  const { byAddress } = context.use(tasksFact);
  const find = (task: TestTask): Task => {
    const found = byAddress.get(task.address);
    if (found === undefined) throw new Error(`pid ${task.pid} is not in the table`);
    return found;
  };
  return { clock, offCpu: (task) => clock.offCpu(find(task)), turns: (task) => clock.turns(find(task)) };
}

const clocks = ({ coverage }: TestContext): Coverage | undefined =>
  coverage.find(({ what }) => what === 'clocks of run queues');

describe('clock', () => {
  it('takes the run queue that is ahead: the clock of an idle CPU lags', () => {
    const { clock } = clockOf(new Incident());
    expect(clock.now).toBe(200_000n * SECOND);
    const other = clockOf(new Incident(), (image) => {
      image.write('runqueues@0.clock', 5n * SECOND);
      image.write('runqueues@1.clock', 7n * SECOND);
    });
    expect(other.clock.now).toBe(7n * SECOND);
  });

  it('does not believe a run queue that is far ahead, and tells of each that is missing', () => {
    const incident = new Incident();
    // 200,000 s since boot, by jiffies at 250 Hz.
    incident.image.global('jiffies_64', 'u64', 0x1_0000_0000n - 300n * 250n + 200_000n * 250n);
    incident.image.global('tick_nsec', 'unsigned long', 4_000_000);
    const told = (damage: (image: KernelImage) => void): TestContext => contextOf(incident.program(damage));
    const sound = told(() => {});
    expect(sound.use(clockFact).now).toBe(200_000n * SECOND);
    expect(clocks(sound)).toBeUndefined();
    const ahead = told((image) => image.write('runqueues@1.clock', 200_300n * SECOND));
    expect(ahead.use(clockFact).now).toBe(200_000n * SECOND);
    expect(clocks(ahead)).toEqual({
      what: 'clocks of run queues',
      read: 1,
      total: 2,
      missing: ['that of CPU 1 is ahead of uptime and log'],
    });
    // NTP may have slowed the other clock down.
    const drifted = told((image) => image.write('runqueues@1.clock', 200_200n * SECOND));
    expect(drifted.use(clockFact).now).toBe(200_200n * SECOND);
    const lost = told((image) => image.write('__per_cpu_offset[1]', 0xffff900000000000n));
    // By the uptime alone.
    expect(lost.use(clockFact).now).toBe(200_000n * SECOND);
    expect(clocks(lost)).toMatchObject({ read: 1, missing: ['that of CPU 1 cannot be read'] });
  });

  it('believes a run queue that is ahead of the uptime as the log is: the CPU that keeps the time hung', () => {
    const incident = new Incident();
    incident.image.global('jiffies_64', 'u64', 0x1_0000_0000n - 300n * 250n + 1000n * 250n);
    incident.image.global('tick_nsec', 'unsigned long', 4_000_000);
    const without = contextOf(incident.program());
    expect(without.use(clockFact).now).toBeUndefined();
    placeLog(incident.image, ['<6>[199990.000000] sysrq: Trigger a crash']);
    const context = contextOf(incident.program());
    expect(context.use(clockFact).now).toBe(200_000n * SECOND);
    expect(clocks(context)).toBeUndefined();
  });

  it('measures from the last arrival on a CPU', () => {
    const incident = new Incident();
    const ps = incident.task('ps', { pid: 96, offCpu: 8.44 });
    expect(clockOf(incident).offCpu(ps)).toBe(8_440_000_000n);
  });

  it('does not know it of a task that runs, one that never ran, and one that arrived after the end', () => {
    const incident = new Incident();
    const running = incident.task('busy', { pid: 20, running: 1, offCpu: 3 });
    const fresh = incident.task('fresh', { pid: 21 });
    const future = incident.task('future', { pid: 22, offCpu: -5 });
    const { offCpu } = clockOf(incident, (image) => image.write('task21.sched_info.last_arrival', 0));
    expect([offCpu(running), offCpu(fresh), offCpu(future)]).toEqual([undefined, undefined, undefined]);
  });

  it('calls starved who waited for a CPU for most of its life, the wait at the end included', () => {
    const incident = new Incident();
    const ps = incident.task('ps', { pid: 96, state: 'R', offCpu: 10 });
    // It started 199,900 s before the end.
    const turnsOf = (waited: bigint, damage: (image: KernelImage) => void = () => {}): CpuTurns | undefined =>
      clockOf(incident, (image) => {
        image.write('task96.sched_info.run_delay', waited * SECOND);
        image.write('task96.sched_info.last_queued', 199_990n * SECOND);
        damage(image);
      }).turns(ps);
    expect(turnsOf(99_940n)).toEqual({
      runs: 10n,
      waited: 99_950n * SECOND,
      queued: 10n * SECOND,
      alive: 199_900n * SECOND,
      starved: true,
    });
    expect(turnsOf(99_939n)?.starved).toBe(false);
    // More than its life is no measure of anything.
    expect(turnsOf(300_000n)?.starved).toBe(false);
    const late = turnsOf(99_940n, (image) => image.write('task96.start_time', 300_000n * SECOND));
    expect([late?.alive, late?.starved]).toEqual([undefined, false]);
    expect(turnsOf(5n, (image) => image.write('task96.sched_info.last_queued', 0))).toMatchObject({
      waited: 5n * SECOND,
      queued: undefined,
    });
  });

  it('does without a run queue that cannot be read, and knows nothing without any', () => {
    const incident = new Incident();
    const ps = incident.task('ps', { pid: 96, offCpu: 8 });
    const lose = (image: KernelImage, cpu: number): void => {
      image.states.set(Number(image.address(`runqueues@${cpu}`) >> 12n), 'lost');
    };
    expect(clockOf(incident, (image) => lose(image, 0)).clock.now).toBe(199_999_500_000_000n);
    const blind = clockOf(incident, (image) => lose(image, 1));
    expect(blind.clock.now).toBeUndefined();
    expect(blind.offCpu(ps)).toBeUndefined();
  });
});
