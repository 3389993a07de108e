/**
 * Makes other forms of a dump that is there, for trying what no tool at hand writes: without VMCOREINFO notes, as LiME, as
 * raw memory with and without the gap below 4 GiB.
 *
 *     node lab/reform.ts no-note|lime|raw|raw-without-gap DUMP OUTPUT [BYTES-BELOW-THE-GAP]
 *
 * Pages that are zero, or not in the dump, are holes in the file. The whole memory of a guest is needed for raw memory to
 * make sense: level 0, or a live dump.
 */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { pfn } from '../src/base/address.ts';
import type { DumpFile } from '../src/dump/dump-file.ts';
import { encodeNotes } from '../src/dump/notes.ts';
import { openDump } from '../src/dump/open.ts';

const FOUR_GIB = 2 ** 32;

interface Range {
  readonly start: number;
  readonly end: number;
}

/** Physical memory in one piece each; frames that the dump does not have in between count as memory up to 1 MiB. */
function rangesOf(dump: DumpFile): Range[] {
  const ranges: { start: number; end: number }[] = [];
  for (let frame = dump.nextInFile(pfn(0)); frame !== undefined; frame = dump.nextInFile(pfn(frame + 1))) {
    const last = ranges.at(-1);
    const border = frame * dump.pageSize === FOUR_GIB;
    if (last !== undefined && frame - last.end <= 256 && !border) last.end = frame + 1;
    else ranges.push({ start: frame, end: frame + 1 });
  }
  return ranges.map(({ start, end }) => ({ start: start * dump.pageSize, end: end * dump.pageSize }));
}

class Output {
  readonly #fd: number;
  size = 0;

  constructor(path: string) {
    this.#fd = openSync(path, 'wx');
  }

  put(at: number, bytes: Uint8Array): void {
    writeSync(this.#fd, bytes, 0, bytes.length, at);
    this.size = Math.max(this.size, at + bytes.length);
  }

  /** The pages of a range, `start` at offset `at`. */
  pages(dump: DumpFile, range: Range, at: number): void {
    const page = new Uint8Array(dump.pageSize);
    for (let address = range.start; address < range.end; address += dump.pageSize) {
      const status = dump.readPage(pfn(address / dump.pageSize), page);
      if (status === 'data') this.put(at + address - range.start, page);
    }
    this.size = Math.max(this.size, at + range.end - range.start);
  }

  close(): void {
    ftruncateSync(this.#fd, this.size);
    closeSync(this.#fd);
  }
}

/** An ELF file with the same memory and notes, but for VMCOREINFO; no virtual addresses, as QEMU writes it. */
function withoutNote(dump: DumpFile, out: Output): void {
  const ranges = rangesOf(dump);
  const notes = encodeNotes(dump.notes.filter((note) => note.name !== 'VMCOREINFO'));
  const header = Buffer.alloc(64 + 56 * (ranges.length + 1));
  header.write('\x7fELF\x02\x01\x01', 'latin1');
  header.writeUInt16LE(4, 16);
  header.writeUInt16LE(62, 18);
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(64n, 32);
  header.writeUInt16LE(64, 52);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(ranges.length + 1, 56);
  const put = (index: number, type: number, offset: number, address: number, size: number): void => {
    const at = 64 + 56 * index;
    header.writeUInt32LE(type, at);
    [offset, 0, address, size, size, 0].forEach((value, i) => header.writeBigUInt64LE(BigInt(value), at + 8 + 8 * i));
  };
  put(0, 4, header.length, 0, notes.length);
  let at = Math.ceil((header.length + notes.length) / dump.pageSize) * dump.pageSize;
  ranges.forEach((range, i) => {
    put(i + 1, 1, at, range.start, range.end - range.start);
    out.pages(dump, range, at);
    at += range.end - range.start;
  });
  out.put(0, header);
  out.put(header.length, notes);
}

/** https://github.com/504ensicsLabs/LiME `lime_mem_range_header`: magic, version, first and last address, reserved. */
function lime(dump: DumpFile, out: Output): void {
  let at = 0;
  for (const range of rangesOf(dump)) {
    const header = Buffer.alloc(32);
    header.write('EMiL', 'latin1');
    header.writeUInt32LE(1, 4);
    header.writeBigUInt64LE(BigInt(range.start), 8);
    header.writeBigUInt64LE(BigInt(range.end - 1), 16);
    out.put(at, header);
    out.pages(dump, range, at + 32);
    at += 32 + range.end - range.start;
  }
}

/** Byte n of the file is byte n of memory, but that what is at 4 GiB comes right behind `low`, when it is given. */
function raw(dump: DumpFile, out: Output, low: number | undefined): void {
  for (const { start, end } of rangesOf(dump)) {
    // The firmware's memory right below 4 GiB is not RAM.
    if (start < FOUR_GIB && start >= 0xfec00000) continue;
    const offset = start >= FOUR_GIB && low !== undefined ? start - (FOUR_GIB - low) : start;
    out.pages(dump, { start, end: start < FOUR_GIB ? Math.min(end, low ?? end) : end }, offset);
  }
}

const [form, input, output, low] = process.argv.slice(2);
if (form === undefined || input === undefined || output === undefined) {
  console.error('usage: node lab/reform.ts no-note|lime|raw|raw-without-gap DUMP OUTPUT [BYTES-BELOW-THE-GAP]');
  process.exit(2);
}
const dump = openDump(input);
const out = new Output(output);
if (form === 'no-note') withoutNote(dump, out);
else if (form === 'lime') lime(dump, out);
else raw(dump, out, form === 'raw-without-gap' ? Number(low ?? 3 * 2 ** 30) : undefined);
out.close();
dump.close();
