import { describe, expect, it } from 'vitest';
import { LINES } from './session-lines.ts';
import { compareLine, lines, sessionReport, reasonOf } from './session.ts';

describe('lines of crash beside ours', () => {
  it('leave blanks, tabs and the names of values of gdb aside', () => {
    expect(lines('$1 = 5  \n0xff <a>:\tret\n\n')).toEqual(['5', '0xff <a>: ret']);
    expect(lines('jiffies = $12 = 4\n')).toEqual(['jiffies = 4']);
  });

  it('are equal, or have all of crash, or miss some', () => {
    expect(compareLine('x', ['a', 'b'], ['a', 'b'])).toMatchObject({ equal: true, shared: 2 });
    expect(compareLine('x', ['a', 'b'], ['b', 'c', 'a'])).toMatchObject({ equal: false, shared: 2, theirs: 2 });
    expect(compareLine('x', ['a', 'a'], ['a'])).toMatchObject({ shared: 1, theirs: 2, firstDifference: 'a' });
    expect(sessionReport([{ release: '6.1', results: [compareLine('x', ['a'], ['a'])] }])).toContain('6.1');
  });

  it('name their reasons', () => {
    expect(reasonOf('kmem -i')).toMatch(/^`kmem`/);
    expect(LINES.filter((line) => reasonOf(line) === undefined)).toEqual(
      expect.arrayContaining(['log', 'ps -S', 'sys -t']) as string[],
    );
  });
});
