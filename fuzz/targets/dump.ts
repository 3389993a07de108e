/**
 * Asks an open dump everything, page by page where it matters, and checks what every format must keep: a page is what
 * `status` says, `nextInFile` misses none, reading writes to the page's bytes only.
 */
import { pfn } from '../../src/base/address.ts';
import { isAllZero } from '../../src/base/bytes.ts';
import type { DumpFile, PageStatus } from '../../src/dump/dump-file.ts';
import type { Summary } from '../input.ts';
import { Tally } from '../tally.ts';
import { check, checkBytes, checkSame } from '../violation.ts';

/** What a naive reading of the file's bytes says about a page; undefined where it has no opinion. */
export type Model = (frame: number) => ModelPage | undefined;

export interface ModelPage {
  readonly status: PageStatus;
  readonly bytes?: Uint8Array;
  /** The reader may call this page lost. */
  readonly doubtful?: boolean;
}

const STATES: readonly PageStatus[] = ['data', 'zero', 'excluded', 'lost', 'absent', 'excluded-or-zero'];
const GUARD = 64;
const MAX_WALK = 48;

export function exerciseDump(dump: DumpFile, model: Model, frames: readonly number[]): Summary {
  const { pageSize, maxPfn } = dump;
  check([4096, 16384, 65536].includes(pageSize), () => `pages of ${pageSize} bytes`);
  check(Number.isSafeInteger(maxPfn) && maxPfn >= 0, () => `${maxPfn} page frames`);
  const buffer = new Uint8Array(pageSize + 2 * GUARD);
  const seen = new Tally();
  const border = [maxPfn - 2, maxPfn - 1, maxPfn, maxPfn + 1, 2 ** 34, 2 ** 40, 2 ** 52, 2 ** 53 - 1, -1];
  const walked = walk(dump);
  for (const frame of new Set([...frames, ...walked, ...border])) {
    seen.add(readOne(dump, frame, buffer, model));
  }
  const { inFile, excluded, lost } = dump.counts;
  for (const count of [inFile, excluded ?? 0, lost]) {
    check(Number.isSafeInteger(count) && count >= 0, () => `counts of ${inFile}, ${excluded}, ${lost} pages`);
  }
  for (const { name, desc } of dump.notes)
    check(name.length + desc.length <= dump.fileSize, () => 'a note is too long');
  for (const line of dump.problems) check(!/\n|undefined|NaN/.test(line), () => `a problem says '${line}'`);
  check(!/undefined|NaN/.test(dump.description), () => `the description says '${dump.description}'`);
  return [
    dump.format,
    dump.description,
    ...seen.words,
    walked.length,
    inFile,
    lost,
    dump.notes.length,
    ...dump.problems,
  ];
}

function readOne(dump: DumpFile, frame: number, buffer: Uint8Array, model: Model): PageStatus {
  buffer.fill(0xa5);
  const into = buffer.subarray(GUARD, GUARD + dump.pageSize);
  const told = dump.status(pfn(frame));
  const read = dump.readPage(pfn(frame), into);
  check(STATES.includes(told) && STATES.includes(read), () => `frame ${frame} is ${told}, read as ${read}`);
  check(told === 'data' || told === read, () => `frame ${frame} is ${told}, but read as ${read}`);
  check(told !== 'data' || ['data', 'zero', 'lost'].includes(read), () => `frame ${frame} has data, read as ${read}`);
  check(
    buffer.subarray(0, GUARD).every((byte) => byte === 0xa5) &&
      buffer.subarray(GUARD + dump.pageSize).every((byte) => byte === 0xa5),
    () => `reading frame ${frame} wrote beside the page`,
  );
  if (read === 'data' || read === 'zero') checkSame(`frame ${frame} is zero`, isAllZero(into), read === 'zero');
  const wanted = model(frame);
  if (wanted !== undefined) {
    checkSame(`status of frame ${frame}`, told, wanted.status);
    if (wanted.bytes !== undefined && !(read === 'lost' && wanted.doubtful === true)) {
      check(read !== 'lost', () => `frame ${frame} is lost, though its data is there`);
      checkBytes(`frame ${frame}`, into, wanted.bytes);
    }
  }
  return read;
}

/** The frames that `nextInFile` finds, from the first on; those that it passes over have no data. */
function walk(dump: DumpFile): readonly number[] {
  const found: number[] = [];
  let from = 0;
  while (found.length < MAX_WALK) {
    const next = dump.nextInFile(pfn(from));
    const end = next ?? dump.maxPfn;
    check(end >= from || next === undefined, () => `the next page from ${from} on is ${end}`);
    for (const between of [from, from + 1, Math.floor((from + end) / 2), end - 1]) {
      if (between < from || between >= end) continue;
      checkSame(`status of frame ${between}, passed over`, dump.status(pfn(between)) === 'data', false);
    }
    if (next === undefined) break;
    check(next < dump.maxPfn, () => `the next page is ${next} of ${dump.maxPfn}`);
    checkSame(`status of frame ${next}`, dump.status(next), 'data');
    found.push(next);
    from = next + 1;
  }
  return found;
}
