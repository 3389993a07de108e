import { describe, expect, it } from 'vitest';
import { type LedgerOfDump, ledgerPage, outsideOf } from './ledger-page.ts';

const LEDGER: LedgerOfDump = {
  incident: '10-sysrq-healthy',
  kernel: '6.1',
  variant: 1,
  file: 'zstd.vmcore',
  level: 31,
  isHealthy: true,
  frames: 1000,
  inClasses: 1000,
  unread: 0,
  memory: 1000,
  unclassified: 20,
  rows: [
    { label: 'free', difference: 0, note: undefined, problem: undefined },
    { label: 'page tables', difference: -5, note: undefined, problem: undefined },
    { label: 'zsmalloc', difference: undefined, note: undefined, problem: 'this kernel has none' },
  ],
  sizes: [
    { what: 'pages', told: 100, found: 105, exact: false },
    { what: 'huge pages', told: 100, found: 100, exact: true },
  ],
};

describe('what is asked of a ledger', () => {
  it('is kept by one that is just within', () => {
    expect(outsideOf(LEDGER)).toEqual([]);
    expect(ledgerPage([LEDGER])).toContain('Outside of what is asked: none.');
  });

  it.each<[Partial<LedgerOfDump>, string]>([
    [{ inClasses: 999 }, '999 of 1000 frames are in a class'],
    [{ unread: 3 }, '3 page structures are not in the dump'],
    [
      { rows: [{ label: 'free', difference: 6, note: undefined, problem: undefined }] },
      'free: 6 pages, 0.60 % of memory',
    ],
    [{ unclassified: 21 }, '2.10 % are unclassified'],
    [{ sizes: [{ what: 'pages', told: 100, found: 94, exact: false }] }, 'pages: 94, the guest told 100'],
    [{ sizes: [{ what: 'pages', told: 100, found: 101, exact: true }] }, 'pages: 101, the guest told 100'],
  ])('is not by %o', (change, line) => {
    const ledger = { ...LEDGER, ...change };
    expect(outsideOf(ledger)).toEqual([line]);
    expect(ledgerPage([ledger])).toContain(`* 10-sysrq-healthy, 6.1, variant 1, zstd.vmcore: ${line}`);
  });

  it('lets a guest with something wrong have pages that fit no class', () => {
    expect(outsideOf({ ...LEDGER, isHealthy: false, unclassified: 400 })).toEqual([]);
  });
});
