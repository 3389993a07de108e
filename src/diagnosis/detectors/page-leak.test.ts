import { describe, expect, it } from 'vitest';
import { memoryWith, mib } from '../../../test/builders/memory-state.ts';
import { textOf } from '../../../test/builders/text.ts';
import type { Finding } from '../../model/finding.ts';
import type { Uncounted } from '../facts/uncounted.ts';
import pageLeak from './page-leak.ts';

const PAGES = 200 * 256;

const LEAK: Uncounted = {
  gap: mib(210),
  pages: PAGES,
  bytes: mib(200),
  looked: 1,
  unclassified: {
    pages: PAGES + 300,
    blocks: [{ order: 3, blocks: PAGES / 8, pages: PAGES }],
    flags: [],
    references: [],
    oddities: [],
    neighbours: [],
    contents: { read: 200, missing: 0, zero: 0, text: 0, targets: [{ target: 'module ringdma', pages: 190 }] },
  },
  modules: [{ key: 'ringdma', pages: 190 }],
};

function told(uncounted: Uncounted | undefined, available: number | undefined): readonly Finding[] {
  const { memory, program } = memoryWith(available);
  return pageLeak.detector.run({ uncounted, memory }, program);
}

describe('page-leak', () => {
  it('speaks of pages in no counter while memory is tight, and names the module that they point into', () => {
    const [finding, ...more] = told(LEAK, 50);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'page-leak',
      role: 'cause',
      confidence: 'probable',
      details: { pages: PAGES, module: { value: 'ringdma' }, held: { value: mib(200) } },
    });
    expect(textOf(finding?.title ?? [])).toMatch(/points into the module ringdma/);
  });

  it('claims nothing where pages of the dump are lost', () => {
    const { memory, program } = memoryWith(50);
    Object.defineProperty(program, 'lostPages', { value: 1 });
    expect(pageLeak.detector.run({ uncounted: LEAK, memory }, program)).toEqual([]);
  });

  it('claims nothing where the counters contradict the page structures', () => {
    expect(told({ ...LEAK, gap: mib(390) }, 50)).toHaveLength(1);
    expect(told({ ...LEAK, gap: mib(1000) }, 50)).toEqual([]);
  });

  it('names nobody when most of what is in them points elsewhere, or nothing could be read', () => {
    for (const contents of [{ read: 200 }, { read: 0 }]) {
      const modules = contents.read === 0 ? [] : [{ key: 'nvme', pages: 20 }];
      const unclassified = { ...LEAK.unclassified, contents: { ...LEAK.unclassified.contents, ...contents } };
      const [finding] = told({ ...LEAK, unclassified, modules }, 50);
      expect(finding?.details['module']).toBeUndefined();
      expect(finding?.role).toBe('cause');
    }
  });

  it('is only context where memory is left: a driver may want them', () => {
    expect(told(LEAK, 400)).toMatchObject([{ role: 'context', confidence: 'possible' }]);
    expect(told(LEAK, undefined)).toMatchObject([{ role: 'context', confidence: 'possible' }]);
  });

  it('is less sure when not all page structures were looked at', () => {
    const [finding] = told({ ...LEAK, looked: 0.5 }, 20);
    expect(finding).toMatchObject({ role: 'cause', confidence: 'possible' });
    expect(textOf(finding?.title ?? [])).toMatch(/^At least/);
  });

  it('is silent below its share, and where the counters account for memory', () => {
    expect(told({ ...LEAK, bytes: mib(140) }, 20)).toEqual([]);
    expect(told(undefined, 20)).toEqual([]);
  });
});
