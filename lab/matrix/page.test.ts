import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Cell, Matrix } from './cells.ts';
import { renderSupport } from './page.ts';
import { syntheticLayouts } from './synthetic.ts';

const cell = (more: Partial<Cell>): Cell => ({
  kernel: '6.1',
  release: '6.1.0-1-amd64',
  guest: '5-level',
  format: 'kdump zstd',
  origin: 'as written',
  verdict: 'right',
  why: '',
  confidence: 'certain',
  complete: true,
  problems: [],
  unproven: [],
  seconds: 1,
  commit: 'abc',
  ...more,
});

const NO_WAITS = { entries: [], met: { edges: {}, functions: {} } };

/** The cell of a table by the head of its column and the first word of its row. */
function at(page: string, row: string, column: string): string | undefined {
  const lines = page.split('\n').map((line) => line.split('|').map((word) => word.trim()));
  const head = lines.find((words) => words.includes(column)) ?? [];
  return lines.find((words) => words[1] === row)?.[head.indexOf(column)];
}

it('says proven only of right reports, and why not of others', () => {
  const page = renderSupport(
    {
      cells: [
        cell({}),
        cell({ format: 'kdump snappy', origin: 're-encoded', level: 31 }),
        cell({ format: 'kdump zlib', level: 1 }),
        cell({ guest: '4-level', verdict: 'wrong', why: 'blames cron (7)' }),
        cell({ kernel: 'rt', release: '6.1.0-1-rt', complete: false, problems: ['12 pages are lost'] }),
      ],
      layouts: [{ part: 'page tables', layout: '5 levels', provenOn: [], metOn: ['6.1.0-1-amd64', '6.1.0-1-rt'] }],
    },
    [],
    NO_WAITS,
  );
  expect(at(page, 'kdump zstd', '6.1.0-1-amd64 5-level')).toBe('proven');
  expect(at(page, 'kdump snappy', '6.1.0-1-amd64 5-level')).toBe('proven, re-encoded');
  expect(at(page, 'kdump zlib', '6.1.0-1-amd64 5-level')).toBe('proven, level 1');
  expect(at(page, 'kdump LZO', '6.1.0-1-amd64 5-level')).toBe('unproven');
  expect(at(page, 'kdump zstd', '6.1.0-1-amd64 4-level')).toMatch(/^\*\*wrong\*\* \[\d\]$/);
  expect(page).toContain('blames cron (7)');
  expect(at(page, 'kdump zstd', '6.1.0-1-rt 5-level')).toMatch(/^proven \[\d\]$/);
  expect(page).toContain('marked as partial: N pages are lost');
  const other = renderSupport({ cells: [cell({})], layouts: [] }, [], NO_WAITS);
  expect(other).toContain('6.1.0-1-amd64 4-level (not built for 5');
  expect(page).toContain('5 dumps: 4 right, 1 not');
});

it('lists layouts that no real dump has proven, but not those that one was chosen on', () => {
  const source = `
    program.layouts.chose('struct mutex', 'count and owner (until 4.9)', []);
    program.layouts.chose(type, 'readers and rt_mutex inside', [],);
    program.layouts.chose('log', 'printk_ringbuffer', PROVEN);`;
  const found = syntheticLayouts([source]);
  expect(found).toEqual([
    { part: 'locks', layout: 'readers and rt_mutex inside' },
    { part: 'struct mutex', layout: 'count and owner (until 4.9)' },
  ]);
  const met = { part: 'struct mutex', layout: 'count and owner (until 4.9)', provenOn: [], metOn: ['9.9'] };
  const page = renderSupport({ cells: [], layouts: [met] }, found, NO_WAITS);
  expect(page.match(/count and owner/g)).toHaveLength(1);
  expect(page).toContain('| locks | readers and rt_mutex inside | none | none |');
});

it('counts each kernel on which a form was chosen under a right report among those that it was compared on', () => {
  const { layouts } = JSON.parse(readFileSync(join(import.meta.dirname, '../matrix.json'), 'utf8')) as Matrix;
  expect(layouts.length).toBeGreaterThan(20);
  for (const { part, layout, provenOn, metOn } of layouts) {
    const met = metOn.map((release) => `${/^\d+\.\d+/.exec(release)?.[0]}${release.includes('-rt-') ? '-rt' : ''}`);
    expect(provenOn, `${part}: ${layout}`).toEqual(expect.arrayContaining(met));
  }
});
