import { expect, it } from 'vitest';
import type { Growth } from '../model/growth.ts';
import { growthLines } from './growth-chart.ts';
import { lineText } from './spans.ts';

const SECOND = 1_000_000_000n;
const HOUR = 3600n * SECOND;

function grown(came: readonly number[], rest: Partial<Growth> = {}): Growth {
  const width = rest.width ?? HOUR;
  let waiting = 0;
  const steps = came.map((each, i) => {
    waiting += each;
    const to = BigInt(came.length - i) * width;
    return { from: to + width, to, came: each, waiting };
  });
  return { kind: 'growth', width, steps, unknown: 0, crash: undefined, ...rest };
}

const text = (growth: Growth, width = 100, indent?: number): string[] =>
  growthLines(growth, width, indent).map(lineText);

it('has a line for each step: those who were there, and those who came', () => {
  expect(text(grown([10, 0, 30, 40], { width: 30n * SECOND }))).toEqual([
    'When those who still wait came, by when each last got a CPU (sched_info.last_arrival), in steps of',
    '30.0 s:',
    '  before the crash  came  waiting',
    '        2 min 30 s    10       10  #####',
    '             2 min     0       10  -----',
    '        1 min 30 s    30       40  -----###############',
    '             1 min    40       80  --------------------####################',
  ]);
});

it('shows one among thousands, and no bar is longer than the longest', () => {
  const lines = text(grown([1, 5000, 1]), 100, 3).filter((line) => line.includes('#'));
  expect(lines).toHaveLength(3);
  expect(lines[0]).toMatch(/ 1 {8}1 {2}#$/);
  expect(lines[1]).toMatch(/ 5000 {5}5001 {2}#{40}$/);
  expect(lines[2]).toMatch(/ 1 {5}5002 {2}-{39}#$/);
  for (const line of lines) expect(line).toMatch(/^ {3}/);
});

it('keeps to the width where it can, and has bars even where it cannot', () => {
  const crash = Date.UTC(2026, 10, 23, 12) / 1000;
  const wide = text(grown([3, 2, 9], { crash }), 70);
  for (const line of wide) expect(line.length).toBeLessThanOrEqual(70);
  expect(wide.at(-1)).toMatch(/-+#+$/);
  expect(text(grown([3, 2, 9], { crash }), 20).at(-1)).toMatch(/ {2}-{3}#{5}$/);
});

it('has the time of day where the crash has one and the steps are not finer than it', () => {
  const crash = Date.UTC(2026, 10, 23, 12) / 1000;
  expect(text(grown([3, 2], { crash })).at(-1)).toBe(
    '               2 h  2026-11-23T10:00:00Z     2        5  ------------------------################',
  );
  expect(text(grown([3, 2], { crash, width: SECOND / 2n })).join()).not.toContain('UTC');
});

it('says of how many it is not known', () => {
  expect(text(grown([3, 2], { unknown: 7 })).at(-1)).toBe('  of 7 more it is not known when');
});
