/**
 * Searching kernel memory for bytes: ranges are read in large pieces, and pages that the dump does not have are passed
 * over. What is looked for is a part of something larger than HOLE_STEP.
 */
import { add, alignDown, compare, distance, sub, type VirtAddr } from '../base/address.ts';
import { FaultError } from '../base/errors.ts';
import type { MemoryReader, VirtRange } from '../base/memory.ts';

const PAGE = 4096;
const CHUNK = 256 * 1024;
const HOLE_STEP = 16 * PAGE;
/** Behind more missing bytes than this another part of memory begins. */
const MAX_HOLE = 64 * PAGE;
/** Longest image that is searched; x86-64 has room for 1 GiB, real ones take less than 100 MiB. */
const MAX_SCAN = 256 * 1024 * 1024;

/** Addresses of all occurrences of `pattern`, in the order of `ranges`; those that span a missing page are not seen. */
export function* occurrences(
  memory: MemoryReader,
  ranges: readonly VirtRange[],
  pattern: Uint8Array,
): Generator<VirtAddr> {
  let budget = MAX_SCAN;
  for (const { start, end } of ranges) {
    // Pieces overlap by all but one byte of the pattern, so that each occurrence is in one of them, and in one only.
    for (let at = start; compare(at, end) < 0 && budget > 0; at = add(at, CHUNK)) {
      const length = Math.min(CHUNK + pattern.length - 1, distance(end, at));
      budget -= length;
      for (const { address, bytes } of readable(memory, at, length)) {
        const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
        for (let hit = buffer.indexOf(pattern); hit >= 0; hit = buffer.indexOf(pattern, hit + 1))
          yield add(address, hit);
      }
    }
  }
}

/**
 * The readable parts of a range: whole, or, where a page is missing, in runs of pages. Behind a missing page the search
 * goes on in steps of HOLE_STEP: the tables take more than that, so no run that could hold them is missed.
 */
function* readable(
  memory: MemoryReader,
  start: VirtAddr,
  length: number,
): Generator<{ readonly address: VirtAddr; readonly bytes: Uint8Array }> {
  const whole = tryRead(memory, start, length);
  if (whole !== undefined) {
    yield { address: start, bytes: whole };
    return;
  }
  let run: Uint8Array[] = [];
  let runStart = 0;
  let position = 0;
  while (position < length) {
    const size = pageSizeAt(start, position, length);
    const bytes = tryRead(memory, add(start, position), size);
    if (bytes !== undefined) {
      if (run.length === 0) runStart = position;
      run.push(bytes);
      position += size;
      continue;
    }
    if (run.length > 0) yield { address: add(start, runStart), bytes: Buffer.concat(run) };
    run = [];
    position = behindHole(memory, start, position + size, length);
  }
  if (run.length > 0) yield { address: add(start, runStart), bytes: Buffer.concat(run) };
}

/** Bytes from `position` to the end of its page, or of the range. */
function pageSizeAt(start: VirtAddr, position: number, length: number): number {
  const here = add(start, position);
  return Math.min(PAGE - distance(here, alignDown(here, PAGE)), length - position);
}

/** First position of a readable page, found in large steps forward and page by page back. */
function behindHole(memory: MemoryReader, start: VirtAddr, from: number, length: number): number {
  let position = from;
  while (position < length && tryRead(memory, add(start, position), 1) === undefined) position += HOLE_STEP;
  position = Math.min(position, length);
  while (position - PAGE >= from && tryRead(memory, add(start, position - PAGE), 1) !== undefined) position -= PAGE;
  return position;
}

/** undefined when any of it is missing, or when the range leaves the address space. */
export function tryRead(memory: MemoryReader, at: VirtAddr, length: number): Uint8Array | undefined {
  if (length <= 0) return undefined;
  try {
    // Of a large piece its ends are asked first: memory that is searched has more holes than pages.
    if (memory.isReadable?.(at) === false || memory.isReadable?.(add(at, length - 1)) === false) return undefined;
    return memory.readBytes(at, length);
  } catch (error) {
    if (error instanceof FaultError) return undefined;
    throw error;
  }
}

/** The most that can be read of the `length` bytes before `end`, in whole pages: zeros where pages between are missing. */
export function readBefore(memory: MemoryReader, end: VirtAddr, length: number): Uint8Array {
  const whole = tryRead(memory, sub(end, length), length);
  if (whole !== undefined) return whole;
  const parts: Uint8Array[] = [];
  let have = 0;
  let missing = 0;
  while (have + missing < length && missing <= MAX_HOLE) {
    const upTo = sub(end, have + missing);
    const start = alignDown(sub(upTo, 1), PAGE);
    const size = Math.min(distance(upTo, start), length - have - missing);
    const bytes = tryRead(memory, sub(upTo, size), size);
    if (bytes === undefined) {
      missing += size;
      continue;
    }
    if (missing > 0) parts.unshift(new Uint8Array(missing));
    parts.unshift(bytes);
    have += missing + size;
    missing = 0;
  }
  return Buffer.concat(parts);
}

/** Bytes from the first to the one behind the last. */
export type ByteRange = readonly [number, number];

/**
 * As much of a table as can be read, zeros in the place of pages that cannot.
 * @param least - share that must be there: nothing is allocated for a size that the dump has made up
 * @throws FaultError when less of it is
 */
export function readAround(
  memory: MemoryReader,
  start: VirtAddr,
  size: number,
  least: number,
): { readonly bytes: Uint8Array; readonly lost: readonly ByteRange[] } {
  const parts: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  const lost: ByteRange[] = [];
  let missing = 0;
  for (let at = 0; at < size; ) {
    const from = add(start, at);
    const length = pageSizeAt(start, at, size);
    const bytes = tryRead(memory, from, length);
    if (bytes === undefined) {
      missing += length;
      if (missing > size * (1 - least)) memory.readBytes(from, length);
      lost.push([at, at + length]);
    } else parts.push({ at, bytes });
    at += length;
  }
  const out = new Uint8Array(size);
  for (const { at, bytes } of parts) out.set(bytes, at);
  return { bytes: out, lost };
}
