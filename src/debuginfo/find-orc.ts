/**
 * Where the kernel's ORC tables lie when the symbols that say so are lost: `.orc_unwind_ip` is a long row of places, each
 * relative to itself, that rise from the beginning of the kernel's text; `.orc_unwind` follows it and `.orc_header` (since
 * 6.4) stands before it (ORC_UNWIND_TABLE in include/asm-generic/vmlinux.lds.h).
 */
import { add, distance, pageOffset, sub, type VirtAddr } from '../base/address.ts';
import type { MemoryReader, VirtRange } from '../base/memory.ts';
import { tryRead } from './memory-scan.ts';

/** Bytes of a hash. */
const HEADER = 20;
const PAGE = 4096;
/** The first place is that of the first function. */
const FIRST = 4096;
/** Entries: distribution kernels have half a million. */
const LEAST = 10_000;
const MOST = 1 << 24;
/** Places that have to rise behind a damaged page. */
const AHEAD = 64;
/** Bytes of code between two of them: initialization lies a few megabytes behind the rest. */
const MAX_STEP = 1 << 26;
const MAX_SCAN = 256 * 1024 * 1024;

export interface FoundOrc {
  /** Where the header would be. */
  readonly header: VirtAddr;
  readonly ip: VirtAddr;
  readonly entries: VirtAddr;
  readonly count: number;
}

/** @param text - the beginning of the kernel's text, `_stext` */
export function findOrc(memory: MemoryReader, ranges: readonly VirtRange[], text: VirtAddr): FoundOrc | undefined {
  let budget = MAX_SCAN;
  // Since 7.0 the addresses of kallsyms are such a table as well, of fewer entries.
  let best: FoundOrc | undefined;
  for (const { start, end } of ranges) {
    for (let at = start; at < end && budget > 0; at = add(at, PAGE)) {
      budget -= PAGE;
      const bytes = tryRead(memory, at, Math.min(PAGE, distance(end, at)));
      if (bytes === undefined) continue;
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      // Where the text lies, seen from the beginning of these bytes.
      const wanted = distance(text, at);
      for (let i = 0; i + 4 <= bytes.length; i += 4) {
        const place = i + view.getInt32(i, true) - wanted;
        if (place < 0 || place >= FIRST) continue;
        const ip = add(at, i);
        // A row that begins in the middle of one that is known.
        if (best !== undefined && ip > best.ip && ip < best.entries) continue;
        const count = rising(memory, ip, text);
        if (count >= LEAST && count > (best?.count ?? 0))
          best = { header: sub(ip, HEADER), ip, entries: add(ip, count * 4), count };
      }
    }
  }
  return best;
}

/** How many places rise, from `text` on; a page that is missing or damaged counts when they go on behind it. */
function rising(memory: MemoryReader, ip: VirtAddr, text: VirtAddr): number {
  let count = 0;
  let last = distance(text, ip);
  while (count < MOST) {
    const from = add(ip, count * 4);
    const size = PAGE - pageOffset(from, PAGE);
    const { rises, place } = riseOf(memory, from, size, count * 4, last);
    if (rises * 4 < size) {
      // They rise beyond the table, where the text of initialization lies: only a fall is the end.
      const next = riseOf(memory, add(from, size), AHEAD * 4, count * 4 + size, place);
      if (count === 0 || next.rises < AHEAD || next.place - place > MAX_STEP) return count + rises;
    }
    count += size / 4;
    last = place;
  }
  return count;
}

/** How many places from `from` on rise above `last`, and the last of them. */
function riseOf(
  memory: MemoryReader,
  from: VirtAddr,
  size: number,
  offset: number,
  last: number,
): { readonly rises: number; readonly place: number } {
  const bytes = tryRead(memory, from, size);
  if (bytes === undefined) return { rises: 0, place: last };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let before = last;
  for (let i = 0; i + 4 <= size; i += 4) {
    const place = offset + i + view.getInt32(i, true);
    if (place < before || (i > 0 && place - before > MAX_STEP)) return { rises: i / 4, place: before };
    before = place;
  }
  return { rises: size / 4, place: before };
}
