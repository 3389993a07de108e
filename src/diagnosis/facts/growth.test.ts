import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import { Incident } from '../../../test/builders/incident.ts';
import { textOf } from '../../../test/builders/text.ts';
import { nanoseconds, type Nanoseconds } from '../../base/units.ts';
import { arrivalsOf, arrivalsText, growthFact, isLong } from './growth.ts';
import { tasksFact } from './tasks.ts';

const seconds = (...waits: readonly number[]): Nanoseconds[] =>
  waits.map((s) => nanoseconds(BigInt(s * 1000) * 1_000_000n));

describe('growth', () => {
  it('counts who came in steps that people count in, the oldest first, without gaps', () => {
    const { first, last, known, unknown, growth } = arrivalsOf(seconds(50, 49, 31, 30, 29.9, 12), undefined);
    expect([first, last, known, unknown]).toEqual([50_000_000_000n, 12_000_000_000n, 6, 0]);
    expect(growth?.width).toBe(5_000_000_000n);
    expect(
      growth?.steps.map(({ from, to, came, waiting }) => [Number(from) / 1e9, Number(to) / 1e9, came, waiting]),
    ).toEqual([
      [55, 50, 1, 1],
      [50, 45, 1, 2],
      [45, 40, 0, 2],
      [40, 35, 0, 2],
      [35, 30, 2, 4],
      [30, 25, 1, 5],
      [25, 20, 0, 5],
      [20, 15, 0, 5],
      [15, 10, 1, 6],
    ]);
  });

  it('puts each in the step in which it came, whatever the times', () => {
    const wait = fc.bigInt({ min: 0n, max: 10n ** 19n });
    fc.assert(
      fc.property(fc.array(wait, { minLength: 5, maxLength: 40 }), (raw) => {
        const waits = raw.map(nanoseconds);
        const { growth, first, last } = arrivalsOf(waits, 0);
        expect(growth === undefined).toBe((first ?? 0n) - (last ?? 0n) < 1_000_000_000n);
        const { steps, width } = growth ?? { steps: [], width: 0n };
        fc.pre(steps.length > 0);
        expect(steps.length).toBeLessThanOrEqual(12);
        let waiting = 0;
        steps.forEach(({ from, to, came, waiting: there }, i) => {
          expect(from - to).toBe(width);
          expect(to).toBe(steps[i + 1]?.from ?? to);
          expect(came).toBe(waits.filter((each) => each >= to && each < from).length);
          waiting += came;
          expect(there).toBe(waiting);
        });
        expect(waiting).toBe(waits.length);
        expect(steps[0]?.came).toBeGreaterThan(0);
        expect(steps.at(-1)?.came).toBeGreaterThan(0);
      }),
    );
  });

  it('has none of few, of those who came at once, and of those of whom nothing is known', () => {
    expect(arrivalsOf(seconds(50, 40, 30, 20), 0).growth).toBeUndefined();
    const once = arrivalsOf(seconds(60, 60.2, 60.9, 60.4, 60.3, 60.1), 0);
    expect(once.growth).toBeUndefined();
    expect(textOf(arrivalsText(once, true))).toBe('all about 60.9 s before the crash.');
    const nothing = arrivalsOf([undefined, undefined, undefined, undefined, undefined], 0);
    expect(nothing).toEqual({ first: undefined, last: undefined, known: 0, unknown: 5, growth: undefined });
    expect(textOf(arrivalsText(nothing, true))).toBe('not known.');
  });

  it('says of how many it is not known, and draws the others', () => {
    const some = arrivalsOf([...seconds(9, 8, 7, 6, 5, 4), undefined, undefined], 0);
    expect(some.growth?.unknown).toBe(2);
    expect(textOf(arrivalsText(some, false))).toBe(
      'from 9 s to 4 s before it, growing [1 1 2 2 3 3 4 4 5 5 6] (0.5 s each); of 2 it is not known.',
    );
    expect(isLong(some)).toBe(false);
    expect(isLong(arrivalsOf(seconds(19, 18, 17, 16, 15, 9), 0))).toBe(true);
  });

  it('goes by when each last got a CPU, and not by when it was started', () => {
    const incident = new Incident();
    const made = incident.tasks(6, 'top', (i) => ({ pid: 20 + i, offCpu: 600 - 100 * i, state: 'D' }));
    const context = contextOf(
      incident.program((image) => {
        image.write('task20.start_time', 1);
        image.write('task21.sched_info.last_arrival', 0);
      }),
    );
    const { tasks } = context.use(tasksFact);
    const of = made
      .map(({ address }) => tasks.find((task) => task.address === address))
      .filter((task) => task !== undefined);
    const { first, last, unknown, growth } = context.use(growthFact).of(of);
    expect([first, last, unknown]).toEqual([600_000_000_000n, 100_000_000_000n, 1]);
    expect(growth?.steps.map(({ came }) => came)).toEqual([1, 0, 0, 0, 1, 1, 0, 1, 0, 1]);
  });
});
