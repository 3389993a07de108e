import { describe, expect, it } from 'vitest';
import { LINES } from './session-lines.ts';
import { readFileSync } from 'node:fs';
import { compareLine, lines, sessionReport, unexplained } from './session.ts';
import { REASONS, reasonOf } from './session-reasons.ts';

describe('lines of crash beside ours', () => {
  it('leave blanks, tabs and the names of values of gdb aside', () => {
    expect(lines('$1 = 5  \n0xff <a>:\tret\n\n')).toEqual(['5', '0xff <a>: ret']);
    expect(lines('jiffies = $12 = 4\n')).toEqual(['jiffies = 4']);
  });

  it('are equal, or have all of crash, or miss some', () => {
    expect(compareLine('x', ['a', 'b'], ['a', 'b'])).toMatchObject({ equal: true, shared: 2 });
    expect(compareLine('x', ['a', 'b'], ['b', 'c', 'a'])).toMatchObject({ equal: false, shared: 2, theirs: 2 });
    expect(compareLine('x', ['a', 'a'], ['a'])).toMatchObject({ shared: 1, theirs: 2, missing: ['a'] });
    expect(compareLine('kmem -v', ['a 1', 'b 2'], ['a 1 more', 'b 21'])).toMatchObject({ shared: 1, missing: ['b 2'] });
    expect(sessionReport([{ release: '6.1', results: [compareLine('x', ['a'], ['a'])] }])).toContain('6.1');
  });

  it('have a reason for each line of crash that we do not answer, or count as unexplained', () => {
    const release = '6.12';
    const uptime = compareLine('sys', [' UPTIME: 00:03:48', ' TASKS: 5'], [' UPTIME: 00:00:12', ' TASKS: 4']);
    expect(unexplained({ release, results: [uptime] })).toEqual(['sys:  TASKS: 5']);
    expect(reasonOf('ps -S', ' RU: 3')).toBeUndefined();
    expect(LINES.length).toBeGreaterThan(250);
  });

  it('have reasons that docs/crash-differences.md tells more of', () => {
    const text = readFileSync(new URL('../docs/crash-differences.md', import.meta.url), 'utf8');
    expect(REASONS.map(({ row }) => row).filter((row) => !text.includes(`\n| ${row}`))).toEqual([]);
  });
});
