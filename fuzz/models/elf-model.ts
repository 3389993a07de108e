/**
 * ELF vmcores read the slow way, for comparison: every question goes through all program headers (elf(5)), nothing is
 * remembered. The rules are those of src/dump/elf.ts's header: of ranges that overlap, the one that starts first counts.
 */
import type { Model } from '../targets/dump.ts';

interface Range {
  readonly start: number;
  readonly end: number;
  readonly offset: number;
}

/** Of a file that was accepted as a dump. */
export function elfModel(file: Uint8Array, pageSize: number): Model {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const u64 = (at: number): number => Number(view.getBigUint64(at, true));
  let count = view.getUint16(56, true);
  if (count === 0xffff && u64(40) !== 0) count = view.getUint32(u64(40) + 44, true);
  const data: Range[] = [];
  const missing: Range[] = [];
  const tail: Range[] = [];
  for (let i = 0; i < count; i++) {
    const at = u64(32) + i * 56;
    if (view.getUint32(at, true) !== 1) continue;
    const [offset, start, stored, size] = [u64(at + 8), u64(at + 24), u64(at + 32), u64(at + 40)];
    if (start + size > 2 ** 52 || stored > size || offset + stored > Number.MAX_SAFE_INTEGER) continue;
    const present = Math.max(0, Math.min(stored, file.length - offset));
    if (present > 0) data.push({ start, end: start + present, offset });
    if (stored > present) missing.push({ start: start + present, end: start + stored, offset: 0 });
    if (size > stored) tail.push({ start: start + stored, end: start + size, offset: 0 });
  }
  data.sort((a, b) => a.start - b.start || b.end - a.end);
  const holds = (ranges: readonly Range[], at: number) => ranges.find(({ start, end }) => at >= start && at < end);
  const incomplete = (view.getUint32(48, true) & 1) !== 0;
  return (frame) => {
    const start = frame * pageSize;
    const end = start + pageSize;
    if (!(start >= 0)) return { status: 'absent' };
    const bytes = new Uint8Array(pageSize);
    for (let at = start; at < end; ) {
      const range = holds(data, at);
      if (range === undefined) {
        if (holds(missing, at) !== undefined) return { status: 'lost' };
        return { status: holds(tail, at) !== undefined ? 'excluded-or-zero' : incomplete ? 'lost' : 'absent' };
      }
      const upTo = Math.min(end, range.end);
      const from = range.offset + (at - range.start);
      bytes.set(file.subarray(from, from + (upTo - at)), at - start);
      at = upTo;
    }
    return { status: 'data', bytes };
  };
}
