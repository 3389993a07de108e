/**
 * DWARF 2 to 5 as a compiler writes it (fuzz/bases/dwarf.c): types by name, lines and inlined functions by address, unwind
 * rules, and all types written as a type pack and read again. Sections are changed one by one, and the whole file with its
 * headers and compressed sections. What the sound files hold is known from the source and from pahole and addr2line.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BtfWriter } from '../../src/debuginfo/btf-writer.ts';
import { parseBtf } from '../../src/debuginfo/btf.ts';
import { openCfi } from '../../src/debuginfo/dwarf/cfi-sections.ts';
import { DwarfLines } from '../../src/debuginfo/dwarf/dwarf-lines.ts';
import { DwarfVariables } from '../../src/debuginfo/dwarf/dwarf-variables.ts';
import { locate, type Surroundings } from '../../src/debuginfo/dwarf/expression.ts';
import { DwarfTypes } from '../../src/debuginfo/dwarf/dwarf-types.ts';
import { ElfImage } from '../../src/debuginfo/elf-image.ts';
import { RelocatedImage } from '../../src/debuginfo/relocated-image.ts';
import { ImageBuffer } from '../../src/debuginfo/image-file.ts';
import type { CType, NamedKind } from '../../src/debuginfo/type.ts';
import { sizeOf, Types, typeName } from '../../src/program/types.ts';
import { elfImage, type SectionSpec } from '../../test/builders/elf-image.ts';
import type { Base, Field, Parts, Summary } from '../input.ts';
import { Attempts } from '../attempts.ts';
import { Tally } from '../tally.ts';
import type { Target } from '../target.ts';
import { check, checkSame } from '../violation.ts';

const FOLDER = join(import.meta.dirname, '../bases');
const KINDS: readonly NamedKind[] = ['struct', 'union', 'enum', 'typedef', 'int'];
const NAMES = ['node', 'list', 'bits', 'state', 'wide', 'hidden', 'empty', 'ulong_t', 'node_ref', 'int', 'no_such'];
/** Entries that one execution looks through, at most: types may nest in all ways. */
const MAX_LOOKS = 4000;
const CODE = { start: 0xffffffff81000000n, end: 0xffffffff81000120n };

function lookThrough(type: CType, types: Types, attempts: Attempts, depth = 0): void {
  if (depth > 6 || ++attempts.looks > MAX_LOOKS) return;
  const size = attempts.make(() => sizeOf(type));
  check(size === undefined || (Number.isSafeInteger(size) && size >= 0), () => `a type of ${size} bytes`);
  const name = attempts.make(() => typeName(type));
  check(name === undefined || name.length < 200_000, () => `the name of a type has ${name?.length} characters`);
  const next = (get: () => CType): void => {
    const found = attempts.make(get);
    if (found !== undefined) lookThrough(found, types, attempts, depth + 1);
  };
  switch (type.kind) {
    case 'pointer':
    case 'typedef':
    case 'const':
    case 'volatile':
    case 'restrict':
    case 'atomic':
    case 'tag':
      return next(() => type.target);
    case 'array':
      check(type.length >= 0 && Number.isSafeInteger(type.length), () => `an array of ${type.length}`);
      return next(() => type.element);
    case 'function':
      for (const parameter of attempts.make(() => type.parameters)?.slice(0, 8) ?? []) next(() => parameter.type);
      return next(() => type.result);
    case 'struct':
    case 'union':
      for (const member of attempts.make(() => type.members)?.slice(0, 64) ?? []) {
        const { name: called, bitOffset, bitSize } = member;
        check(bitOffset >= 0 && (bitSize ?? 0) >= 0, () => `member ${called} at bit ${bitOffset}, ${bitSize} wide`);
        if (called !== undefined) attempts.make(() => types.tryMember(type, called));
        next(() => member.type);
      }
      return undefined;
    case 'enum':
      for (const { value } of attempts.make(() => type.enumerators) ?? [])
        check(typeof value === 'bigint', () => 'a value is missing');
      return undefined;
    default:
      return undefined;
  }
}

/** Every register and every word of memory has a value. */
const NOWHERE: Surroundings = {
  register: (number) => BigInt(number) << 12n,
  cfa: 0xffff_c900_0000_0000n,
  frameBase: () => 0xffff_c900_0000_0000n,
  read: (address, size) => BigInt.asUintN(size * 8, address),
  slide: 0n,
  indexed: BigInt,
};

