import { describe, expect, it } from 'vitest';
import { PhysicalImage } from '../../test/builders/page-tables.ts';
import { FormatError, UsageError } from '../base/errors.ts';
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

  it('has no symbols that can be read', () => {
    const lines = ['SYMBOL(swapper_pg_dir)=ffffffff80010000', 'NUMBER(KERNEL_IMAGE_SIZE)=536870912'];
    const open = (): unknown => programOf(dumpOf(lines, { physBase: 0n }));
    expect(open).toThrow(FormatError);
    expect(open).toThrow('symbol table cannot be read');
  });
});
