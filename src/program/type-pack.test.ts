import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Attribute, dwarfSections, named, sleb, typeOf } from '../../test/builders/dwarf.ts';
import { buildIdSection, elfImage, type SectionSpec, symbolSections } from '../../test/builders/elf-image.ts';
import { SAMPLE } from '../../test/builders/sample.ts';
import { tempFolder } from '../../test/builders/temp-folder.ts';
import { KwhyError, UsageError } from '../base/errors.ts';
import { openDebugFile } from './debug-file.ts';
import { openModuleTypes } from './module-types.ts';
import { openProgram } from './open.ts';
import { packTypes, readPack } from './type-pack.ts';
import { typeName } from './types.ts';

const size = (bytes: number): Attribute => [0x0b, 0x0b, bytes];
const ID = '00112233445566778899aabbccddeeff00112233';

/** @param emitRelocs - as a vmlinux that is linked with --emit-relocs, whose relocations have been applied */
function vmlinux(buildId: string, emitRelocs = false): Uint8Array {
  const place = (bytes: number): Attribute => [0x38, 0x0b, bytes];
  const children = [
    { tag: 0x24, label: 'int', attributes: [named('int'), size(4), [0x3e, 0x0b, 5]] },
    { tag: 0x0f, label: 'self', attributes: [size(8), typeOf('node')] },
    { tag: 0x16, label: 'alias', attributes: [named('node_t'), typeOf('node')] },
    { tag: 0x01, label: 'row', attributes: [typeOf('int')], children: [{ tag: 0x21, attributes: [[0x37, 0x0b, 3]] }] },
    {
      tag: 0x13,
      label: 'node',
      attributes: [named('node'), size(32)],
      children: [
        { tag: 0x0d, attributes: [named('next'), typeOf('self'), place(0)] },
        { tag: 0x0d, attributes: [named('flag'), typeOf('int'), [0x0d, 0x0b, 3], [0x6b, 0x0b, 66]] },
        { tag: 0x0d, attributes: [named('row'), typeOf('row'), place(12)] },
      ],
    },
    { tag: 0x13, attributes: [named('hidden'), [0x3c, 0x19]] },
    {
      tag: 0x04,
      attributes: [size(8)],
      children: [
        { tag: 0x28, attributes: [named('LOW'), [0x1c, 0x0d, -5]] },
        { tag: 0x28, attributes: [named('HIGH'), [0x1c, 0x07, 2n ** 40n]] },
      ],
    },
    { tag: 0x34, attributes: [named('head'), typeOf('alias'), [0x3f, 0x19]] },
    {
      tag: 0x2e,
      attributes: [named('walk'), typeOf('int')],
      children: [{ tag: 0x05, attributes: [named('from'), typeOf('self')] }],
    },
  ] as const;
  const sections = [
    buildIdSection(buildId),
    ...dwarfSections([{ version: 5, root: { tag: 0x11, attributes: [], children } }]),
    { name: '.debug_frame', data: debugFrame() },
  ];
  const relocations = emitRelocs ? sections.flatMap((section, i) => relocationsOf(section, i + 1)) : [];
  const all = [...sections, ...relocations];
  return elfImage([...all, ...symbolSections([{ name: '_stext', value: TEXT }], all.length + 1)]);
}

/** A relocation (R_X86_64_32S, of the only symbol) for every four bytes of a section of debug information. */
function relocationsOf({ name, data }: SectionSpec, number: number): SectionSpec[] {
  if (!name.startsWith('.debug_')) return [];
  const table = Buffer.alloc(Math.floor(data.length / 4) * 24);
  for (let i = 0; i * 24 < table.length; i++) {
    table.writeBigUInt64LE(BigInt(i * 4), i * 24);
    table.writeBigUInt64LE((1n << 32n) | 11n, i * 24 + 8);
    table.writeBigInt64LE(0x40n, i * 24 + 16);
  }
  return [{ name: `.rela${name}`, data: table, type: 4, link: number }];
}

const TEXT = 0xffffffff81000000n;

/** One function of 64 bytes at TEXT, that saves rbx behind its first byte. */
function debugFrame(): Uint8Array {
  const u32 = (value: number): number[] => [...Buffer.from(Uint32Array.of(value).buffer)];
  const u64 = (value: bigint): number[] => [...Buffer.from(BigUint64Array.of(value).buffer)];
  const cie = [...u32(0xffffffff), 1, 0, 1, ...sleb(-8), 16, 0x0c, 7, 8, 0x90, 1, 0, 0];
  const fde = [...u32(0), ...u64(TEXT), ...u64(64n), 0x41, 0x0e, 16, 0x83, 2, 0, 0, 0];
  return Uint8Array.from([...u32(cie.length), ...cie, ...u32(fde.length), ...fde]);
}

function packOf(buildId: string, emitRelocs = false): Uint8Array {
  const path = tempFolder()('vmlinux');
  writeFileSync(path, vmlinux(buildId, emitRelocs));
  const file = openDebugFile(path);
  try {
    return packTypes(file);
  } finally {
    file.close();
  }
}

