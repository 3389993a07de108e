import { expect, it } from 'vitest';
import { textOf } from '../../../test/builders/text.ts';
import type { Evidence } from '../../model/finding.ts';
import { type Prose, prose, symbol } from '../../model/value.ts';
import { proofLines } from './proof.ts';

const evidence = (claim: Prose, show: string): Evidence => ({
  claim,
  address: undefined,
  ctype: undefined,
  confidence: 'certain',
  show,
});

const said = (all: readonly Evidence[], most: number): readonly string[] =>
  proofLines(all, most).map(({ topic, text }) => `${topic}: ${textOf(text)}`);

it('tells the first claims, each with its command, and how many there are besides', () => {
  const all = [
    evidence(['The log says so.'], 'log'),
    evidence(prose`It sleeps in ${symbol('do_it')}`, 'bt 7'),
    evidence(['A third.'], 'p x'),
  ];
  expect(said(all, 2)).toEqual([
    'proof: The log says so; by hand: log. It sleeps in do_it; by hand: bt 7. 1 more below.',
  ]);
  expect(said(all.slice(0, 1), 2)).toEqual(['proof: The log says so; by hand: log.']);
});

it('claims nothing without evidence', () => {
  expect(said([], 2)).toEqual([]);
});
