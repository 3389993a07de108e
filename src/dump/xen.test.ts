import { describe, expect, it } from 'vitest';
import { elfFile, filledPage, type NoteSpec } from '../../test/builders/elf-file.ts';
import { kdumpFile } from '../../test/builders/kdump-file.ts';
import { FormatError, UsageError } from '../base/errors.ts';
import { memorySource } from './byte-source.ts';
import { openSource } from './open.ts';

const open = (bytes: Uint8Array) => () => openSource(memorySource(bytes), 'x');
const note = (name: string, type: number): NoteSpec => ({ name, type, desc: new Uint8Array(8) });

/** An ELF file without segments, with a section table that has one section of names. */
function guest(names: string, { namesAt = 64 + 128, sections = 2 } = {}): Uint8Array {
  const file = Buffer.alloc(64 + 128 + 4096);
  file.set(elfFile({ segments: [] }).subarray(0, 64));
  file.writeUInt16LE(0, 56);
  file.writeBigUInt64LE(64n, 40);
  file.writeUInt16LE(sections, 60);
  file.writeUInt16LE(1, 62);
  file.writeBigUInt64LE(BigInt(namesAt), 64 + 64 + 24);
  file.writeBigUInt64LE(BigInt(names.length), 64 + 64 + 32);
  file.write(names, 64 + 128, 'latin1');
  return file;
}

describe('dumps of Xen are refused by name', () => {
  it('of a host, in ELF and kdump files', () => {
    const segments = [{ paddr: 0x1000, data: filledPage(1) }];
    for (const notes of [[note('Xen', 0x1000001)], [note('Xen', 0x1000002)], [note('VMCOREINFO_XEN', 0)]]) {
      for (const file of [elfFile({ segments, notes }), kdumpFile({ maxPfn: 10, pages: new Map(), notes })]) {
        expect(open(file)).toThrow(UsageError);
        expect(open(file)).toThrow(/^x: a dump of a Xen host.*\(crash opens it\)$/);
      }
    }
    // A Xen guest's kernel has a note 'Xen' as well, of other types.
    expect(open(elfFile({ segments, notes: [note('Xen', 6)] }))().maxPfn).toBe(2);
  });

  it('of a guest', () => {
    expect(open(guest('\0.shstrtab\0.note.Xen\0.xen_prstatus\0.xen_pages\0'))).toThrow(/^x: a dump of a Xen guest/);
    for (const other of [
      guest('\0.shstrtab\0'),
      guest('.xen_pages', { namesAt: 2 ** 40 }),
      guest('.xen_pages', { sections: 1 }),
    ])
      expect(open(other)).toThrow(FormatError);
  });
});
