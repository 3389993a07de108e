/**
 * Real dumps of which page structures, or page tables, are missing: what is told says how many, counts nothing that it does
 * not see, and the answer of the report becomes weaker and never another one.
 */
import { describe, expect, it } from 'vitest';
import { unlimited } from '../../src/base/budget.ts';
import { diagnose } from '../../src/diagnosis/engine.ts';
import { type PageLedger, pageLedgerFact } from '../../src/diagnosis/facts/page-ledger.ts';
import { residentFact } from '../../src/diagnosis/facts/resident.ts';
import type { DumpFile } from '../../src/dump/dump-file.ts';
import { rssOf } from '../../src/kernel/mm.ts';
import type { Confidence, Finding } from '../../src/model/finding.ts';
import type { Report } from '../../src/model/report.ts';
import { programOf } from '../../src/program/open.ts';
import { CoreStore } from '../builders/core-store.ts';
import { withoutPages } from '../builders/dropped-pages.ts';
import { contextOf } from '../builders/facts.ts';

const store = new CoreStore(import.meta.dirname);
/** Page structures of 64 bytes in a page. */
const IN_A_PAGE = 64;
const WEAKER: readonly Confidence[] = ['certain', 'probable', 'possible'];

function reportOn(dump: DumpFile): Report {
  const steps = diagnose(programOf(dump), unlimited);
  for (;;) {
    const next = steps.next();
    if (next.done === true) return next.value;
  }
}

const ledgerOn = (dump: DumpFile): PageLedger => contextOf(programOf(dump)).use(pageLedgerFact);

/** What is said to be wrong. */
const claimOf = ({ findings }: Report): Finding | undefined =>
  findings.find(({ role }) => role === 'cause' || role === 'symptom');

/** Frames that hold page structures, those of frames that are memory in the lower 512 MiB. */
function memmapOf(ledger: PageLedger): readonly number[] {
  return Array.from({ length: 1 << 17 }, (_, frame) => frame).filter((frame) => ledger.classOf(frame) === 'memmap');
}

describe.each(['12-page-leak-6.1', '18-balloon-6.1', '05-deleted-tmpfs-6.1', 'cached-files-6.1'])('%s', (name) => {
  const sound = ledgerOn(store.open(name));
  const claim = claimOf(reportOn(store.open(name)));
  const memmap = memmapOf(sound);

  it('has its page structures', () => {
    expect(memmap.length).toBe(sound.pages('memmap'));
    expect(sound.pages('unread')).toBe(0);
  });

  // Two thirds, a fifth, one in fifty.
  it.each([1.5, 5, 50])('has each other frame as it was when one of %d pages of them is missing', (every) => {
    const missing = new Set(memmap.filter((_, i) => Math.floor(i / every) !== Math.floor((i - 1) / every)));
    const ledger = ledgerOn(withoutPages(store.open(name), missing));
    expect(ledger.frames).toBe(sound.frames);
    expect(ledger.problems.join(', ')).not.toContain('claimed as');
    expect(ledger.classes.reduce((sum, { pages }) => sum + pages, 0)).toBe(sound.frames);
    // What stands in a page that is there may be told by one that is not, and the other way round.
    const changed = Array.from({ length: sound.frames }, (_, frame) => frame).filter(
      (frame) => ledger.classOf(frame) !== sound.classOf(frame),
    );
    const wrong = changed.filter((frame) => ledger.classOf(frame) !== 'unread');
    expect(wrong.length).toBeLessThan(sound.frames / 10_000);
    expect(changed.length - wrong.length).toBe(ledger.pages('unread'));
    const own = missing.size * IN_A_PAGE;
    expect([ledger.pages('unread') > own * 0.85, ledger.pages('unread') < own * 1.6]).toEqual([true, true]);
  });

  it.each(['excluded', 'lost'] as const)('gives no other answer when page structures are %s', (status) => {
    for (const every of [1.5, 5, 50]) {
      const missing = new Set(memmap.filter((_, i) => Math.floor(i / every) !== Math.floor((i - 1) / every)));
      const found = claimOf(reportOn(withoutPages(store.open(name), missing, status)));
      expect([claim?.cause, undefined]).toContain(found?.cause);
      const confidence = found === undefined ? WEAKER.length : WEAKER.indexOf(found.confidence);
      expect(confidence).toBeGreaterThanOrEqual(claim === undefined ? 0 : WEAKER.indexOf(claim.confidence));
    }
  });
});

it('a leak of pages is at least what is seen of it', () => {
  const dump = store.open('12-page-leak-6.1');
  const whole = ledgerOn(dump);
  const memmap = memmapOf(whole);
  const missing = new Set(memmap.filter((_, i) => i % 4 === 0));
  const found = claimOf(reportOn(withoutPages(dump, missing)));
  expect(found).toMatchObject({ cause: 'page-leak', confidence: 'possible' });
  const pages = Number(found?.details['pages']);
  expect(pages).toBeLessThan(whole.pages('unclassified'));
  expect(pages).toBeGreaterThan(whole.pages('unclassified') / 2);
});

describe('page tables of programs', () => {
  const name = 'cached-files-6.1';
  const open = (dump: DumpFile) => {
    const program = programOf(dump);
    const context = contextOf(program);
    return { program, context, resident: context.use(residentFact) };
  };
  const sound = open(store.open(name));
  const ledger = sound.context.use(pageLedgerFact);
  const tables = Array.from({ length: ledger.frames }, (_, frame) => frame).filter((frame) =>
    ['table', 'upper-table'].includes(ledger.classOf(frame) ?? ''),
  );

  it('have each page that the kernel counts for a program', () => {
    const { program, resident } = sound;
    expect([resident.processes.length, resident.unread]).toEqual([15, 0]);
    const counted = resident.processes.map(({ mm, users }) => {
      const tasks = users.map(({ address }) => address);
      return rssOf(program, mm, tasks).total * program.pageSize;
    });
    expect(resident.processes.map(({ rss }) => rss)).toEqual(counted);
    expect(resident.processes.every(({ lostTables }) => lostTables === 0)).toBe(true);
  });

  it.each(['excluded', 'lost'] as const)('that are %s are told, and nobody has more for it', (status) => {
    const missing = new Set(tables.filter((_, i) => i % 6 === 1));
    const { context, resident } = open(withoutPages(store.open(name), missing, status));
    const lost = resident.processes.reduce((sum, { lostTables }) => sum + lostTables, 0);
    expect(lost + resident.unread).toBeGreaterThan(10);
    const before = new Map(sound.resident.processes.map(({ mm, rss }) => [mm, rss]));
    for (const { mm, rss, uss, pss } of resident.processes) {
      expect(rss).toBeLessThanOrEqual(before.get(mm) ?? 0);
      expect(pss).toBeLessThanOrEqual(rss);
      expect(uss).toBeLessThanOrEqual(rss);
    }
    expect(resident.unique).toBeLessThan(sound.resident.unique);
    const coverage = context.coverage.find(({ what }) => what === 'page tables of programs');
    expect(coverage?.missing.length).toBeGreaterThan(0);
    expect(coverage?.read).toBe(resident.processes.filter(({ lostTables }) => lostTables === 0).length);
    expect(claimOf(reportOn(withoutPages(store.open(name), missing, status)))).toBeUndefined();
  });
});
