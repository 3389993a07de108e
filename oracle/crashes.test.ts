import { describe, expect, it } from 'vitest';
import { type CrashTally, crashesReport } from './crashes.ts';

const tally: CrashTally = {
  dump: '08/zstd.vmcore',
  release: '6.1.0-56',
  detector: 'kernel-oops',
  agreeing: 11,
  explained: new Map([['a reason', 1]]),
  unexplained: [
    { oracle: 'drgn', group: 'crash', key: 'instruction', ours: '0xffffffffc0575005', theirs: '0xffffffffc0575009' },
  ],
  missing: undefined,
};
const cells = (line: string | undefined): string[] =>
  (line ?? '')
    .split('|')
    .map((cell) => cell.trim())
    .filter((cell) => cell !== '');

describe('crashesReport', () => {
  const report = crashesReport([
    tally,
    { ...tally, dump: '10', detector: undefined, agreeing: 1, explained: new Map(), unexplained: [] },
    { ...tally, dump: '5.10', agreeing: 0, explained: new Map(), unexplained: [], missing: 'no debug information' },
  ]).split('\n');
  const rowOf = (name: string): string[] => cells(report.find((line) => line.startsWith(`| ${name}`)));

  it('counts what agrees, what is explained and what is not, of those that were asked', () => {
    expect(report[0]).toBe('2 dumps of 6.1.0-56.');
    expect(rowOf('kernel-oops')).toEqual(['kernel-oops', '1', '13', '11', '1', '1']);
    expect(rowOf('none')).toEqual(['none: stopped on purpose', '1', '1', '1', '0', '0']);
    expect(rowOf('all')).toEqual(['all', '2', '14', '12', '1', '1']);
  });

  it('names each difference, and what was not asked', () => {
    expect(report).toContain('- 08/zstd.vmcore, instruction: we say 0xffffffffc0575005; drgn says 0xffffffffc0575009');
    expect(report).toContain('- 5.10: no debug information');
  });
});
