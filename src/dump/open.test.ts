import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { elfFile, filledPage } from '../../test/builders/elf-file.ts';
import { kdumpFile } from '../../test/builders/kdump-file.ts';
import { pfn } from '../base/address.ts';
import { UsageError } from '../base/errors.ts';
import { openDump } from './open.ts';

const folder = mkdtempSync(join(tmpdir(), 'kwhy-open-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** What the descriptors of this process point to. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return 'closed meanwhile';
    }
  });
}

/** The message of the UsageError that opening gives. */
function refusal(path: string): string {
  try {
    openDump(path).close();
    return 'opened';
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
}

describe('openDump', () => {
  it('opens by content, never by name', () => {
    const pages = new Map([[1, filledPage(1)]]);
    const kdump = openDump(file('looks-like.txt', kdumpFile({ maxPfn: 10, pages })));
    expect([kdump.format, kdump.status(pfn(1))]).toEqual(['kdump', 'data']);
    kdump.close();
    const elf = openDump(file('dump.zip', elfFile({ segments: [{ paddr: 0, data: filledPage(1) }] })));
    expect([elf.format, elf.status(pfn(0))]).toEqual(['elf', 'data']);
    elf.close();
    elf.close();
  });

  it('says in one line why a file cannot be opened', () => {
    mkdirSync(join(folder, 'empty-folder'));
    const cases: [string, RegExp][] = [
      [join(folder, 'nothing-here'), /no such file$/],
      [join(file('plain', 'x'), 'below-a-file'), /no such file$/],
      [join(folder, 'a\0b'), /no such file$/],
      [join(folder, 'empty-folder'), /no dump in this directory$/],
      ['/dev/null', /not a regular file/],
      [file('empty', ''), /the file is empty$/],
      [file('tiny', Uint8Array.of(0, 1, 2)), /too small for a dump \(3 bytes\)$/],
      [file('text', '[    0.000000] Linux version 6.1.0\n'.repeat(100)), /this is a text file, not a dump$/],
      [file('utf8', 'Grüße aus dem Kern\n'), /text file/],
      [file('zeros', new Uint8Array(5000)), /not a kernel dump of a known format/],
      [process.execPath, /executable/],
    ];
    for (const [path, message] of cases) {
      expect(refusal(path)).toMatch(message);
      expect(refusal(path)).toMatch(/^[^\n]+: [^\n]+$/);
    }
  });

  it('keeps control characters of a file name out of the message', () => {
    expect(refusal(join(folder, 'a\nb\x1b[31m'))).toMatch(/a\?b\?\[31m: no such file$/);
  });

  it('does not wait for a pipe', () => {
    const pipe = join(folder, 'pipe');
    execFileSync('sh', ['-c', 'mkfifo "$0"', pipe]);
    expect(refusal(pipe)).toMatch(/not a regular file/);
  });

  it('names foreign formats, and what opens them', () => {
    const at = (offset: number, text: string): Buffer =>
      Buffer.concat([Buffer.alloc(offset, 1), Buffer.from(text, 'latin1'), Buffer.alloc(2000)]);
    const cases: [string | Buffer, RegExp][] = [
      ['DISKDUMP', /old diskdump/],
      ['AVML', /AVML/],
      ['\xd2\xbe\xd2\xbe', /VMware/],
      ['\xd0\xbe\xd2\xbe', /VMware/],
      ['sadump\0\0', /sadump/],
      ['\xed\x23\x8f\x61\x73\x01\x19\xa8', /LKCD/],
      ['\xed\xeb\x0f\xf0', /Xen/],
      ['LinuxGuestRecord', /Xen/],
      ['\xff\xff\xff\xff\xff\xff\xff\xffXENF', /Xen/],
      ['LibvirtQemudSave', /virsh dump --memory-only/],
      ['QEVM', /virsh dump --memory-only/],
      ['QFI\xfb', /qcow2/],
      ['PAGEDU64', /Windows/],
      ['MDMP', /minidump/],
      [gzipSync('x'.repeat(99)), /gzip, .*; unpack it: gzip -dc \S+\/foreign > \S+\/foreign\.unpacked$/],
      ['\xfd7zXZ\0', /xz -dc/],
      ['\x28\xb5\x2f\xfd', /zstd -dc/],
      ['BZh9', /bzip2 -dc/],
      ['\x04\x22\x4d\x18', /lz4 -dc/],
      ['\x89LZO\0', /lzop/],
      ['PK\x03\x04', /zip/],
      ['7z\xbc\xaf\x27\x1c', /7-Zip/],
      [at(257, 'ustar'), /tar/],
      [at(0x202, 'HdrS'), /bzImage/],
      ['!<arch>\n', /Debian package/],
      ['\xed\xab\xee\xdb', /rpm/],
      ['PERFILE2', /perf/],
      ['SQLite format 3\0', /SQLite/],
      ['\xa8\x19\x01\x73\x61\x8f\x23\xfd', /s390 stand-alone dump.*crash opens it/],
      ['\x7fVirtualBox SavedState V2.0\n', /dumpvmcore/],
      [at(512, 'EFI PART'), /image of a disk/],
      [at(0x438, '\x53\xef'), /ext file system/],
      [at(4086, 'S1SUSPEND'), /hibernated/],
      [at(4086, 'SWAPSPACE2'), /swap area/],
    ];
    for (const [content, message] of cases) {
      const bytes = typeof content === 'string' ? at(0, content) : content;
      expect(refusal(file('foreign', bytes))).toMatch(message);
    }
  });

  it('gives the command to unpack as a shell wants it, whatever the file is called', () => {
    const zstd = '\x28\xb5\x2f\xfd' + 'x'.repeat(100);
    const command = (name: string): string =>
      (/unpack it: (.*)$/.exec(refusal(file(name, Buffer.from(zstd, 'latin1'))))?.[1] ?? '').replaceAll(folder, '.');
    expect(command('vmcore.zst')).toBe('zstd -dc ./vmcore.zst > ./vmcore');
    expect(command('vmcore.gz')).toBe('zstd -dc ./vmcore.gz > ./vmcore');
    expect(command('vmcore')).toBe('zstd -dc ./vmcore > ./vmcore.unpacked');
    expect(command("o'clock $(x).zst")).toBe("zstd -dc './o'\\''clock $(x).zst' > './o'\\''clock $(x)'");
  });

  it('leaves no file open when it refuses', () => {
    const path = file('not-a-dump', new Uint8Array(5000));
    const truncated = file('cut', kdumpFile({ maxPfn: 10, pages: new Map() }).subarray(0, 5000));
    expect(() => openDump(path)).toThrow(/known format/);
    expect(() => openDump(truncated)).toThrow(/kdump/);
    expect(openFiles()).not.toContain(path);
    expect(openFiles()).not.toContain(truncated);
    const opened = openDump(file('sound', kdumpFile({ maxPfn: 10, pages: new Map() })));
    expect(openFiles()).toContain(join(folder, 'sound'));
    opened.close();
    expect(openFiles()).not.toContain(join(folder, 'sound'));
  });

  it('opens a dump without notes', () => {
    const dump = openDump(file('bare', elfFile({ segments: [{ paddr: 0x1000, data: filledPage(1) }] })));
    expect([dump.vmcoreinfo, dump.notes, dump.description]).toEqual([
      undefined,
      [],
      'ELF vmcore, 1 segments, no VMCOREINFO',
    ]);
    dump.close();
  });
});