/** From the source, as pahole 1.32 prints it. */
function checkSound(source: DwarfTypes, lines: DwarfLines): void {
  const [node] = source.find('struct', 'node');
  check(node?.kind === 'struct', () => 'struct node is not found');
  if (node?.kind !== 'struct') return;
  checkSame('size of struct node', node.size, 136);
  const members = (node.members ?? []).map(({ name, bitOffset, bitSize }) => `${name} ${bitOffset} ${bitSize}`);
  checkSame(
    'members',
    members.join(),
    [
      ['list', 0],
      ['state', 128],
      ['bits', 160],
      [undefined, 192],
      ['name', 256],
      ['grid', 384],
      ['call', 768],
      ['on', 832],
      ['weight', 896],
      ['unknown', 960],
      ['flags', 1024, 40],
      ['tail', 1064],
    ]
      .map(([name, offset, size]) => `${name} ${offset} ${size}`)
      .join(),
  );
  checkSame('WIDE', source.enumerator('WIDE'), 0x123456789abcdefn);
  checkSame('DEAD', source.enumerator('DEAD'), -1n);
  const [frame] = lines.at(0xffffffff810000f0n);
  checkSame('the line of start', `${frame?.func} ${frame?.line}`, `start ${frame?.line}`);
  check(frame?.file?.endsWith('dwarf.c') === true, () => `the file of start is ${frame?.file}`);
}

function exercise(bytes: Uint8Array, pristine: boolean, isModule = false): Summary {
  const file = new ElfImage(new ImageBuffer(bytes), 'vmlinux');
  const attempts = new Attempts();
  attempts.make(() => file.buildId);
  attempts.make(() => file.debugLink);
  const symbols = attempts.make(() => file.symbols());
  attempts.make(() => symbols?.find('start')?.address);
  const image = isModule ? new RelocatedImage(file, basesOf(file)) : file;
  const cfi = attempts.make(() => openCfi(image));
  const source = new DwarfTypes(image);
  const lines = new DwarfLines(source.info);
  if (pristine) checkSound(source, lines);
  const types = new Types();
  types.add(source);
  const kinds = new Tally();
  for (const name of [...NAMES, ...[...(attempts.make(() => source.typeNames()) ?? [])].slice(0, 30)])
    for (const kind of KINDS)
      for (const type of attempts.make(() => source.find(kind, name)) ?? []) {
        kinds.add(type.kind);
        lookThrough(type, types, attempts);
      }
  for (const name of ['first', 'wide', 'table', 'no_such']) attempts.make(() => source.variable(name));
  for (const name of ['work', 'start', 'no_such']) attempts.make(() => source.func(name));
  const variables = new DwarfVariables(source, lines);
  const places = new Tally();
  let inlined = 0;
  let rules = 0;
  for (let pc = CODE.start - 8n; pc < CODE.end; pc += 7n) {
    const frames = attempts.make(() => lines.at(pc)) ?? [];
    check(frames.length < 1000, () => `${frames.length} functions at ${pc.toString(16)}`);
    for (const { line } of frames) check(line === undefined || line > 0, () => `line ${line}`);
    inlined += Math.max(0, frames.length - 1);
    for (const { variables: found } of attempts.make(() => variables.at(pc))?.functions ?? [])
      for (const variable of found) {
        attempts.make(() => sizeOf(variable.type()));
        const at = attempts.make(() => locate(variable.expression ?? new Uint8Array(0), NOWHERE));
        places.add(at?.kind ?? 'nowhere');
      }
    if (attempts.make(() => cfi?.lookup(pc)) !== undefined) rules++;
  }
  if (pristine) check(inlined > 10 && rules > 10, () => `${inlined} inlined functions, ${rules} unwind rules`);
  const packed = attempts.make(() => {
    const writer = new BtfWriter();
    source.writeTo(writer);
    return parseBtf(writer.bytes(), { name: 'pack' });
  });
  if (pristine) {
    const [node] = packed?.find('struct', 'node') ?? [];
    checkSame('size of struct node in a pack', node?.kind === 'struct' ? node.size : undefined, 136);
  }
  return [inlined, rules, ...kinds.words, ...places.words, ...attempts.kinds.words];
}

