/**
 * Dumps of a terabyte machine, as sparse files: they must open at once, need the memory of a small one, and give the
 * right pages from both ends, at file offsets far beyond 32 bits.
 */
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { elfFile, filledPage, vmcoreinfoSpec } from '../../test/builders/elf-file.ts';
import { kdumpLayout } from '../../test/builders/kdump-file.ts';
import { pfn } from '../base/address.ts';
import { isAllZero } from '../base/bytes.ts';
import { openDump } from './open.ts';
import { PageCache } from './page-cache.ts';

const TERABYTE = 2 ** 40;
const FRAMES = TERABYTE / 4096;
const MIB = 2 ** 20;
/** The file's block cache, the index, one chunk of pages, and a buffer for passes. */
const ALLOWED = 8 * MIB;

const folder = mkdtempSync(join(tmpdir(), 'kwhy-sparse-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A sparse file: zero stretches of `head` are not written, `parts` are put at their offsets. */
function sparse(
  name: string,
  size: number,
  head: Uint8Array,
  parts: readonly (readonly [number, Uint8Array])[],
): string {
  const path = join(folder, name);
  const fd = openSync(path, 'w');
  for (let at = 0; at < head.length; at += 4096) {
    const part = head.subarray(at, at + 4096);
    if (!isAllZero(part)) writeSync(fd, part, 0, part.length, at);
  }
  for (const [at, bytes] of parts) writeSync(fd, bytes, 0, bytes.length, at);
  ftruncateSync(fd, size);
  closeSync(fd);
  return path;
}

it('kdump of 1 TB: pages at both ends, bounded memory', () => {
  const last = FRAMES - 1;
  const farData = 2 * TERABYTE - 4096;
  const layout = kdumpLayout({
    maxPfn: FRAMES,
    pages: new Map([
      [0, filledPage(1)],
      [1, filledPage(2)],
      [FRAMES / 2, filledPage(3)],
      [last, filledPage(4)],
    ]),
    excluded: [2, last - 1],
    compression: 'zlib',
    descriptor: (frame, made) => (frame === last ? { offset: farData, size: 4096, flags: 0 } : made),
  });
  const path = sparse('kdump', 2 * TERABYTE, layout.bytes, [[farData, filledPage(4)]]);
  const before = process.memoryUsage().arrayBuffers;
  const dump = openDump(path);
  const cache = new PageCache(dump);
  expect([0, 1, FRAMES / 2, last].map((frame) => cache.page(pfn(frame))[4095])).toEqual([1, 2, 3, 4]);
  expect([2, 3, last - 1, last - 2, FRAMES].map((frame) => cache.status(pfn(frame)))).toEqual([
    'excluded',
    'absent',
    'excluded',
    'absent',
    'absent',
  ]);
  const found: number[] = [];
  for (let p = dump.nextInFile(pfn(0)); p !== undefined; p = dump.nextInFile(pfn(p + 1))) found.push(p);
  expect(found).toEqual([0, 1, FRAMES / 2, last]);
  expect(dump.counts).toEqual({ inFile: 4, excluded: 2, lost: 0 });
  expect(dump.problems).toEqual([]);
  // Anywhere in the index, a thousand places over the whole terabyte.
  for (let i = 1; i < 1000; i++) cache.tryPage(pfn(i * 268_435 + 5));
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(ALLOWED);
  expect(cache.stats.bytes).toBeLessThanOrEqual(MIB);
  // Held until here, so that its being freed cannot hide growth.
  expect(layout.bytes.length).toBeGreaterThan(60 * MIB);
  dump.close();
});

it('ELF with 1 TB of memory in one segment: pages at both ends, bounded memory', () => {
  const head = elfFile({
    notes: [vmcoreinfoSpec('OSRELEASE=6.1.0\n')],
    segments: [{ paddr: 0x1000, vaddr: 0xffff888000001000n, filesz: TERABYTE, memsz: TERABYTE + 8192 }],
  });
  const path = sparse('elf', head.length + TERABYTE, head, [
    [head.length, filledPage(1)],
    [head.length + TERABYTE - 4096, filledPage(2)],
  ]);
  const before = process.memoryUsage().arrayBuffers;
  const dump = openDump(path);
  const cache = new PageCache(dump);
  expect([cache.page(pfn(1))[0], cache.page(pfn(FRAMES))[4095], cache.page(pfn(2))[7]]).toEqual([1, 2, 0]);
  expect([0, FRAMES + 1, FRAMES + 2, FRAMES + 3].map((frame) => cache.status(pfn(frame)))).toEqual([
    'absent',
    'excluded-or-zero',
    'excluded-or-zero',
    'absent',
  ]);
  expect([dump.counts.inFile, dump.maxPfn, dump.problems]).toEqual([FRAMES, FRAMES + 3, []]);
  for (let i = 1; i < 5000; i++) cache.page(pfn(i * 53_687));
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(ALLOWED);
  dump.close();
});
