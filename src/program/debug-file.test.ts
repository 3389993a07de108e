import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { dwarfSections, named } from '../../test/builders/dwarf.ts';
import { buildIdSection, elfImage, symbolSections } from '../../test/builders/elf-image.ts';
import { SAMPLE } from '../../test/builders/sample.ts';
import { tempFolder } from '../../test/builders/temp-folder.ts';
import { UsageError } from '../base/errors.ts';
import { parseVmcoreinfo } from '../debuginfo/vmcoreinfo.ts';
import { checkIdentity, type DebugFile, partPaths } from './debug-file.ts';
import { openProgram } from './open.ts';

/** Build-id that the VMCOREINFO of the sample tells. */
const SAMPLE_ID = idOfSample();
const OTHER_ID = '00112233445566778899aabbccddeeff00112233';
const BANNER = 'Linux version 4.4.0 (someone)';

function idOfSample(): string {
  const program = openProgram(SAMPLE);
  try {
    return program.vmcoreinfo.buildId ?? '';
  } finally {
    program.close();
  }
}

function vmlinux(buildId: string): Uint8Array {
  const types = dwarfSections([
    {
      version: 5,
      root: {
        tag: 0x11,
        attributes: [],
        children: [
          { tag: 0x13, attributes: [named('only_in_vmlinux'), [0x0b, 0x0b, 24]], children: [] },
          // BTF has this one too, and is asked first while it is there.
          { tag: 0x13, attributes: [named('mutex'), [0x0b, 0x0b, 99]], children: [] },
        ],
      },
    },
  ]);
  return elfImage([
    { name: '.rodata', data: Buffer.from(`${BANNER}\n\0`), flags: 2, address: 0xffffffff82000000n },
    buildIdSection(buildId),
    ...symbolSections([{ name: 'linux_banner', value: 0xffffffff82000000n }], 3),
    ...types,
  ]);
}

describe('a vmlinux beside the dump', () => {
  it('gives types, wherever it stands among the files and whatever it is called', () => {
    const file = tempFolder()('core.vmcore');
    writeFileSync(file, vmlinux(SAMPLE_ID));
    for (const [paths, options] of [
      [[SAMPLE, file], {}],
      [[file, SAMPLE], {}],
      [[SAMPLE], { debuginfo: file }],
    ] as const) {
      const program = openProgram(paths, options);
      expect(program.sizeOf('struct only_in_vmlinux')).toBe(24);
      expect(program.sizeOf('struct mutex')).toBe(32);
      expect(program.problems).toEqual([]);
      program.close();
    }
    const alone = openProgram([SAMPLE, file], { without: ['BTF'] });
    expect(alone.sizeOf('struct mutex')).toBe(99);
    expect(alone.problems).toEqual([]);
    alone.close();
  });

  it('of another kernel is refused, with both build-ids and both banners', () => {
    const file = tempFolder()('vmlinux');
    writeFileSync(file, vmlinux(OTHER_ID));
    const open = (): unknown => openProgram([file, SAMPLE]);
    expect(open).toThrow(UsageError);
    expect(open).toThrow(
      `${file}: not of the kernel in the dump: the dump has build-id ${SAMPLE_ID}, "Linux version 6.1.`,
    );
    expect(open).toThrow(`the file has build-id ${OTHER_ID}, "${BANNER}"`);
  });

  it('without debug information, or damaged, is refused', () => {
    const at = tempFolder();
    writeFileSync(at('stripped'), elfImage([buildIdSection(SAMPLE_ID)]));
    expect(() => openProgram([SAMPLE, at('stripped')])).toThrow(/stripped: it has no debug information/);
    writeFileSync(at('cut'), vmlinux(SAMPLE_ID).subarray(0, 100));
    expect(() => openProgram([SAMPLE, at('cut')])).toThrow(UsageError);
    writeFileSync(at('vmlinux'), vmlinux(SAMPLE_ID));
    expect(() => openProgram([SAMPLE, at('vmlinux'), at('stripped')])).toThrow(/one file .* at a time/);
  });

  it('is found by the link of a stripped one', () => {
    const at = tempFolder();
    writeFileSync(at('vmlinux.debug'), vmlinux(SAMPLE_ID));
    const link = Buffer.from('vmlinux.debug\0\0\0\0\0\0\0');
    writeFileSync(at('vmlinux'), elfImage([buildIdSection(SAMPLE_ID), { name: '.gnu_debuglink', data: link }]));
    const program = openProgram([SAMPLE, at('vmlinux')]);
    expect(program.sizeOf('struct only_in_vmlinux')).toBe(24);
    program.close();
  });

  it('alone is no dump', () => {
    expect(partPaths(['/nonexistent']).debug).toBeUndefined();
    const file = tempFolder()('vmlinux');
    writeFileSync(file, vmlinux(SAMPLE_ID));
    expect(() => openProgram(file)).toThrow(UsageError);
  });
});

describe('checkIdentity', () => {
  const file = (buildId: string | undefined, banner: string | undefined): DebugFile => ({
    path: 'vmlinux',
    name: 'vmlinux',
    buildId,
    banner,
    types: { name: '', find: () => [], enumerator: () => undefined, variable: () => undefined, func: () => undefined },
    addressOf: () => undefined,
    lineAt: () => [],
    variablesAt: () => undefined,
    cfiAt: () => undefined,
    close: () => {},
  });
  const dump = (
    release: string,
    buildId: string | undefined,
    banner: string | undefined,
  ): ReturnType<typeof checkIdentity> =>
    checkIdentity(file(OTHER_ID.replace('0', 'f'), BANNER), {
      vmcoreinfo: parseVmcoreinfo(
        Buffer.from(`OSRELEASE=${release}\n${buildId === undefined ? '' : `BUILD-ID=${buildId}\n`}`),
      ),
      banner,
    });

  it('takes the banner where the dump has no build-id', () => {
    expect(dump('4.4.0', undefined, BANNER)).toBeUndefined();
    expect(() => dump('4.4.0', undefined, 'Linux version 4.4.1')).toThrow(UsageError);
    expect(dump('4.4.0', undefined, undefined)).toContain('cannot be told');
  });

  it('warns where the kernel is known to note a wrong build-id, and only there', () => {
    expect(dump('6.1.115', OTHER_ID, BANNER)).toContain('notes a wrong build-id');
    expect(() => dump('6.1.119', OTHER_ID, BANNER)).toThrow(UsageError);
    expect(() => dump('6.1.115', OTHER_ID, 'Linux version 6.1.114')).toThrow(UsageError);
    expect(() => dump('6.5.0', OTHER_ID, BANNER)).toThrow(UsageError);
  });
});
