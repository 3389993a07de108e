import { chmodSync, mkdirSync, readdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { elfFile, filledPage } from '../../test/builders/elf-file.ts';
import { flattenedFile, recordsOf } from '../../test/builders/flattened.ts';
import { kdumpFile } from '../../test/builders/kdump-file.ts';
import { tempFolder } from '../../test/builders/temp-folder.ts';
import { pfn } from '../base/address.ts';
import { FormatError, UsageError } from '../base/errors.ts';
import { inputFiles } from './input-files.ts';
import { openDump } from './open.ts';

const pages = new Map([1, 2, 3].map((frame) => [frame, filledPage(frame)]));
const elf = elfFile({ segments: [{ paddr: 0x1000, data: filledPage(1) }] });
const kdump = kdumpFile({ maxPfn: 10, pages });
const part = (window: readonly [number, number]): Uint8Array => kdumpFile({ maxPfn: 10, pages, window });

/** A folder with these files. */
function folderOf(contents: Readonly<Record<string, Uint8Array | string>>): (name: string) => string {
  const path = tempFolder();
  for (const [name, content] of Object.entries(contents)) writeFileSync(path(name), content);
  return path;
}

function refusal(path: string): string {
  try {
    openDump(path).close();
    return 'opened';
  } catch (error) {
    if (error instanceof UsageError || error instanceof FormatError) return error.message;
    throw error;
  }
}

describe('a folder', () => {
  it('stands for the one dump in it, as kdump leaves it', () => {
    for (const vmcore of [elf, kdump, flattenedFile(recordsOf(kdump, 999))]) {
      const kernel = elfFile({ type: 2, segments: [{ paddr: 0x1000, data: filledPage(1) }] });
      const path = folderOf({
        'vmcore-dmesg.txt': '[    0.0] Linux version\n',
        'kexec-dmesg.log': '',
        vmlinux: kernel,
        vmcore,
      });
      mkdirSync(path('deeper'));
      writeFileSync(`${path('deeper')}/vmcore`, kdump);
      symlinkSync('nowhere', path('dangling'));
      const dump = openDump(path('.'));
      expect(dump.readPage(pfn(1), new Uint8Array(4096))).toBe('data');
      dump.close();
    }
  });

  it('stands for the files of the split dump in it', () => {
    const path = folderOf({ b: part([2, 10]), a: part([0, 2]), 'readme.txt': 'two files' });
    expect(inputFiles([`${path('.')}/`]).map(({ path: file }) => file)).toEqual([`${path('.')}/a`, `${path('.')}/b`]);
    const dump = openDump(path('.'));
    expect([dump.counts.inFile, dump.problems]).toEqual([3, []]);
    dump.close();
  });

  it('is refused in one line when it is not clear which dump is meant', () => {
    expect(refusal(folderOf({})('.'))).toMatch(/: no dump in this directory$/);
    expect(refusal(folderOf({ 'a.txt': 'text' })('.'))).toMatch(/: no dump in this directory$/);
    const two = folderOf({ one: elf, two: kdump, 'a.txt': 'text' });
    expect(refusal(two('.'))).toMatch(/: several dumps in this directory, name one: \S+\/one, \S+\/two$/);
    expect(refusal(folderOf({ one: part([0, 2]), two: kdump })('.'))).toMatch(/: several dumps/);
    expect(refusal(folderOf({ one: part([0, 2]), two: part([0, 2]) })('.'))).toMatch(/is one of them a copy/);
    const many = folderOf(Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`f${i}`, ''])));
    expect(refusal(many('.'))).toMatch(/: 1001 files in this directory; name the dump$/);
  });

  it('names a compressed file in it when there is no dump, the largest of several', () => {
    const packed = Buffer.concat([Buffer.from('28b52ffd', 'hex'), Buffer.alloc(100, 1)]);
    const gzip = Buffer.from('1f8b0800', 'hex');
    const path = folderOf({ 'dmesg.gz': gzip, 'vmcore.zst': packed, 'x.txt': 'text' });
    expect(refusal(path('.'))).toMatch(/\/vmcore\.zst: compressed with zstd, .*unpack it: zstd -dc \S+ > \S+\/vmcore$/);
    const dump = openDump(folderOf({ 'dmesg.gz': gzip, vmcore: kdump })('.'));
    expect(dump.format).toBe('kdump');
    dump.close();
  });

  it('names the file in it that is damaged', () => {
    const path = folderOf({ vmcore: kdump.subarray(0, 5000) });
    expect(refusal(path('.'))).toMatch(/\/vmcore: kdump: headers and bitmaps need/);
  });

  it('leaves no file open', () => {
    const path = folderOf({ one: elf, two: kdump });
    expect(refusal(path('.'))).toMatch(/several/);
    const open = readdirSync('/proc/self/fd').map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return '';
      }
    });
    expect(open.filter((name) => name.startsWith(path('')))).toEqual([]);
  });

  it('that may not be read says so', () => {
    const path = folderOf({ vmcore: kdump });
    chmodSync(path('.'), 0);
    // Root may read everything.
    expect(refusal(path('.'))).toMatch(process.getuid?.() === 0 ? /^opened$/ : /permission denied$/);
    chmodSync(path('.'), 0o700);
  });
});

it('files stay what they were called', () => {
  expect(inputFiles(['x', 'a\nb'])).toEqual([
    { path: 'x', name: 'x' },
    { path: 'a\nb', name: 'a?b' },
  ]);
});
