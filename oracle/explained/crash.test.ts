import { describe, expect, it } from 'vitest';
import { Answers } from '../answers.ts';
import type { Difference } from '../compare.ts';
import { CRASH } from './crash.ts';

type Entries = Readonly<Record<string, Readonly<Record<string, string>>>>;

function answers(entries: Entries): Answers {
  const made = new Answers();
  for (const [group, values] of Object.entries(entries))
    for (const [key, value] of Object.entries(values)) made.say(group, key, value);
  return made;
}

/** Names of the explanations that hold. */
function explaining(
  difference: Omit<Difference, 'oracle'>,
  ours: Entries = {},
  { theirs = {}, release = '6.1.0-56' }: { readonly theirs?: Entries; readonly release?: string } = {},
): string[] {
  const subject = { dump: 'a', release, format: 'kdump', level: 31, live: false } as const;
  const context = { subject, ours: answers(ours), theirs: answers(theirs) };
  return CRASH.filter(
    (each) => each.group === difference.group && each.explains({ oracle: 'crash', ...difference }, context),
  ).map(({ name }) => name);
}

describe('kmem -i', () => {
  const ours = {
    counters: { 'NR_FREE_PAGES.folded': '900', NR_FREE_PAGES: '910' },
    'kmem -i': { 'TOTAL MEM': '2000', BUFFERS: '5' },
    meminfo: { 'committedAs.count': String(40 * 4096) },
  };

  it('is explained by exactly what the common counters say', () => {
    const used = { group: 'kmem -i', key: 'USED', ours: '1090' };
    expect(explaining({ ...used, theirs: '1100' }, ours)).toEqual(['pages that CPUs have not added']);
    expect(explaining({ ...used, theirs: '1099' }, ours)).toEqual([]);
  });

  it('COMMITTED is the common part', () => {
    const committed = { group: 'kmem -i', key: 'COMMITTED', ours: '70' };
    expect(explaining({ ...committed, theirs: '40' }, ours)).toEqual(['parts of COMMITTED']);
    expect(explaining({ ...committed, theirs: '41' }, ours)).toEqual([]);
  });
});

describe('stacks of 7.1 and later', () => {
  const stacks = (ours: string, theirs: string) => ({ group: 'stacks', key: 'task', ours, theirs });
  const since = { release: '7.2.13+deb14' };

  it('hold what looks like an address, ours among them', () => {
    expect(explaining(stacks('a b c', 'a x b y c'), {}, since)).toEqual(['whatever looks like an address']);
    expect(explaining(stacks('a b c', 'a x b y c'))).toEqual([]);
    expect(explaining(stacks('a b c', 'a c x b'), {}, since)).toEqual([]);
    expect(explaining(stacks('a b c', 'a x c'), {}, since)).toEqual([]);
  });

  it('but for what an exception interrupted, and some of what a CPU was in', () => {
    const theirs = { functions: { b: 'asm_exc_page_fault' } };
    expect(explaining(stacks('a b c d', 'a b x d'), {}, { ...since, theirs })).toEqual([
      'whatever looks like an address',
    ]);
    const running = { 'stack registers': { task: 'crash-note' } };
    expect(explaining(stacks('a b c d', 'c x d'), running, since)).toEqual(['whatever looks like an address']);
    expect(explaining(stacks('a b c d', 'x d'), running, since)).not.toContain('whatever looks like an address');
  });
});

describe('a date of 1970', () => {
  const date = {
    group: 'sys',
    key: 'date',
    ours: 'Mon Nov 23 12:08:13 UTC 2026',
    theirs: 'Thu Jan  1 00:00:00 UTC 1970',
  };

  it('is explained only where the timekeeper is not where crash looks', () => {
    expect(explaining(date)).toEqual(['a clock that crash does not find']);
    expect(explaining(date, { symbols: { 'tk_core@0xffffffff82000000': 'd' } })).toEqual([]);
  });
});
