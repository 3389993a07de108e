import { describe, expect, it } from 'vitest';
import { elfFile, filledPage } from '../../test/builders/elf-file.ts';
import { kdumpFile } from '../../test/builders/kdump-file.ts';
import { memorySource } from './byte-source.ts';
import type { DumpFile } from './dump-file.ts';
import { erasedProblems } from './erased.ts';
import { openSource } from './open.ts';

/** As makedumpfile 1.7.8 wrote it for two rules. */
const REAL = 'erase saved_command_line size 38\nerase init_uts_ns.name.nodename size 65\n';
const TOLD =
  'erased on purpose by makedumpfile, so that what stands there is not what was: saved_command_line, init_uts_ns.name.nodename';

const open = (bytes: Uint8Array): DumpFile => openSource(memorySource(bytes), 'x');
const note = (text: string): { name: string; type: number; desc: Uint8Array } => ({
  name: 'ERASEINFO',
  type: 0,
  desc: Buffer.from(text, 'latin1'),
});

/** A kdump file with this text as its erase information, which the sub header places behind everything else. */
function kdumpWith(text: string, place?: readonly [number, number]): Uint8Array {
  const made = kdumpFile({ maxPfn: 10, pages: new Map([[1, filledPage(1)]]) });
  const file = Buffer.concat([made, Buffer.from(text, 'latin1')]);
  const [at, size] = place ?? [made.length, text.length];
  file.writeBigUInt64LE(BigInt(at), 4096 + 64);
  file.writeBigUInt64LE(BigInt(size), 4096 + 72);
  return file;
}

describe('erased data', () => {
  it('is told, of kdump and ELF files alike', () => {
    const segments = [{ paddr: 0x1000, data: filledPage(1) }];
    expect(open(elfFile({ segments, notes: [note(REAL)] })).problems).toEqual([TOLD]);
    expect(open(kdumpWith(REAL)).problems).toEqual([TOLD]);
  });

  it('is one of the notes, so that whoever copies them keeps it', () => {
    const [kept] = open(kdumpWith(REAL)).notes;
    expect([kept?.name, Buffer.from(kept?.desc ?? []).toString()]).toEqual(['ERASEINFO', REAL]);
    expect(open(kdumpFile({ maxPfn: 10, pages: new Map(), notes: [note(REAL)] })).problems).toEqual([TOLD]);
  });

  it('is counted when there is much, and cannot say what it likes', () => {
    const many = Array.from({ length: 300 }, (_, i) => `erase list[${i}].secret size 8`).join('\n');
    expect(erasedProblems([note(many)])).toEqual([
      'erased on purpose by makedumpfile, so that what stands there is not what was: ' +
        'list[0].secret, list[1].secret, list[2].secret, list[3].secret, list[4].secret and 295 more',
    ]);
    expect(erasedProblems([note('erase \x1b[31mred\x07 size 1\n')])[0]).toMatch(/: \?\[31mred\?$/);
    for (const text of ['', '\0erase a size 1', 'nothing', '\xff'.repeat(100)])
      expect(erasedProblems([note(text)])).toEqual([]);
  });

  it('that lies behind the end of the file costs a word', () => {
    expect(open(kdumpWith('', [1 << 20, 100])).problems).toEqual([
      'erase information (100 bytes at 1048576) lies behind the end of the file',
    ]);
    expect(open(kdumpWith('', [8, 2 ** 52])).problems.join()).toContain('lies behind the end of the file');
  });
});

it('unused page structures that were left out are named', () => {
  const file = (status: number): DumpFile => open(kdumpFile({ maxPfn: 10, pages: new Map(), dumpLevel: 31, status }));
  expect(file(0x10).description).toBe(
    'kdump-compressed v6, uncompressed, dump level 31, without unused page structures',
  );
  expect(file(0).description).not.toContain('page structures');
  expect([file(0x10).problems, file(0x18).problems.length]).toEqual([[], 1]);
});
