/**
 * Raw physical memory: a file without any header, in which byte n is byte n of memory. QEMU's `pmemsave`, LiME's form
 * `padded`, and the memory files of virtual machines, which may leave out the gap below 4 GiB: nothing in the file says
 * so. Nothing says either that it is memory at all; whoever looks for the kernel finds out.
 */
import type { ByteSource } from './byte-source.ts';
import type { DumpFile } from './dump-file.ts';
import { type ImageRanges, MemoryImage } from './memory-image.ts';

/** A kernel and what it needs take more. */
const MIN_SIZE = 8 * 2 ** 20;

/** False for files that cannot be the memory of a machine. */
export function mayBeRaw(source: ByteSource): boolean {
  return source.size >= MIN_SIZE && source.size % 4096 === 0;
}

export function openRaw(source: ByteSource): DumpFile {
  return imageOf(source, [0], [source.size], [0], 'raw memory');
}

function imageOf(
  source: ByteSource,
  start: readonly number[],
  size: readonly number[],
  offset: readonly number[],
  description: string,
): DumpFile {
  const ranges = { start: Float64Array.from(start), size: Float64Array.from(size), offset: Float64Array.from(offset) };
  return new RawImage(source, ranges, description);
}

class RawImage extends MemoryImage {
  readonly #source: ByteSource;

  constructor(source: ByteSource, ranges: ImageRanges, description: string) {
    super(source, { format: 'raw', description }, ranges);
    this.#source = source;
  }

  withHole(low: number, end: number): DumpFile {
    const above = Math.max(0, this.#source.size - low);
    return imageOf(
      this.#source,
      [0, end],
      [Math.min(low, this.#source.size), above],
      [0, low],
      'raw memory, in 2 parts',
    );
  }
}
