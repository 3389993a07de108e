import { describe, expect, it } from 'vitest';
import { PhysicalImage } from '../../test/builders/page-tables.ts';
import { UsageError } from '../base/errors.ts';
import type { DumpFile } from '../dump/dump-file.ts';
import { openProgram, programOf } from './open.ts';

function dumpOf(lines: readonly string[] | undefined, parts: Partial<DumpFile> = {}): DumpFile {
  const vmcoreinfo = lines === undefined ? undefined : Buffer.from(lines.join('\n'));
  return { ...new PhysicalImage().dump(), vmcoreinfo, physBase: undefined, ...parts };
}

describe('a dump that cannot be opened', () => {
  it('says what it lacks', () => {
    expect(() => programOf(dumpOf(undefined))).toThrow(UsageError);
    expect(() => programOf(dumpOf(['OSRELEASE=6.1.0']))).toThrow('VMCOREINFO: does not tell phys_base');
    expect(() => programOf(dumpOf(['NUMBER(phys_base)=0']))).toThrow('where the kernel page table is');
    expect(() => programOf(dumpOf([], { machine: 'aarch64' }))).toThrow('only x86_64 is supported yet');
    expect(() => openProgram('/nonexistent/vmcore')).toThrow(UsageError);
  });

  it('is opened without kallsyms, by the symbols of VMCOREINFO, and says so', () => {
    const lines = [
      'OSRELEASE=6.1.0',
      'SYMBOL(swapper_pg_dir)=ffffffff80010000',
      'SYMBOL(prb)=ffffffff80020000',
      'NUMBER(KERNEL_IMAGE_SIZE)=536870912',
    ];
    const program = programOf(dumpOf(lines, { physBase: 0n }));
    expect(program.problems.join('\n')).toContain('symbol table cannot be read');
    expect(program.symbol('prb').address).toBe(0xffffffff80020000n);
    expect(program.hasSymbol('init_task')).toBe(false);
  });
});
