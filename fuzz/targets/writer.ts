/**
 * The writer of kdump files, there and back: whatever pages, notes and names it is given, the file that it writes is read
 * back alike. The input is made into sound content first: the writer trusts its caller.
 */
import { existsSync, mkdtempSync, rmSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pfn, type Pfn } from '../../src/base/address.ts';
import { isAllZero } from '../../src/base/bytes.ts';
import type { DumpFile, ElfNote } from '../../src/dump/dump-file.ts';
import { type KdumpContent, writeKdump } from '../../src/dump/kdump-writer.ts';
import { parseNotes } from '../../src/dump/notes.ts';
import { openDump } from '../../src/dump/open.ts';
import { noteBytes } from '../../test/builders/elf-file.ts';
import type { Base, Field, Parts, Summary } from '../input.ts';
import { Random } from '../random.ts';
import type { Target } from '../target.ts';
import { checkBytes, checkSame } from '../violation.ts';
import { noteFields } from './note-fields.ts';

const PAGE = 4096;
const MAX_FRAMES = 2 ** 20;

interface Content extends KdumpContent {
  readonly pages: ReadonlyMap<number, Uint8Array | 'lost'>;
}

/** Sound content from any bytes. */
function contentOf(parts: Parts): Content {
  const knobs = Buffer.concat([parts.get('knobs'), Buffer.alloc(64)]);
  const data = parts.get('pages');
  const table = Buffer.from(parts.get('frames'));
  const pages = new Map<number, Uint8Array | 'lost'>();
  let frame = -1;
  for (let i = 0; i + 4 <= table.length && pages.size < 24; i += 4) {
    frame += 1 + (table.readUInt16LE(i) % 5000);
    if (frame >= MAX_FRAMES) break;
    const page = new Uint8Array(PAGE);
    const from = (table.readUInt8(i + 2) * 512) % Math.max(1, data.length);
    page.set(data.subarray(from, from + PAGE));
    pages.set(frame, table.readUInt8(i + 3) > 240 ? 'lost' : page);
  }
  const maxPfn = frame + 1 + (knobs.readUInt16LE(0) % 9000);
  const text = (at: number): string => knobs.toString('latin1', at, at + 8).replaceAll('\0', 'x');
  const excluded = knobs.readUInt16LE(2);
  return {
    pages,
    utsname: {
      sysname: 'Linux',
      nodename: text(8),
      release: text(16).repeat(12),
      version: text(24),
      machine: 'x86_64',
      domainname: text(32),
    },
    pageSize: PAGE,
    maxPfn: Math.max(1, maxPfn),
    physBase: knobs.readBigUInt64LE(40),
    dumpLevel: knobs.readUInt8(4) & 31,
    cpus: knobs.readUInt8(5),
    timestamp: knobs.readBigInt64LE(48),
    notes: parseNotes(parts.get('notes')).notes,
    vmcoreinfo: knobs.readUInt8(6) % 2 === 0 ? undefined : Buffer.from('OSRELEASE=6.1.0-fuzz\n'),
    frames: () => [...pages.keys()].map(pfn),
    read(at: Pfn, into: Uint8Array): 'lost' | void {
      const page = pages.get(at);
      if (page === undefined || page === 'lost') return 'lost';
      into.set(page);
    },
    exists: (at) => pages.has(at) || at % 7 === excluded % 7,
  };
}

function verify(dump: DumpFile, content: Content): Summary {
  const { pages, maxPfn } = content;
  const into = new Uint8Array(PAGE);
  checkSame('page frames', dump.maxPfn, maxPfn);
  checkSame('phys_base', dump.physBase, content.physBase);
  checkSame('dump level', dump.dumpLevel, content.dumpLevel);
  const lost = [...pages.values()].filter((page) => page === 'lost').length;
  checkSame('pages in the file', dump.counts.inFile, pages.size - lost);
  checkSame('lost pages', dump.counts.lost, lost);
  let next = dump.nextInFile(pfn(0));
  for (const [frame, page] of pages) {
    const status = dump.readPage(pfn(frame), into);
    checkSame(`frame ${frame}`, status, page === 'lost' ? 'lost' : isAllZero(page) ? 'zero' : 'data');
    if (page === 'lost') continue;
    checkBytes(`frame ${frame}`, into, page);
    checkSame('the next frame', next, frame);
    next = dump.nextInFile(pfn(frame + 1));
  }
  for (const frame of [0, 1, 2, 3, maxPfn - 1]) {
    if (pages.has(frame) || frame >= maxPfn) continue;
    checkSame(`frame ${frame}`, dump.status(pfn(frame)), content.exists(pfn(frame)) ? 'excluded' : 'absent');
  }
  checkSame('a frame behind the last', dump.status(pfn(maxPfn)), 'absent');
  checkNotes(dump, content);
  return [pages.size, lost, maxPfn, dump.notes.length, ...dump.problems];
}