/** Where a linker has put the sections of the other files. */
function basesOf(file: ElfImage): ReadonlyMap<number, bigint> {
  return new Map(file.sections.map(({ name }, number) => [number, name === '.text' ? CODE.start : 0n]));
}

/** Headers of units are few among so many bytes: they have a chance of their own. */
function fieldsOf(part: string, bytes: Uint8Array): readonly Field[] {
  const fields: Field[] = [];
  const header = Math.min(bytes.length, 32);
  for (let at = 0; at + 4 <= header; at += 2) fields.push({ part, at, size: 4, role: 'length', group: `${part} head` });
  for (let at = 0; at < header; at++) fields.push({ part, at, size: 1, role: 'kind', group: `${part} head byte` });
  for (let at = 0; at < bytes.length; at++) fields.push({ part, at, size: 1, role: 'kind', group: `${part} byte` });
  for (let at = 0; at + 4 <= bytes.length; at++)
    fields.push({ part, at, size: 4, role: 'offset', group: `${part} word` });
  return fields;
}

function bytesOf(name: string): Uint8Array {
  return new Uint8Array(readFileSync(join(FOLDER, `${name}.${name.endsWith('-module') ? 'o' : 'elf'}`)));
}

function sectionsOf(version: string): Base {
  const image = new ElfImage(new ImageBuffer(bytesOf(`dwarf-${version}`)), version);
  const others: SectionSpec[] = [];
  const parts = new Map<string, Uint8Array>();
  const addresses = new Map<string, bigint>();
  for (const { name, type, flags, address, link } of image.sections) {
    if (name === '' || name === '.shstrtab' || type === 8) continue;
    const data = image.read(name) ?? new Uint8Array(0);
    if (/^\.(?:debug_|eh_frame)/.test(name)) {
      parts.set(name, data);
      addresses.set(name, address);
    } else others.push({ name, data, type, flags: Number(flags), address, link });
  }
  // `link` counts sections: those that are linked stand where they stood.
  const loaded = others.filter(({ type }) => type !== 2 && type !== 3).map((section) => ({ ...section, link: 0 }));
  const fields = [...parts].flatMap(([name, bytes]) => fieldsOf(name, bytes));
  const run = (changed: Parts, pristine: boolean): Summary => {
    const debug = [...parts.keys()].map((name) => ({
      name,
      data: changed.get(name),
      address: addresses.get(name) ?? 0n,
      flags: name === '.eh_frame' ? 2 : 0,
    }));
    return exercise(elfImage([...loaded, ...debug]), pristine);
  };
  return { parts, fields, run };
}

function fileOf(name: string): Base {
  const bytes = bytesOf(`dwarf-${name}`);
  const headers = bytes.length - 64 * 24;
  const within = (from: number, to: number): readonly Field[] =>
    fieldsOf('file', bytes.subarray(from, to)).map((field) => ({ ...field, at: field.at + from }));
  const tables = new ElfImage(new ImageBuffer(bytes), name).sections.filter((section) =>
    section.name.startsWith('.rela'),
  );
  const fields = [
    ...within(0, 64),
    ...within(headers, bytes.length),
    ...tables.flatMap(({ offset, size }) => within(offset, offset + size)),
  ];
  return {
    parts: new Map([['file', bytes]]),
    fields,
    run: (parts, pristine) => exercise(parts.get('file'), pristine, name.endsWith('-module')),
  };
}

export const dwarf: Target = {
  name: 'dwarf',
  reads: 'DWARF 2 to 5: types, lines, inlined functions, unwind rules, and type packs of them (debuginfo/dwarf)',
  throws: ['format'],
  bases: [
    { name: 'sections 2', weight: 2 },
    { name: 'sections 3', weight: 1 },
    { name: 'sections 4', weight: 3 },
    { name: 'sections 5', weight: 4 },
    { name: 'file 5', weight: 1 },
    { name: 'file 5-zlib', weight: 1 },
    { name: 'file 4-zdebug', weight: 1 },
    { name: 'file 5-module', weight: 2 },
  ],
  base: (name) => (name.startsWith('file ') ? fileOf(name.slice(5)) : sectionsOf(name.slice('sections '.length))),
  allocates: { fixed: 16 << 20, perByte: 64 },
};
