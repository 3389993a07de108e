import { describe, expect, it } from 'vitest';
import { kdumpFile, type KdumpSpec } from '../../test/builders/kdump-file.ts';
import { elfFile, filledPage } from '../../test/builders/elf-file.ts';
import { limeOf } from '../../test/builders/memory-image.ts';
import { sampleSpec } from '../../test/builders/sample.ts';
import { UsageError } from '../base/errors.ts';
import { memorySource } from '../dump/byte-source.ts';
import { openSource } from '../dump/open.ts';
import { imagePhys } from './bootstrap-image.ts';
import { programOf } from './open.ts';
import type { Program } from './program.ts';

const spec = sampleSpec();
/** As a note has it: what else is found must be the same. */
const truth = open(kdumpFile(spec));

function open(file: Uint8Array): Program {
  return programOf(openSource(memorySource(file), 'sample'));
}

/** Without the note; kernel text of nowhere in memory either when `blank` is set. */
function changed({ blank = false, notes = true } = {}): KdumpSpec {
  const { vmcoreinfo: _, notes: all = [], ...rest } = spec;
  return { ...rest, pages: blank ? blanked(spec.pages, 'OSRELEASE=') : spec.pages, notes: notes ? all : [] };
}

function blanked(pages: ReadonlyMap<number, Uint8Array>, text: string): ReadonlyMap<number, Uint8Array> {
  return new Map(
    [...pages].map(([frame, page]) => {
      const copy = Buffer.from(page);
      for (let at = copy.indexOf(text); at >= 0; at = copy.indexOf(text)) copy.fill('X', at, at + text.length);
      return [frame, copy];
    }),
  );
}

/** The note of a CPU that uses these page tables: QEMUCPUState, with 4 or 5 levels as the sample has. */
function cpuNote(root: bigint): { name: string; type: number; desc: Uint8Array } {
  const desc = Buffer.alloc(440);
  desc.writeUInt32LE(1, 0);
  desc.writeBigUInt64LE(1n << 31n, 392);
  desc.writeBigUInt64LE(root, 416);
  const five = truth.vmcoreinfo.number('pgtable_l5_enabled') === 1n;
  desc.writeBigUInt64LE(five ? 0x1020n : 0x20n, 424);
  return { name: 'QEMU', type: 0, desc };
}

/** What was found, compared with what the note says. */
function expectFound(program: Program, how: RegExp): void {
  expect(program.foundBy).toMatch(how);
  expect(program.problems).toEqual([]);
  expect(program.symbols.kernel.count).toBe(truth.symbols.kernel.count);
  for (const name of ['init_task', 'modules', '_stext', 'runqueues'])
    expect(program.symbol(name)).toEqual(truth.symbol(name));
  expect(program.vmcoreinfo.osRelease).toBe(truth.vmcoreinfo.osRelease);
  expect(program.vmcoreinfo.number('phys_base')).toBe(truth.vmcoreinfo.number('phys_base'));
  expect(program.memory.translate(program.symbol('init_task').address)).toBe(
    truth.memory.translate(truth.symbol('init_task').address),
  );
  // Through page tables, and types.
  expect(program.modules.modules.map(({ name }) => name)).toEqual(truth.modules.modules.map(({ name }) => name));
  expect(program.orcVersion).toBe(truth.orcVersion);
}

describe('a dump without VMCOREINFO', () => {
  const physBase = BigInt.asUintN(64, truth.vmcoreinfo.number('phys_base') ?? 0n);
  const root = imagePhys(truth.symbol('init_top_pgt').address, physBase);

  it('is opened by the page tables of a CPU', () => {
    const notes = [cpuNote(0x5000n), cpuNote(root)];
    const made = changed();
    expectFound(open(kdumpFile({ ...made, notes })), /^kernel found by the page tables of CPU 1, VMCOREINFO read from/);
    const blank = open(kdumpFile({ ...changed({ blank: true }), notes }));
    expectFound(blank, /^kernel found by the page tables of CPU 1$/);
    expect(blank.vmcoreinfo.keys()).not.toContain('SYMBOL(init_uts_ns)');
  });

  it('is opened by the phys_base of its header', () => {
    expectFound(
      open(kdumpFile({ ...changed(), notes: [] })),
      /^kernel found by the file header \(phys_base\), VMCOREINFO/,
    );
  });

  it.each([1, 2])('is opened when its header version, %i, has no place for it', (version) => {
    expectFound(open(kdumpFile({ ...spec, version })), /^kernel found by the file header \(phys_base\), VMCOREINFO/);
  });

  it('is opened by the banner in memory', () => {
    const pages = changed({ blank: true }).pages;
    expectFound(open(limeOf(pages)), /^kernel found by its banner and symbol table in memory$/);
  });

  it('is opened by the text of VMCOREINFO in memory, when the banner is not there', () => {
    const pages = blanked(changed().pages, 'Linux version ');
    const program = open(limeOf(pages));
    expectFound(program, /^kernel found by a search of memory, VMCOREINFO read from memory$/);
  });

  it('is opened although it is the kernel that kdump booted, when the one that crashed is not there', () => {
    const line = truth.memory.readPointer(truth.symbol('saved_command_line').address);
    const at = truth.memory.translate(line);
    const frame = Number(at >> 12n);
    const page = Buffer.from(spec.pages.get(frame) ?? new Uint8Array(4096));
    page.write('elfcorehdr=0x1000000\0', Number(at & 0xfffn), 'latin1');
    const made = changed();
    const notes = [cpuNote(root)];
    const program = open(kdumpFile({ ...made, notes, pages: new Map([...made.pages, [frame, page]]) }));
    expect(program.foundBy).toMatch(/^kernel found by the page tables of CPU 0, VMCOREINFO/);
    expect(program.problems).toEqual([expect.stringContaining('the kernel that kdump booted after a crash')]);
    expect(program.symbol('init_task')).toEqual(truth.symbol('init_task'));
  });

  it('is refused when there is nothing', () => {
    const empty = elfFile({ segments: [{ paddr: 0, data: filledPage(7) }] });
    expect(() => open(empty)).toThrow(UsageError);
    expect(() => open(empty)).toThrow(
      /^no Linux kernel of x86-64 was found in its memory \(ELF vmcore, 1 segments, no/,
    );
    expect(() => open(new Uint8Array(8 << 20))).toThrow('no Linux kernel of x86-64 was found in it as raw memory');
  });
});

describe('a note that does not say enough', () => {
  it('costs nothing but a word when the rest of the dump says it', () => {
    const program = open(kdumpFile({ ...changed(), vmcoreinfo: 'OSRELEASE=damaged\n' }));
    expect(program.problems).toEqual(['VMCOREINFO: does not tell where the kernel page table is']);
    expect(program.vmcoreinfo.osRelease).toBe(truth.vmcoreinfo.osRelease);
    expect(program.symbol('init_task')).toEqual(truth.symbol('init_task'));
  });

  it('does not lead to page tables that do not begin a page', () => {
    const line = /SYMBOL\(init_top_pgt\)=[0-9a-f]+/;
    const damaged = (spec.vmcoreinfo ?? '').replace(line, (found) => `${found.slice(0, -3)}ffc`);
    const program = open(kdumpFile({ ...changed({ blank: true }), vmcoreinfo: damaged }));
    expect(program.problems).toEqual(['VMCOREINFO: names a kernel page table that does not begin a page']);
    expect(program.symbol('init_task')).toEqual(truth.symbol('init_task'));
  });
});
