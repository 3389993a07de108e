/**
 * Searches physical memory for what every Linux kernel keeps in it: the text of VMCOREINFO, which begins a page, or
 * stands in one behind the header of its ELF note (kernel/vmcore_info.c), and the banner `Linux version ...` of
 * init/version.c. One pass over the pages that the dump has, each looked at once and none kept.
 */
import { pfn, type Pfn, type PhysAddr, phys } from '../base/address.ts';
import type { DumpFile } from '../dump/dump-file.ts';

const OSRELEASE = Buffer.from('OSRELEASE=');
/** `struct elf64_note` of 12 bytes and the name 'VMCOREINFO', padded. */
const NOTE_HEADER = 24;
const VMCOREINFO_BYTES = 4096;
const BANNER = Buffer.from('Linux version ');
/** The banner itself, not a line of a log: it ends with a line feed and the end of the string. */
const BANNER_LOOKS = /^Linux version \d+\.\d+[^\n\0]{8,500}\n\0/;
const BANNER_BYTES = 512;
/** A banner may begin at the end of a page. */
const OVERLAP = 16;
/** What memory may hold of such texts without being believed: programs, page cache, other kernels. */
const MAX_TEXTS = 64;
const MAX_BANNERS = 16;
/** 256 KiB: the formats of a small distribution kernel take 350 KiB in one piece. */
const SAMPLED = 64;
const LEAST_MESSAGES = 4;
const REGION_BYTES = 64 << 20;
/** Modules and copies of programs have such pages too, one here and there. */
const MAX_REGIONS = 64;

export type Trace =
  | { readonly kind: 'vmcoreinfo'; readonly at: PhysAddr; readonly text: Uint8Array }
  | { readonly kind: 'banner'; readonly at: PhysAddr };

/** Page frames, end exclusive. */
export interface FrameRange {
  readonly start: number;
  readonly end: number;
}

/** In the order of memory. */
export function* kernelTraces(dump: DumpFile, range: FrameRange = everything(dump)): Generator<Trace> {
  const size = dump.pageSize;
  // The end of the page before, if that is the one before, and the page.
  const buffer = Buffer.alloc(OVERLAP + size);
  const page = buffer.subarray(OVERLAP);
  let previous = -2;
  let texts = 0;
  let banners = 0;
  for (const frame of framesIn(dump, range)) {
    const follows = frame === previous + 1;
    if (follows) buffer.copyWithin(0, size);
    if (dump.readPage(frame, page) !== 'data') continue;
    previous = frame;
    const start = BigInt(frame) * BigInt(size);
    for (const at of [0, NOTE_HEADER]) {
      if (texts >= MAX_TEXTS || !isAt(page, OSRELEASE, at)) continue;
      texts++;
      yield { kind: 'vmcoreinfo', at: phys(start + BigInt(at)), text: textAt(dump, frame, page, at) };
    }
    // Line feeds aside, most pages are over with one comparison of 14 bytes.
    let from = follows ? OVERLAP - BANNER.length + 1 : OVERLAP;
    for (
      let hit = buffer.indexOf(BANNER, from);
      hit >= 0 && banners < MAX_BANNERS;
      hit = buffer.indexOf(BANNER, from)
    ) {
      from = hit + BANNER.length;
      if (!isBanner(dump, frame, buffer, hit)) continue;
      banners++;
      yield { kind: 'banner', at: phys(start + BigInt(hit) - BigInt(OVERLAP)) };
    }
    if (texts >= MAX_TEXTS && banners >= MAX_BANNERS) return;
  }
}

export function everything(dump: DumpFile): FrameRange {
  return { start: 0, end: dump.maxPfn };
}

/** Frames whose pages are in the file, each or one of every so many. */
function* framesIn(dump: DumpFile, { start, end }: FrameRange, step = 1): Generator<Pfn> {
  for (let at = dump.nextInFile(pfn(start)); at !== undefined && at < end; at = dump.nextInFile(pfn(at + step)))
    yield at;
}

/**
 * Where the constants of a kernel may lie, by one page of every SAMPLED: some hundred KiB of any kernel's image are the
 * formats of its messages, each with its level before it. In a terabyte this is a sixty-fourth of the work. Regions are
 * as large as an image, and do not overlap.
 */
export function likelyRegions(dump: DumpFile): readonly FrameRange[] {
  const page = Buffer.alloc(dump.pageSize);
  const around = Math.floor(REGION_BYTES / 2 / dump.pageSize);
  const regions: { readonly start: number; end: number }[] = [];
  for (const frame of framesIn(dump, everything(dump), SAMPLED)) {
    if (dump.readPage(frame, page) !== 'data' || !hasMessages(page)) continue;
    const last = regions.at(-1);
    const start = Math.max(0, frame - around);
    if (last !== undefined && start <= last.end) last.end = Math.min(frame + around, last.start + 4 * around);
    else if (regions.length < MAX_REGIONS) regions.push({ start, end: frame + around });
  }
  return regions;
}

/** KERN_SOH and a level, behind the end of the string before it: include/linux/kern_levels.h since 3.6. */
function hasMessages(page: Buffer): boolean {
  let found = 0;
  for (
    let at = page.indexOf(1, 1);
    at > 0 && at + 2 < page.length && found < LEAST_MESSAGES;
    at = page.indexOf(1, at + 1)
  ) {
    const level = page[at + 1] ?? 0;
    const first = page[at + 2] ?? 0;
    if (page[at - 1] === 0 && level >= 0x30 && level <= 0x37 && first >= 0x20 && first < 0x7f) found++;
  }
  return found >= LEAST_MESSAGES;
}

function isAt(bytes: Uint8Array, pattern: Uint8Array, at: number): boolean {
  // Hot: most pages differ in the first byte.
  for (let i = 0; i < pattern.length; i++) if (bytes[at + i] !== pattern[i]) return false;
  return true;
}

/** At most as much as the kernel writes; the note's copy goes on in the next page. */
function textAt(dump: DumpFile, frame: Pfn, page: Uint8Array, at: number): Uint8Array {
  const text = Buffer.concat([page.subarray(at), pageBehind(dump, frame)]).subarray(0, VMCOREINFO_BYTES);
  const end = text.indexOf(0);
  return end < 0 ? text : text.subarray(0, end);
}

function isBanner(dump: DumpFile, frame: Pfn, buffer: Buffer, hit: number): boolean {
  const here = buffer.subarray(hit);
  const whole = here.length >= BANNER_BYTES ? here : Buffer.concat([here, pageBehind(dump, frame)]);
  return BANNER_LOOKS.test(whole.toString('latin1', 0, BANNER_BYTES));
}

/** Nothing when the dump does not have it. */
function pageBehind(dump: DumpFile, frame: Pfn): Uint8Array {
  const page = new Uint8Array(dump.pageSize);
  return dump.readPage(pfn(frame + 1), page) === 'data' ? page : new Uint8Array(0);
}
