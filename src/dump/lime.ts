/**
 * LiME memory images, https://github.com/504ensicsLabs/LiME, doc: a range of physical memory after another, each behind
 * `lime_mem_range_header`: u32 magic 0x4c694d45 ('EMiL'), u32 version 1, u64 first and u64 last address, 8 bytes reserved.
 * AVML writes the same without compression. Its form `padded` is raw memory (raw.ts); its form `raw`, which leaves out
 * every gap and does not say where, is not put together.
 */
import { ByteView } from '../base/bytes.ts';
import { FormatError } from '../base/errors.ts';
import type { ByteSource } from './byte-source.ts';
import type { DumpFile } from './dump-file.ts';
import { MemoryImage } from './memory-image.ts';

export const LIME_SIGNATURE = 'EMiL';

const HEADER_SIZE = 32;
const VERSION = 1;
const MAX_PHYS = 2 ** 52;
/** Machines have some ten; one that lost much memory to errors some hundred. */
const MAX_RANGES = 1 << 16;

/** @throws FormatError when the first header makes no sense */
export function openLime(source: ByteSource): DumpFile {
  const start: number[] = [];
  const size: number[] = [];
  const offset: number[] = [];
  const problems: string[] = [];
  for (let at = 0; at < source.size; ) {
    const problem = start.length >= MAX_RANGES ? 'there are too many' : addRange(source, at, { start, size, offset });
    if (problem !== undefined) {
      if (start.length === 0) throw new FormatError('LiME', problem, at);
      problems.push(`LiME header ${start.length + 1}: ${problem} (at offset ${at}); nothing behind it is read`);
      break;
    }
    at += HEADER_SIZE + (size.at(-1) ?? 0);
  }
  const description = `LiME memory image, ${start.length} ranges`;
  const ranges = { start: Float64Array.from(start), size: Float64Array.from(size), offset: Float64Array.from(offset) };
  return new MemoryImage(source, { format: 'lime', description }, ranges, problems);
}

/** @returns what is wrong with the header, if anything is */
function addRange(
  source: ByteSource,
  at: number,
  ranges: { readonly start: number[]; readonly size: number[]; readonly offset: number[] },
): string | undefined {
  if (at + HEADER_SIZE > source.size) return 'the file ends inside it';
  const header = new ByteView(Uint8Array.from(source.peek(at, HEADER_SIZE)), 'LiME header');
  if (header.cstring(0, 4) !== LIME_SIGNATURE) return 'it does not begin with EMiL';
  if (header.u32(4) !== VERSION) return `version ${header.u32(4)} is not known`;
  // Above 2^53 not exact, and refused.
  const first = Number(header.u64(8));
  const last = Number(header.u64(16));
  if (last < first || last >= MAX_PHYS) return `a range from ${first} to ${last}`;
  ranges.start.push(first);
  ranges.size.push(last - first + 1);
  ranges.offset.push(at + HEADER_SIZE);
  return undefined;
}
