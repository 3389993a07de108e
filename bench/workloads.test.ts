import { expect, it } from 'vitest';
import type { Meter, Run } from './measure.ts';
import { afterStartRow, measureInTurn, ratioRow, rowOf, unlessStatus } from './workloads.ts';

/** A meter whose commands are their own wall time, or an exit status. */
function fakeMeter(order: string[]): Meter {
  return {
    description: 'fake',
    close: () => {},
    run([word = '']) {
      order.push(word);
      const status = word.startsWith('status') ? Number(word.slice(6)) : 0;
      const run: Run = { wall: Number(word), cpu: undefined, peak: 2 ** 20, status, stdout: '', stderr: 'one\ntwo\n' };
      return run;
    },
  };
}

const contender = (name: string, word: string, ...good: number[]) => ({
  name,
  work: 'w',
  command: [word],
  failure: unlessStatus(0, ...good),
  bar: name === 'drgn' ? { time: 0.5, memory: 1 } : undefined,
});

it('runs all in turn, the first round uncounted', () => {
  const order: string[] = [];
  const measured = measureInTurn(fakeMeter(order), [contender('kwhy', '10'), contender('drgn', '40')], 2);
  expect(order).toEqual(['10', '40', '10', '40', '10', '40']);
  expect(measured.map(({ runs }) => runs.length)).toEqual([2, 2]);
  const [kwhy, drgn] = measured;
  if (kwhy === undefined || drgn === undefined) throw new Error('two were measured');
  expect(rowOf(kwhy)).toEqual(['kwhy', 'w', '10 ms', '10 ms to 10 ms', 'not measured', '1.0 MiB']);
  expect(ratioRow(kwhy, drgn)).toEqual(['kwhy / drgn', '0.250', '0.5, met', 'not measured', '1.000', '1, met']);
  expect(ratioRow(drgn, kwhy)).toEqual(['kwhy / kwhy', '4.000', '', 'not measured', '1.000', '']);
  expect(ratioRow({ ...kwhy, runs: drgn.runs }, drgn)[2]).toBe('0.5, MISSED');
});

it('stops one that fails, tells why, and goes on with the others', () => {
  const order: string[] = [];
  const measured = measureInTurn(fakeMeter(order), [contender('a', 'status3'), contender('b', 'status1', 1)], 1);
  expect(order).toEqual(['status3', 'status1', 'status1']);
  expect(measured.map(({ failed }) => failed)).toEqual(['status 3: two', undefined]);
  expect(measured.map(rowOf).map(([, work, wall]) => [work, wall])).toEqual([
    ['w', 'failed, status 3: two'],
    ['w (exit status 1)', 'not measured'],
  ]);
});

it('compares what comes after the start', () => {
  const contenders = [
    contender('kwhy', '15'),
    { ...contender('crash', '300'), bar: { afterStart: 0.04 } },
    contender('kwhy', '10'),
    contender('crash', '200'),
  ];
  const [kwhy, crash, ownStart, itsStart] = measureInTurn(fakeMeter([]), contenders, 1);
  if (kwhy === undefined || crash === undefined || ownStart === undefined || itsStart === undefined)
    throw new Error('four were measured');
  const row = afterStartRow(kwhy, crash, [ownStart, itsStart]);
  expect(row.slice(0, 4)).toEqual(['kwhy / crash, after the start', '0.050', '0.04, MISSED', 'not measured']);
});
