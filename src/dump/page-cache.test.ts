import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pfn } from '../base/address.ts';
import { attempt, FaultError } from '../base/errors.ts';
import type { DumpFile, PageStatus } from './dump-file.ts';
import { PageCache } from './page-cache.ts';
import { SlotCache } from './slot-cache.ts';

/** A dump whose page N holds the number N, but for every tenth, and which counts how often it is read. */
function numbered(reads: Map<number, number>): DumpFile {
  const special: readonly PageStatus[] = ['zero', 'excluded', 'lost', 'absent', 'excluded-or-zero'];
  const status = (frame: number): PageStatus =>
    frame % 10 === 9 ? (special[Math.floor(frame / 10) % 5] ?? 'lost') : 'data';
  return {
    description: 'numbered',
    format: 'elf',
    machine: 'x86_64',
    pageSize: 4096,
    vmcoreinfo: undefined,
    notes: [],
    physBase: undefined,
    pageOffset: undefined,
    dumpLevel: undefined,
    maxPfn: 1e9,
    fileSize: 0,
    counts: { inFile: 0, excluded: undefined, lost: 0 },
    problems: [],
    // As a format does: reading decides between data and zero.
    status: (frame) => (status(frame) === 'zero' ? 'data' : status(frame)),
    readPage(frame, into) {
      reads.set(frame, (reads.get(frame) ?? 0) + 1);
      const state = status(frame);
      into.fill(state === 'data' ? 1 : 0xee);
      if (state === 'zero') into.fill(0);
      new DataView(into.buffer, into.byteOffset).setUint32(0, state === 'zero' ? 0 : frame, true);
      return state;
    },
    nextInFile: (from) => from,
    close() {},
  };
}