describe('a type pack', () => {
  it('has the types, enumerators, variables and functions of the vmlinux', () => {
    const { types, buildId } = readPack(packOf(ID), 'pack');
    expect(buildId).toBe(ID);
    const [node] = types.find('struct', 'node');
    if (node?.kind !== 'struct') throw new Error('no struct node');
    expect(node.size).toBe(32);
    expect(node.members?.map((each) => [each.name, each.bitOffset, each.bitSize, typeName(each.type)])).toEqual([
      ['next', 0, undefined, 'struct node *'],
      ['flag', 66, 3, 'int'],
      ['row', 96, undefined, 'int[3]'],
    ]);
    expect(types.enumerator('LOW')).toBe(-5n);
    expect(types.enumerator('HIGH')).toBe(2n ** 40n);
    const head = types.variable('head');
    expect(head?.kind === 'typedef' && head.name === 'node_t' && head.target === node).toBe(true);
    expect(types.func('walk')?.parameters.map((each) => typeName(each.type))).toEqual(['struct node *']);
    const [hidden] = types.find('struct', 'hidden');
    expect(hidden?.kind === 'struct' && hidden.members === undefined).toBe(true);
  });

  it('is the same of a vmlinux that keeps relocations: they are applied already, and not again', () => {
    expect(Buffer.compare(packOf(ID, true), packOf(ID))).toBe(0);
  });

  it("has the types that modules add, with the kernel's where they use these", () => {
    const at = tempFolder();
    const place = (bytes: number): Attribute => [0x38, 0x0b, bytes];
    const children = [
      // As the header of the kernel has it, as far as this file needs it.
      { tag: 0x13, label: 'node', attributes: [named('node'), size(32)] },
      { tag: 0x0f, label: 'pointer', attributes: [size(8), typeOf('node')] },
      {
        tag: 0x13,
        attributes: [named('of_module'), size(8)],
        children: [{ tag: 0x0d, attributes: [named('first'), typeOf('pointer'), place(0)] }],
      },
    ];
    const sections = dwarfSections([{ version: 5, root: { tag: 0x11, attributes: [], children } }]);
    writeFileSync(at('vmlinux'), vmlinux(ID));
    writeFileSync(at('module.ko'), elfImage(sections, 1));
    const [file, module] = [openDebugFile(at('vmlinux')), openModuleTypes(at('module.ko'))];
    const { types } = readPack(packTypes(file, [module.types]), 'pack');
    file.close();
    module.close();
    const [added] = types.find('struct', 'of_module');
    expect(added?.kind === 'struct' && added.members?.map(({ name, type }) => [name, typeName(type)])).toEqual([
      ['first', 'struct node *'],
    ]);
    // One alone, and that with its members.
    expect(types.find('struct', 'node').map((each) => each.kind === 'struct' && each.members?.length)).toEqual([3]);
    expect(() => openModuleTypes(at('vmlinux'))).toThrow(/no module/);
  });

  it('has the unwind rules of the vmlinux', () => {
    const { cfi, text } = readPack(packOf(ID), 'pack');
    expect(text).toBe(TEXT);
    const rule = (at: bigint): unknown => {
      const row = cfi()?.lookup(at);
      return row && [row.cfa, row.returnRegister, [...row.saved.keys()]];
    };
    expect(rule(TEXT)).toEqual([{ kind: 'is', base: 7, offset: 8 }, 16, [16]]);
    expect(rule(TEXT + 63n)).toEqual([{ kind: 'is', base: 7, offset: 16 }, 16, [16, 3]]);
    expect(rule(TEXT + 64n)).toBeUndefined();
  });

  it('takes the place of the vmlinux beside its dump, and of no other', () => {
    const at = tempFolder();
    const whole = openProgram(SAMPLE);
    const id = whole.vmcoreinfo.buildId ?? '';
    whole.close();
    writeFileSync(at('types'), packOf(id));
    const program = openProgram([at('types'), SAMPLE], { without: ['BTF'] });
    expect(program.sizeOf('struct node')).toBe(32);
    expect(program.lineAt(program.symbol('schedule').address)).toEqual([]);
    program.close();
    writeFileSync(at('other'), packOf(ID));
    expect(() => openProgram([SAMPLE, at('other')])).toThrow(/not of the kernel in the dump/);
  });

  it('that is damaged is refused', () => {
    const pack = packOf(ID);
    let refused = 0;
    for (let at = 0; at < pack.length; at += 3) {
      const damaged = Buffer.from(pack);
      damaged[at] = 0xff - (damaged[at] ?? 0);
      for (const bytes of [damaged, pack.subarray(0, at)]) {
        try {
          readPack(bytes, 'pack').types.find('struct', 'node');
        } catch (error) {
          if (!(error instanceof KwhyError)) throw error;
          refused++;
        }
      }
    }
    expect(refused).toBeGreaterThan(pack.length / 3);
    const path = tempFolder()('cut');
    writeFileSync(path, pack.subarray(0, pack.length - 20));
    expect(() => openProgram([SAMPLE, path])).toThrow(UsageError);
  });
});
