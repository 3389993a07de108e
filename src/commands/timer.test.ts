/** The lines are crash 9.0.2's on the full dump that the sample was made of. */
import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import timer from './timer.ts';

const { run, json } = commandRunner([timer]);

test('the wheels', () => {
  expect(run('timer -C 1').lines.slice(0, 6)).toEqual([
    'JIFFIES',
    '4294895137',
    '',
    'TIMER_BASES[1][BASE_STD]: ffff88899e920980',
    '  EXPIRES        TTE        TIMER_LIST     FUNCTION',
    '  4294895138       1  ffffd1ec00083e38  ffffffff99943f80  <process_timeout>',
  ]);
  expect(run('timer').problems).toEqual([]);
  expect(json('timer -C 0')).toMatchObject({ data: { bases: [{ name: 'BASE_STD' }, { name: 'BASE_DEF' }] } });
});

test('high-resolution timers, on their own clocks', () => {
  const { lines } = run('timer -r -C 0');
  expect(lines.slice(0, 2)).toEqual([
    'CPU: 0  HRTIMER_CPU_BASE: ffff88899e822e80',
    '  CLOCK: 0  HRTIMER_CLOCK_BASE: ffff88899e822ec0  [ktime_get]',
  ]);
  expect(lines[5]).toMatch(
    /^ {2}11352000000 {2}11352000000 +-?\d+ {2}ffff88899e823440 {2}ffffffff99958f60 {2}<tick_sched_timer>$/,
  );
});
