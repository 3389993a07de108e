import { describe, expect, it } from 'vitest';
import { Answers } from './answers.ts';
import { agrees, compare, type Explanation, type Subject } from './compare.ts';
import type { Asked } from './ask.ts';
import { unexplainedOf } from './report.ts';

const subject: Subject = { dump: 'a', release: '6.1', format: 'kdump', level: 31, live: false };

function answers(entries: Readonly<Record<string, string | undefined>>): Answers {
  const made = new Answers();
  for (const [key, value] of Object.entries(entries)) made.say('tasks', key, value);
  return made;
}

const known: Explanation = {
  verdict: 'both',
  name: 'names cut off',
  oracle: 'peer',
  group: 'tasks',
  argument: 'the peer cuts names after five characters',
  explains: ({ key, ours, theirs }) =>
    key.endsWith('.comm') && typeof ours === 'string' && theirs === ours.slice(0, 5) && ours.length > 5,
};

const versus = (theirs: Answers, whole = true) => ({ oracle: 'peer', theirs, complete: () => whole });

function tally(ours: Answers, theirs: Answers, whole = true) {
  const [only, ...more] = compare(subject, ours, versus(theirs, whole), [known]);
  if (only === undefined || more.length > 0) throw new Error('one group was asked about');
  return only;
}

describe('the comparison', () => {
  it('counts equal answers as agreeing', () => {
    const both = answers({ '1.pid': '1', '1.comm': 'init' });
    expect(tally(both, both)).toMatchObject({ asked: 2, agreeing: 2, unexplained: [] });
  });

  it('takes a difference that an explanation covers as explained, and only there', () => {
    const result = tally(
      answers({ '1.comm': 'systemd', '2.comm': 'kthreadd' }),
      answers({ '1.comm': 'syste', '2.comm': 'kthre!' }),
    );
    expect(result).toMatchObject({ asked: 2, agreeing: 0, unexplained: [{ key: '2.comm' }] });
    expect([...result.explained]).toEqual([['names cut off', 1]]);
  });

  it('does not use an explanation for another oracle or group', () => {
    const made = compare(
      subject,
      answers({ '1.comm': 'systemd' }),
      { oracle: 'other', theirs: answers({ '1.comm': 'syste' }), complete: () => true },
      [known],
    );
    expect(made[0]?.unexplained).toHaveLength(1);
  });

  it('finds what only one of both knows', () => {
    expect(tally(answers({}), answers({ '1.pid': '1' })).unexplained).toMatchObject([{ ours: undefined, theirs: '1' }]);
    const ours = answers({ '1.pid': '1', '2.pid': '2' });
    expect(tally(ours, answers({ '1.pid': '1' })).unexplained).toMatchObject([{ ours: '2', theirs: undefined }]);
    expect(tally(ours, answers({ '1.pid': '1' }), false).unexplained).toEqual([]);
  });

  it('fails a run for a difference that nothing explains', () => {
    const ours = answers({ '1.pid': '1' });
    const run = (theirs: Answers): Asked[] => [
      { dump: { path: 'a', name: 'a' }, subject, tallies: [tally(ours, theirs)], missing: [] },
    ];
    expect(unexplainedOf(run(ours))).toBe(0);
    expect(unexplainedOf(run(answers({ '1.pid': '2' })))).toBe(1);
  });
});

describe('agreeing', () => {
  const range = { low: 2, high: 5, text: '3, then 4' };

  it('is being within the range of a moving value', () => {
    expect(['1', '2', '5', '6', '', 'four'].map((each) => agrees(each, range))).toEqual([
      false,
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  it('is meeting it with a range of our own', () => {
    expect(agrees({ low: 5, high: 9, text: '' }, range)).toBe(true);
    expect(agrees({ low: 6, high: 9, text: '' }, range)).toBe(false);
  });

  it('is never silence against an answer', () => {
    expect(agrees(undefined, '0')).toBe(false);
    expect(agrees('unreadable', '0')).toBe(false);
  });
});
