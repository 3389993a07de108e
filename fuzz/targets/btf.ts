/**
 * BTF, and split BTF on top of it: every type is resolved and looked through; kinds, names, sizes and members are compared
 * with a plain walk over the records. Lookups by C names go through program/types, as everything above does.
 */
import { type Btf, parseBtf } from '../../src/debuginfo/btf.ts';
import type { CType, NamedKind } from '../../src/debuginfo/type.ts';
import { sizeOf, strip, typeName, Types } from '../../src/program/types.ts';
import { Attempts } from '../attempts.ts';
import type { Base, Field, Parts, Summary } from '../input.ts';
import { modelBtf, type ModelBtf, type ModelRecord, modelString } from '../models/btf-model.ts';
import { randomBtf } from '../models/random-btf.ts';
import { Random } from '../random.ts';
import { Tally } from '../tally.ts';
import type { Target } from '../target.ts';
import { check, checkSame } from '../violation.ts';
import { sampleBtf } from './sample-tables.ts';

const MAX_TYPES = 400;
const KINDS: { readonly [kind: number]: string } = {
  1: 'int',
  2: 'pointer',
  3: 'array',
  4: 'struct',
  5: 'union',
  6: 'enum',
  8: 'typedef',
  9: 'volatile',
  10: 'const',
  11: 'restrict',
  12: 'function',
  13: 'function',
  16: 'float',
  18: 'tag',
  19: 'enum',
};

function exercise(btf: Btf, model: ModelBtf | undefined, parent: ModelBtf | undefined): Summary {
  const attempts = new Attempts();
  const { first, end } = btf.ids;
  if (model !== undefined) checkSame('types', end - first, model.records.length);
  const kinds = new Tally();
  const types = new Types();
  types.add(btf);
  const step = Math.max(1, Math.floor((end - first) / MAX_TYPES));
  for (let id = first; id < end; id += step) {
    const type = attempts.make(() => btf.type(id));
    if (type === undefined) continue;
    kinds.add(type.kind);
    lookThrough(type, types, attempts);
    const record = model?.records[id - first];
    if (record !== undefined && model !== undefined) compare(type, record, model, parent, attempts);
  }
  for (const name of namesOf(model ?? parent, step)) lookUp(btf, types, name, attempts);
  for (const id of [0, end, end + 1, 0xffff_ffff]) attempts.make(() => btf.type(id));
  return [end - first, ...kinds.words, ...attempts.kinds.words];
}

/** Follows references a few steps down and asks everything of what is there. */
function lookThrough(type: CType, types: Types, attempts: Attempts): void {
  let at: CType | undefined = type;
  for (let depth = 0; at !== undefined && depth < 6; depth++) {
    const here: CType = at;
    const size = attempts.make(() => sizeOf(here));
    check(size === undefined || (Number.isSafeInteger(size) && size >= 0), () => `a type of ${size} bytes`);
    const name = attempts.make(() => typeName(here));
    check(name === undefined || name.length < 200_000, () => `the name of a type has ${name?.length} characters`);
    attempts.make(() => strip(here));
    at = attempts.make(() => nextOf(here, types, attempts));
  }
}

function nextOf(type: CType, types: Types, attempts: Attempts): CType | undefined {
  switch (type.kind) {
    case 'pointer':
    case 'typedef':
    case 'const':
    case 'volatile':
    case 'restrict':
    case 'atomic':
    case 'tag':
      return type.target;
    case 'array':
      return type.element;
    case 'function':
      for (const parameter of type.parameters.slice(0, 8)) attempts.make(() => parameter.type);
      return type.result;
    case 'struct':
    case 'union': {
      const members = type.members?.slice(0, 64) ?? [];
      for (const { name, bitOffset, bitSize } of members) {
        check(bitOffset >= 0 && (bitSize ?? 0) >= 0, () => `member ${name} at bit ${bitOffset}, ${bitSize} wide`);
        if (name !== undefined) attempts.make(() => types.tryMember(type, name));
        if (name !== undefined) attempts.make(() => types.tryMember(type, `${name}[1].${name}`));
      }
      return members.at(0)?.type;
    }
    case 'enum':
      for (const { value } of type.enumerators ?? []) check(typeof value === 'bigint', () => 'a value is missing');
      return undefined;
    default:
      return undefined;
  }
}

/** The name at an offset; 'unknown' where it depends on a base that cannot be walked. */
function nameAt(offset: number, model: ModelBtf, parent: ModelBtf | undefined): string | undefined {
  if (offset === 0) return undefined;
  if (parent === undefined) return modelString(model.strings, offset);
  const inParent = offset < parent.strings.length;
  return inParent ? modelString(parent.strings, offset) : modelString(model.strings, offset - parent.strings.length);
}