function checkNotes(dump: DumpFile, { notes, vmcoreinfo }: Content): void {
  const own = notes.find(({ name, desc }) => name === 'VMCOREINFO' && desc.length > 0)?.desc;
  const wanted = own ?? vmcoreinfo;
  if (wanted !== undefined) checkBytes('VMCOREINFO', dump.vmcoreinfo, wanted);
  const others = dump.notes.filter((note): note is ElfNote => note.name !== 'VMCOREINFO');
  const given = notes.filter(({ name }) => name !== 'VMCOREINFO');
  checkSame('notes', others.length, given.length);
  others.forEach(({ name, type, desc }, i) => {
    checkSame(`note ${i}`, `${name} ${type}`, `${given[i]?.name} ${given[i]?.type}`);
    checkBytes(`note ${i}`, desc, given[i]?.desc);
  });
}

let made: string | undefined;

/** One for the process; in memory where there is such a place, as the writer waits until a disk has everything. */
function folder(): string {
  if (made !== undefined) return made;
  const parent = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const fresh = mkdtempSync(join(parent, 'kwhy-fuzz-'));
  process.on('exit', () => rmSync(fresh, { recursive: true, force: true }));
  made = fresh;
  return fresh;
}

function baseOf(name: string): Base {
  const random = new Random(name);
  const notes = noteBytes(
    Array.from({ length: random.below(4) }, () => ({
      name: random.pick(['CORE', 'VMCOREINFO', 'QEMU']),
      type: random.below(4),
      desc: random.bytes(random.pick([0, 5, 336, 4090])),
    })),
  );
  const pages = new Uint8Array(PAGE * 6);
  for (let i = random.below(6); i > 0; i--) pages.set(random.bytes(2048), random.below(8) * 512);
  const frames = random.bytes(4 * random.below(12));
  for (let i = 1; i < frames.length; i += 4) frames[i] = random.chance(0.7) ? 0 : (frames[i] ?? 0);
  const parts = new Map([
    ['pages', pages],
    ['frames', frames],
    ['notes', notes],
    ['knobs', random.bytes(64)],
  ]);
  const fields: Field[] = [...noteFields('notes', notes, 0, notes.length)];
  for (let at = 0; at + 2 <= frames.length; at += 2) {
    fields.push({ part: 'frames', at, size: 2, role: 'value', group: 'frames' });
  }
  const run = (changed: Parts): Summary => {
    const content = contentOf(changed);
    const path = join(folder(), 'dump');
    const compression = (changed.get('knobs')[7] ?? 0) % 2 === 0 ? 'zstd' : 'zlib';
    // One that was ended in the middle leaves its file behind.
    if (existsSync(path)) unlinkSync(path);
    try {
      writeKdump(path, content, { compression, level: 1 });
      const dump = openDump(path);
      try {
        return [compression, ...verify(dump, content)];
      } finally {
        dump.close();
      }
    } finally {
      if (existsSync(path)) unlinkSync(path);
    }
  };
  return { parts, fields, run };
}

export const writer: Target = {
  name: 'writer',
  reads: 'the kdump writer, there and back (dump/kdump-writer, dump/file-source)',
  throws: [],
  bases: [{ name: 'writer#', weight: 1 }],
  // Five buffers of the writer, the blocks of the reader's cache.
  allocates: { fixed: 24 * 2 ** 20, perByte: 64 },
  base: baseOf,
};