describe('PageCache', () => {
  it('tells which frames are asked for: all of them, and no other', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(60), { maxLength: 80 }), (frames) => {
        const told = new Set<number>();
        const cache = new PageCache(numbered(new Map()), 16 * 4096, (frame) => told.add(frame));
        for (const frame of frames) cache.tryPage(pfn(frame));
        expect(told).toEqual(new Set(frames));
      }),
    );
  });

  it('counts an eviction whenever a page that was handed out is no longer held', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(60), { maxLength: 200 }), (frames) => {
        const cache = new PageCache(numbered(new Map()), 16 * 4096);
        const handedOut = new Map<Uint8Array, number>();
        let seen = 0;
        for (const frame of frames) {
          const page = cache.tryPage(pfn(frame));
          if (cache.evictions !== seen) handedOut.clear();
          seen = cache.evictions;
          if (page !== undefined && frame % 10 !== 9) handedOut.set(page, frame);
          for (const [bytes, number] of handedOut) expect(Buffer.from(bytes).readUInt32LE(0)).toBe(number);
        }
        expect(new Set(frames).size > 16 || cache.evictions === 0).toBe(true);
      }),
    );
  });

  it('gives the right page under any order of calls, and never holds more than its limit', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(200), { maxLength: 400 }), (frames) => {
        const cache = new PageCache(numbered(new Map()), 20 * 4096);
        for (const frame of frames) {
          const page = cache.tryPage(pfn(frame));
          const state = frame % 10 === 9 ? Math.floor(frame / 10) % 5 : -1;
          const expected = state > 0 ? undefined : state === 0 ? 0 : frame;
          expect(page === undefined ? undefined : Buffer.from(page).readUInt32LE(0)).toBe(expected);
          expect(attempt(() => cache.view(pfn(frame)).getUint32(0, true))).toBe(expected);
          expect(page?.length ?? 4096).toBe(4096);
          expect(cache.stats.bytes).toBeLessThanOrEqual(20 * 4096);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('throws FaultError with the physical address and the reason', () => {
    const cache = new PageCache(numbered(new Map()));
    for (const reason of ['excluded', 'lost', 'absent', 'excluded-or-zero'] as const) {
      const frame = [19, 29, 39, 49][['excluded', 'lost', 'absent', 'excluded-or-zero'].indexOf(reason)] ?? 0;
      for (let twice = 0; twice < 2; twice++) {
        expect(() => cache.page(pfn(frame))).toThrow(new FaultError('physical', BigInt(frame) * 4096n, reason));
      }
      expect(cache.status(pfn(frame))).toBe(reason);
    }
    expect(() => cache.view(pfn(29))).toThrow(FaultError);
  });

  it('reads no page twice while it holds it, nor one that cannot be read', () => {
    const reads = new Map<number, number>();
    const cache = new PageCache(numbered(reads));
    for (let round = 0; round < 3; round++) for (let frame = 0; frame < 100; frame++) cache.tryPage(pfn(frame));
    expect([...reads.values()].every((count) => count === 1)).toBe(true);
    expect(reads.size).toBe(100);
    expect(cache.stats).toEqual({ hits: 200, misses: 100, bytes: 2 ** 20 });
  });

  it('knows a zero page after reading it', () => {
    const cache = new PageCache(numbered(new Map()));
    expect(cache.status(pfn(9))).toBe('data');
    expect(cache.page(pfn(9)).every((byte) => byte === 0)).toBe(true);
    expect(cache.status(pfn(9))).toBe('zero');
    expect(cache.view(pfn(9)).getBigUint64(4088, true)).toBe(0n);
  });

  it('is not emptied by walking over memory that is not there', () => {
    const reads = new Map<number, number>();
    const cache = new PageCache(numbered(reads), 32 * 4096);
    const held = Array.from({ length: 32 }, (_, i) => i * 10);
    for (const frame of held) cache.page(pfn(frame));
    for (let frame = 19; frame < 500_000; frame += 50) cache.tryPage(pfn(frame));
    reads.clear();
    for (const frame of held) cache.page(pfn(frame));
    expect(reads.size).toBeLessThanOrEqual(2);
  });

  it('does not remember a last page whose memory it has used for a page that is not there', () => {
    const cache = new PageCache(numbered(new Map()), 16 * 4096);
    const all = Array.from({ length: 16 }, (_, i) => i * 10);
    // The second round protects all; 160 then takes the first slot, and 170 the second, all others protected.
    for (const frame of [...all, ...all, 160, ...all.slice(2), 160, 170]) cache.page(pfn(frame));
    // Is tried in the only slot left unprotected: that of 170, the last page.
    expect(cache.tryPage(pfn(19))).toBeUndefined();
    expect(cache.view(pfn(170)).getUint32(0, true)).toBe(170);
  });

  it('does not take the senseless frame for the last page', () => {
    const cache = new PageCache(numbered(new Map()));
    expect(() => cache.page(pfn(-1))).not.toThrow(TypeError);
    expect(cache.tryPage(pfn(Number.NaN))?.length).toBe(4096);
  });

  it('stays within its limit over a hundred thousand pages', () => {
    const cache = new PageCache(numbered(new Map()), 3 * 2 ** 20);
    for (let frame = 0; frame < 100_000; frame++) cache.tryPage(pfn(frame));
    expect(cache.stats.bytes).toBe(3 * 2 ** 20);
  });
});

describe('SlotCache', () => {
  it('behaves as a set of at most `capacity` keys, each with a slot of its own', () => {
    // 'fail' and 'abandon': the slot could not be filled; whoever was filling it was ended in the middle.
    const step = fc.tuple(fc.constantFrom('use', 'fail', 'abandon'), fc.nat(30));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.array(step, { maxLength: 200 }), (capacity, steps) => {
        const cache = new SlotCache(capacity);
        const held = new Map<number, number>();
        for (const [what, key] of steps) {
          expect(cache.find(key)).toBe(held.get(key) ?? -1);
          // What a slot is found by before it is filled.
          let early = -1;
          if (!held.has(key)) {
            const slot = cache.take();
            // Whoever had the slot lost it.
            for (const [other, theirs] of held) if (theirs === slot) held.delete(other);
            early = cache.find(key);
            if (what === 'fail') cache.giveBack(slot);
            if (what === 'use') {
              cache.keep(key, slot);
              held.set(key, slot);
            }
          }
          expect(early).toBe(-1);
          for (let other = 0; other <= 30; other++) expect(cache.find(other)).toBe(held.get(other) ?? -1);
          expect([...held.values()].every((slot) => slot >= 0 && slot < capacity)).toBe(true);
        }
      }),
    );
  });

  it('keeps what is used again and again', () => {
    const cache = new SlotCache(4);
    cache.keep(1, cache.take());
    for (let key = 100; key < 200; key++) {
      expect(cache.find(1)).toBeGreaterThanOrEqual(0);
      cache.keep(key, cache.take());
    }
    expect(cache.find(1)).toBeGreaterThanOrEqual(0);
  });
});
