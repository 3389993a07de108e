/** Symbols of a module: Elf64_Sym[], strings, letters; compared with a slow reading. */
import { openModuleSymbols } from '../../src/debuginfo/module-symbols.ts';
import { FormatError } from '../../src/base/errors.ts';
import type { SymbolTable } from '../../src/debuginfo/symbol.ts';
import type { Base, Field, Parts, Summary } from '../input.ts';
import { Random } from '../random.ts';
import type { Target } from '../target.ts';
import { checkSame } from '../violation.ts';
import { exerciseSymbols } from './symbols.ts';

const WORDS = ['init', 'exit', 'read', '_x', 'nf_', 'table', '.cold', 'cfi', '\x1b[31m'];

function partsOf(random: Random): ReadonlyMap<string, Uint8Array> {
  const count = random.below(12);
  const symtab = Buffer.alloc(count * 24 + (random.chance(0.2) ? random.below(24) : 0));
  const strings = ['\0'];
  let length = 1;
  for (let i = 0; i < count; i++) {
    symtab.writeUInt32LE(random.chance(0.1) ? 0 : length, i * 24);
    symtab[i * 24 + 4] = 0x12;
    symtab.writeUInt16LE(random.chance(0.2) ? 0 : 1, i * 24 + 6);
    symtab.writeBigUInt64LE(0xffffffffc0000000n + BigInt(random.below(64) * 16), i * 24 + 8);
    const name = Array.from({ length: random.between(1, 4) }, () => random.pick(WORDS)).join('');
    strings.push(`${name}\0`);
    length += name.length + 1;
  }
  return new Map([
    ['symtab', new Uint8Array(symtab)],
    ['strtab', Uint8Array.from(Buffer.from(strings.join(''), 'latin1'))],
    ['typetab', Uint8Array.from({ length: count }, () => random.pick([0x74, 0x54, 0x64, 0x62]))],
    // Empty: a kernel before 5.2, without letters.
    ['letters', new Uint8Array(random.below(2))],
  ]);
}

interface ModelSymbol {
  readonly name: string;
  readonly type: string;
  readonly value: bigint;
}

function model(symtab: Uint8Array, strtab: Uint8Array, typetab: Uint8Array | undefined): readonly ModelSymbol[] {
  const view = Buffer.from(symtab);
  const out: ModelSymbol[] = [];
  for (let i = 0; (i + 1) * 24 <= view.length; i++) {
    const start = view.readUInt32LE(i * 24);
    if (view.readUInt16LE(i * 24 + 6) === 0 || start >= strtab.length) continue;
    const [name = ''] = Buffer.from(strtab.subarray(start, start + 512))
      .toString('latin1')
      .split('\0', 1);
    if (name === '') continue;
    const letter = typetab === undefined ? view[i * 24 + 4] : typetab[i];
    // Addresses that a number cannot hold count as none.
    const value = BigInt.asIntN(64, view.readBigUInt64LE(i * 24 + 8));
    const exact = value >= -(2n ** 53n - 1n) && value <= 2n ** 53n - 1n;
    out.push({ name, type: String.fromCharCode(letter ?? 0), value: exact ? BigInt.asUintN(64, value) : 0n });
  }
  return out;
}

function run(parts: Parts): Summary {
  const typetab = parts.get('letters').length === 0 ? undefined : parts.get('typetab');
  const symtab = parts.get('symtab');
  const tooShort = typetab !== undefined && typetab.length < Math.floor(symtab.length / 24);
  let symbols: SymbolTable;
  try {
    symbols = openModuleSymbols('fuzz', symtab, parts.get('strtab'), typetab);
  } catch (error) {
    checkSame('letters are too few', tooShort, error instanceof FormatError);
    throw error;
  }
  checkSame('letters are too few', tooShort, false);
  const wanted = model(symtab, parts.get('strtab'), typetab);
  checkSame('symbols', symbols.count, wanted.length);
  for (const { name, type, value } of wanted) {
    const found = symbols.lookupAll(name);
    checkSame(
      `${name} with its letter and address`,
      found.some((s) => s.type === type && s.address === value),
      true,
    );
    checkSame(`first ${name}`, symbols.lookup(name)?.address, wanted.find((s) => s.name === name)?.value);
  }
  return exerciseSymbols(symbols);
}

function fieldsOf(symtab: Uint8Array): readonly Field[] {
  const fields: Field[] = [];
  for (let at = 0; at + 24 <= symtab.length; at += 24) {
    fields.push({ part: 'symtab', at, size: 4, role: 'offset', group: 'name' });
    fields.push({ part: 'symtab', at: at + 4, size: 1, role: 'kind', group: 'kind' });
    fields.push({ part: 'symtab', at: at + 6, size: 2, role: 'kind', group: 'kind' });
    fields.push({ part: 'symtab', at: at + 8, size: 8, role: 'address', group: 'value' });
  }
  return fields;
}

export const modules: Target = {
  name: 'modules',
  reads: 'symbols of modules (debuginfo/module-symbols)',
  throws: ['format'],
  bases: [{ name: 'modules#', weight: 1 }],
  allocates: { fixed: 2 ** 18, perByte: 64 },
  base(name): Base {
    const parts = partsOf(new Random(name));
    return { parts, fields: fieldsOf(parts.get('symtab') ?? new Uint8Array(0)), run };
  },
};
