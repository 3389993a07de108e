import { describe, expect, it } from 'vitest';
import { Answers } from '../answers.ts';
import { memoryAnswers } from './memory.ts';

const rollup = (pss: number): string =>
  `0-1 ---p 0 [rollup]\nRss:  1740 kB\nPss:  ${pss} kB\nPrivate_Clean:  100 kB\nPrivate_Dirty:  1000 kB\nSwap:  0 kB\n`;

function answersOf(first: Readonly<Record<string, string>>, second = first): Answers {
  const answers = new Answers();
  const recording = { first: new Map(Object.entries(first)), second: new Map(Object.entries(second)) };
  memoryAnswers(recording, 2, answers);
  return answers;
}

describe('what a process has resident', () => {
  it('is within 1 %, at least 8 KiB', () => {
    const answers = answersOf({ '7/smaps_rollup': rollup(5000) });
    expect(answers.get('resident', '7.pss')).toMatchObject({ low: 4950, high: 5050 });
    expect(answers.get('resident', '7.uss')).toMatchObject({ low: 1089, high: 1111 });
    expect(answers.get('resident', '7.swap')).toMatchObject({ low: -8, high: 8 });
  });

  it('may move on as it did', () => {
    const answers = answersOf({ '7/smaps_rollup': rollup(4000) }, { '7/smaps_rollup': rollup(4100) });
    expect(answers.get('resident', '7.pss')).toMatchObject({ low: 3859, high: 4241 });
  });
});

describe('a memory cgroup', () => {
  const at = '/sys/fs/cgroup/app/memory';
  it('may differ by what changed, or by what two CPUs charge at once', () => {
    const answers = answersOf({ [`${at}.current`]: '1000000\n' });
    expect(answers.get('memory cgroups', '/app current')).toMatchObject({ low: 475712, high: 1524288 });
    const moved = answersOf({ [`${at}.current`]: '1000000\n' }, { [`${at}.current`]: '3000000\n' });
    expect(moved.get('memory cgroups', '/app current')).toMatchObject({ low: -1000000, high: 5000000 });
  });

  it('has its limits as they are, and events that only rise', () => {
    const answers = answersOf(
      { [`${at}.max`]: 'max\n', [`${at}.events`]: 'low 0\noom 3\n', [`/sys/fs/cgroup/memory.stat`]: 'anon 4096\n' },
      { [`${at}.max`]: 'max\n', [`${at}.events`]: 'low 0\noom 4\n', [`/sys/fs/cgroup/memory.stat`]: 'anon 4096\n' },
    );
    expect(answers.get('memory cgroups', '/app max')).toBe('max');
    expect(answers.get('memory cgroups', '/app events.low')).toBe('0');
    expect(answers.get('memory cgroups', '/app events.oom')).toMatchObject({ low: 4, high: Infinity });
    expect(answers.get('memory cgroups', '/ stat.anon')).toMatchObject({ high: 4096 + 524288 });
  });
});
