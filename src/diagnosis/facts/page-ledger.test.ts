import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CoreStore } from '../../../test/builders/core-store.ts';
import { contextOf } from '../../../test/builders/facts.ts';
import { MemmapImage } from '../../../test/builders/memmap.ts';
import { SAMPLE } from '../../../test/builders/sample.ts';
import { openProgram, programOf } from '../../program/open.ts';
import type { Program } from '../../program/program.ts';
import { type PageLedger, pageLedgerFact, pageSampleFact } from './page-ledger.ts';

const cores = new CoreStore(join(import.meta.dirname, '../../../test/cores'));
/** Percent of memory by which a row may differ. */
const TOLERANCE = 0.5;

function sumOf(ledger: PageLedger): number {
  return ledger.classes.reduce((sum, { pages }) => sum + pages, 0);
}

/** Rows that differ from the counters by more than they may, in words. */
function differing(ledger: PageLedger): readonly string[] {
  const limit = ((ledger.memory ?? ledger.frames) * TOLERANCE) / 100;
  return ledger.rows
    .filter(({ difference }) => difference !== undefined && Math.abs(difference) > limit)
    .map(({ label, difference }) => `${label}: ${difference}`);
}

describe('the ledger of the sample', () => {
  let program: Program;
  let ledger: PageLedger;
  beforeAll(() => {
    program = openProgram([SAMPLE]);
    ledger = contextOf(program).use(pageLedgerFact);
  });
  afterAll(() => program.close());

  it('has every frame in one class', () => {
    expect(ledger.extent).toBe('all');
    expect(ledger.frames).toBe(131072);
    expect(sumOf(ledger)).toBe(131072);
    expect(ledger.pages('unseen', 'unread')).toBe(0);
    // 512 MiB but for what the firmware keeps.
    expect(ledger.memory).toBe(130933);
    expect(ledger.pages('hole')).toBe(131072 - 130933);
  });

  it('equals the counters of the kernel, but for large kmalloc', () => {
    const rows = new Map(ledger.rows.map((row) => [row.label, row]));
    const equal = [
      ['free', 48361],
      ['free, on lists of CPUs', 403],
      ['anonymous, mapped', 13553],
      ['page cache and swap cache', 8659],
      ['page cache, mapped', 4674],
      ['tmpfs and shared memory', 8659],
      ['slab, reclaimable', 2365],
      ['kernel stacks', 648],
      ['page tables', 606],
      ['vmalloc, with stacks and modules', 1711],
      ['per-CPU data', 128],
    ] as const;
    for (const [label, pages] of equal) expect(rows.get(label)).toMatchObject({ pages, difference: 0 });
    // As many compound pages fit no class.
    expect(rows.get('slab, not reclaimable')).toMatchObject({ pages: 2042, difference: -284 });
    expect(ledger.unclassified.flags).toContainEqual({ key: 'PG_head', pages: 284 });
    expect(rows.get('in balloons')).toMatchObject({ pages: 0, difference: 0, counted: { source: 'vm_event_states' } });
  });

  it('tells slab caches, callers of vmalloc and file systems', () => {
    const slabPages = ledger.slabs.reduce((sum, { pages }) => sum + pages, 0);
    expect(slabPages).toBe(ledger.pages('slab', 'slab-reclaimable'));
    expect(ledger.slabs.map(({ name }) => name)).toContain('task_struct');
    const stacks = ledger.vmalloc.filter((row) => row.class === 'stack');
    expect(stacks.reduce((sum, { pages }) => sum + pages, 0)).toBe(648);
    const cached = ledger.fileSystems.reduce((sum, { pages }) => sum + pages, 0);
    expect(cached).toBe(8659);
    const free = ledger.free.flatMap(({ blocks }) => blocks.map((count, order) => count * 2 ** order));
    expect(free.reduce((sum, pages) => sum + pages, 0)).toBe(48361);
    // As crash's kmem -f has them.
    expect(ledger.freeByType).toEqual([
      { key: 'Movable', pages: 43744 },
      { key: 'Unmovable', pages: 3955 },
      { key: 'Reclaimable', pages: 662 },
    ]);
  });

  it('describes what fits no class', () => {
    const { unclassified } = ledger;
    expect(unclassified.pages).toBe(ledger.pages('unclassified'));
    expect(unclassified.blocks.reduce((sum, { pages }) => sum + pages, 0)).toBe(unclassified.pages);
    // Below 2 % of memory.
    expect(unclassified.pages / (ledger.memory ?? 0)).toBeLessThan(0.02);
    expect(unclassified.contents.read + unclassified.contents.missing).toBeGreaterThan(100);
  });

  it('is the same for the report, as the machine is small', () => {
    const sample = contextOf(program).use(pageSampleFact);
    expect(sample.extent).toBe('all');
    expect(sample.classes).toEqual(ledger.classes);
  });
});

describe.each(cores.names())('the ledger of %s', (name) => {
  const program = programOf(cores.open(name));
  const ledger = contextOf(program).use(pageLedgerFact);

  it('has every frame in one class', () => {
    expect(sumOf(ledger)).toBe(ledger.frames);
    expect(ledger.pages('unseen', 'unread')).toBe(0);
  });

  it('agrees with the counters', () => {
    // The cores of 6.12 and 7.2 do not have the vmalloc areas, and say so.
    const broken = ledger.problems.some((problem) => problem.startsWith('vmalloc areas: cannot read'));
    expect(broken).toBe(/6\.12$|sid$/.test(name));
    expect(differing(ledger)).toEqual([]);
  });
});

it('a leak of kmalloc is in the slab caches', () => {
  const ledger = contextOf(programOf(cores.open('06-kmalloc-leak-module-6.1'))).use(pageLedgerFact);
  const [largest] = ledger.slabs;
  expect(largest?.name).toMatch(/^kmalloc-/);
  expect((largest?.pages ?? 0) / ledger.pages('slab')).toBeGreaterThan(0.9);
});

it('pages that a module keeps are unclassified, and described', () => {
  const ledger = contextOf(programOf(cores.open('02-mutex-holder-in-reclaim-6.1'))).use(pageLedgerFact);
  const { unclassified } = ledger;
  // A swap device in memory: single pages.
  expect(unclassified.blocks[0]).toMatchObject({ order: 0 });
  expect(unclassified.blocks[0]?.pages ?? 0).toBeGreaterThan(4000);
  expect(unclassified.neighbours[0]?.key).toBe('unclassified');
});

it('is told to be incomplete where page structures are missing', () => {
  const memory = new MemmapImage('6.12', { frames: 512 });
  memory.image.states.set(Number(memory.address(64) >> 12n), 'lost');
  memory.countFree(0);
  const context = contextOf(memory.open());
  const ledger = context.use(pageLedgerFact);
  expect(ledger.pages('unread')).toBe(64);
  const coverage = context.coverage.find(({ what }) => what === 'page structures');
  expect(coverage).toEqual({
    what: 'page structures',
    read: 448,
    total: 512,
    missing: [
      '64 page structures are not in the dump',
      'the tasks cannot be read, whose stacks and page tables are told by them',
    ],
  });
});
