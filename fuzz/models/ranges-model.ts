/**
 * Memory that is ranges of addresses and nothing else, read the slow way, for comparison: of ranges that overlap the one
 * that starts first counts, the longer one of two that start alike. A page is there when one range has all of it.
 */
import type { Model } from '../targets/dump.ts';

export interface ModelRange {
  readonly start: number;
  readonly end: number;
  readonly offset: number;
}

const PAGE = 4096;

/** LiME's headers one after the other, up to the first that makes no sense. */
export function limeRanges(file: Uint8Array): readonly ModelRange[] {
  const bytes = Buffer.from(file);
  const ranges: ModelRange[] = [];
  for (let at = 0; at + 32 <= bytes.length; ) {
    const [first, last] = [bytes.readBigUInt64LE(at + 8), bytes.readBigUInt64LE(at + 16)];
    if (bytes.toString('latin1', at, at + 4) !== 'EMiL' || bytes.readUInt32LE(at + 4) !== 1) break;
    if (last < first || last >= 2n ** 52n) break;
    ranges.push({ start: Number(first), end: Number(last) + 1, offset: at + 32 });
    at += 32 + Number(last - first) + 1;
  }
  return ranges;
}

export function rangesModel(file: Uint8Array, ranges: readonly ModelRange[]): Model {
  const there = ranges.map(({ start, end, offset }) => {
    return { start, end: start + Math.min(end - start, Math.max(0, file.length - offset)), offset };
  });
  const missing = ranges.map(({ end }, i) => ({ start: there[i]?.end ?? 0, end }));
  const data = there.filter(({ start, end }) => end > start).sort((a, b) => a.start - b.start || b.end - a.end);
  return (frame) => {
    const at = frame * PAGE;
    if (!(at >= 0)) return { status: 'absent' };
    const owner = data.find(({ start, end }) => at >= start && at < end);
    if (owner !== undefined && owner.end >= at + PAGE) {
      const from = owner.offset + (at - owner.start);
      return { status: 'data', bytes: file.subarray(from, from + PAGE) };
    }
    const lost = missing.some(({ start, end }) => at + PAGE - 1 >= start && at + PAGE - 1 < end);
    return { status: lost ? 'lost' : 'absent' };
  };
}
