import { expect, test } from 'vitest';
import { virt } from '../base/address.ts';
import { blocked, type Condition, kernelStopped, memoryShort } from '../model/condition.ts';
import type { Finding } from '../model/finding.ts';
import { storiesOf } from './stories.ts';

type Ties = Pick<Finding, 'explains' | 'shows' | 'restsOn'>;

const findings = (...ties: readonly Ties[]): readonly Finding[] =>
  ties.map((tie) => ({
    detector: 'test',
    cause: 'test',
    role: 'cause',
    title: [],
    confidence: 'certain',
    weight: 1,
    story: [],
    evidence: [],
    remedies: [],
    details: {},
    ...tie,
  }));

const task = (n: number): Condition => blocked(virt(0xffff888000000000n + BigInt(n)));

test('findings that speak of nothing in common stay apart, in their order', () => {
  const stories = storiesOf(findings({ explains: [task(1)] }, { explains: [task(2)], restsOn: [task(3)] }, {}));
  expect(stories).toEqual([0, 1, 2].map((i) => ({ findings: [i], links: [], loop: [] })));
});

test('a chain runs from the root to the symptom, whatever the rank', () => {
  // A queue behind a holder in reclaim, the shortage, who has the memory, the watchdog that spoke of a waiter.
  const [story, ...others] = storiesOf(
    findings(
      { explains: [task(1), task(2)], restsOn: [memoryShort] },
      { shows: [memoryShort] },
      { explains: [memoryShort] },
      { shows: [kernelStopped], restsOn: [task(2)] },
    ),
  );
  expect(others).toEqual([]);
  expect(story).toEqual({
    findings: [2, 1, 0, 3],
    links: [
      { from: 0, to: 3, through: task(2) },
      { from: 1, to: 0, through: memoryShort },
      { from: 2, to: 1, through: memoryShort },
    ],
    loop: [],
  });
});

test('where nobody shows a condition, who accounts for it is tied to who rests on it', () => {
  const [story] = storiesOf(findings({ restsOn: [memoryShort] }, { explains: [memoryShort] }));
  expect(story).toEqual({ findings: [1, 0], links: [{ from: 1, to: 0, through: memoryShort }], loop: [] });
});

test('a circle is said to be one, and begins where it is fed from outside', () => {
  const [story] = storiesOf(
    findings(
      { explains: [task(1), memoryShort], restsOn: [memoryShort] },
      { explains: [memoryShort] },
      { shows: [memoryShort] },
    ),
  );
  expect(story?.findings).toEqual([1, 2, 0]);
  expect(new Set(story?.loop)).toEqual(new Set([0, 2]));
});

test('one that rests on what it brings about itself is a circle of one', () => {
  expect(storiesOf(findings({ explains: [memoryShort], restsOn: [memoryShort] }))).toEqual([
    { findings: [0], links: [{ from: 0, to: 0, through: memoryShort }], loop: [0] },
  ]);
});

test('two locks whose holders wait for each other are a circle of two', () => {
  const [story, ...others] = storiesOf(
    findings({ explains: [task(1)], restsOn: [task(2)] }, { explains: [task(2)], restsOn: [task(1)] }),
  );
  expect(others).toEqual([]);
  expect(story?.findings).toEqual([0, 1]);
  expect(story?.loop).toEqual([0, 1]);
});

test('what several rest on ties them, also where nobody accounts for it', () => {
  const stories = storiesOf(findings({ restsOn: [task(9)] }, {}, { restsOn: [task(9)] }));
  expect(stories.map((story) => story.findings)).toEqual([[0, 2], [1]]);
});

test('two that could account for what nobody saw are not tied by that', () => {
  const stories = storiesOf(findings({ explains: [memoryShort] }, { explains: [memoryShort] }));
  expect(stories.map((story) => story.findings)).toEqual([[0], [1]]);
});

test('each finding is in one story, and a thousand of one lock are no work', () => {
  const many = Array.from({ length: 1000 }, (_, i) => ({ explains: [task(i)], restsOn: [task(i + 1)] }));
  const [story] = storiesOf(findings(...many));
  expect(story?.findings).toEqual(many.map((_, i) => many.length - 1 - i));
});