function compare(
  type: CType,
  record: ModelRecord,
  model: ModelBtf,
  parent: ModelBtf | undefined,
  attempts: Attempts,
): void {
  const { kind, vlen, sizeOrType, extra, flag } = record;
  // A forward declaration is a struct or union; a variable has its type's kind.
  const wanted = kind === 7 ? (flag ? 'union' : 'struct') : KINDS[kind];
  if (wanted === undefined) return;
  checkSame(`kind of record ${kind}`, type.kind, wanted);
  if ('name' in type) {
    const name = nameAt(record.nameOffset, model, parent);
    check(name !== 'outside', () => 'a name outside of the strings was read');
    checkSame('name', type.name ?? '', name ?? '');
  }
  if (kind === 3 && type.kind === 'array') checkSame('elements', type.length, extra[2]);
  if (kind === 4 || kind === 5) {
    if (type.kind !== 'struct' && type.kind !== 'union') return;
    checkSame('size', type.size, sizeOrType);
    const members = attempts.make(() => type.members);
    if (members === undefined) return;
    checkSame('members', members.length, vlen);
    members.forEach((member, i) => {
      const at = extra[i * 3 + 2] ?? 0;
      checkSame('name of a member', member.name, nameAt(extra[i * 3] ?? 0, model, parent));
      if (flag) checkSame('bit offset', member.bitOffset, at & 0xffffff);
      else check(member.bitOffset >= at && member.bitOffset < at + 256, () => `a member at ${member.bitOffset}`);
    });
  }
  if ((kind === 6 || kind === 19) && type.kind === 'enum') {
    const values = attempts.make(() => type.enumerators);
    if (values !== undefined) checkSame('enumerators', values.length, vlen);
  }
  if (kind === 13 && type.kind === 'function') {
    const parameters = attempts.make(() => type.parameters);
    if (parameters !== undefined) checkSame('parameters', parameters.length, vlen);
  }
}

function namesOf(model: ModelBtf | undefined, step: number): readonly string[] {
  const names = new Set<string>(['int', 'task_struct', 'no_such_type']);
  if (model === undefined) return [...names];
  for (let i = 0; i < model.records.length && names.size < 40; i += step) {
    const name = modelString(model.strings, model.records[i]?.nameOffset ?? 0);
    if (name !== undefined) names.add(name);
  }
  return [...names];
}

function lookUp(btf: Btf, types: Types, name: string, attempts: Attempts): void {
  const kinds: readonly NamedKind[] = ['struct', 'union', 'enum', 'typedef', 'int'];
  for (const kind of kinds) {
    for (const type of attempts.make(() => btf.find(kind, name)) ?? []) {
      const same = type.kind === kind || (kind === 'int' && type.kind === 'float');
      check(same, () => `${kind} ${name} is found as ${type.kind}`);
      if ('name' in type) checkSame(`name of ${kind} ${name}`, type.name, name);
    }
  }
  attempts.make(() => btf.func(name));
  attempts.make(() => btf.variable(name));
  const value = attempts.make(() => btf.enumerator(name));
  check(value === undefined || typeof value === 'bigint', () => `enumerator ${name} is ${String(value)}`);
  attempts.make(() => types.tryFind(`struct ${name} *`));
}

function fieldsOf(part: string, bytes: Uint8Array): readonly Field[] {
  const fields: Field[] = [];
  const field = (group: string, at: number, size: Field['size'], role: Field['role']): void => {
    fields.push({ part, at, size, role, group });
  };
  for (const at of [0, 2]) field('magic', at, 1, 'kind');
  field('header', 4, 4, 'length');
  for (const at of [8, 16, 24]) field('header', at, 4, 'offset');
  for (const at of [12, 20, 28]) field('header', at, 4, 'length');
  for (const { at, kind, extra } of modelBtf(bytes)?.records.slice(0, 2000) ?? []) {
    field('name', at, 4, 'offset');
    field('vlen', at + 4, 2, 'count');
    field('kind', at + 7, 1, 'kind');
    field('size or type', at + 8, 4, 'index');
    extra.slice(0, 24).forEach((_, i) => field(`kind ${kind} word ${i % 3}`, at + 12 + i * 4, 4, 'index'));
  }
  return fields;
}

function runPlain(parts: Parts): Summary {
  const bytes = parts.get('btf');
  return exercise(parseBtf(bytes), modelBtf(bytes), undefined);
}

function runSplit(parts: Parts): Summary {
  const [base, bytes] = [parts.get('base'), parts.get('btf')];
  return exercise(parseBtf(bytes, { base: parseBtf(base), name: 'BTF of fuzz' }), modelBtf(bytes), modelBtf(base));
}

export const btf: Target = {
  name: 'btf',
  reads: 'BTF and types by their C names (debuginfo/btf, program/types)',
  throws: ['format'],
  bases: [
    { name: 'btf#', weight: 300 },
    { name: 'sample', weight: 1 },
  ],
  allocates: { fixed: 4 * 2 ** 20, perByte: 64 },
  heap: 512,
  base(name): Base {
    const random = new Random(name);
    const layout = random.chance(0.2) ? Array.from({ length: 20 }, () => [0, 0] as const) : undefined;
    const bytes = name === 'sample' ? sampleBtf() : randomBtf(random).bytes(layout === undefined ? {} : { layout });
    return { parts: new Map([['btf', bytes]]), fields: fieldsOf('btf', bytes), run: runPlain };
  },
};

export const splitBtf: Target = {
  name: 'split-btf',
  reads: 'split BTF of modules (debuginfo/btf)',
  throws: ['format'],
  bases: [{ name: 'split#', weight: 1 }],
  allocates: { fixed: 4 * 2 ** 20, perByte: 64 },
  base(name): Base {
    const random = new Random(name);
    const below = randomBtf(random);
    const base = below.bytes();
    const bytes = randomBtf(random, below).bytes();
    const parts = new Map([
      ['base', base],
      ['btf', bytes],
    ]);
    return { parts, fields: [...fieldsOf('btf', bytes), ...fieldsOf('base', base)], run: runSplit };
  },
};
