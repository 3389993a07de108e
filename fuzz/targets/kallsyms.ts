/**
 * The kernel's symbol table, of each era that scripts/kallsyms.c has had, found by VMCOREINFO or by its looks; and the
 * tables of the real sample.
 */
import { add, virt } from '../../src/base/address.ts';
import type { VirtRange } from '../../src/base/memory.ts';
import { openKallsyms } from '../../src/debuginfo/kallsyms.ts';
import { parseVmcoreinfo } from '../../src/debuginfo/vmcoreinfo.ts';
import { buildKallsyms, ERAS, type KallsymsEra, type KallsymsSymbol } from '../../test/builders/kallsyms.ts';
import { PieceMemory } from '../../test/builders/memory.ts';
import type { Base, Field, Parts, Summary } from '../input.ts';
import { Random } from '../random.ts';
import type { Target } from '../target.ts';
import { checkSame } from '../violation.ts';
import { sampleKallsyms } from './sample-tables.ts';
import { exerciseSymbols } from './symbols.ts';

const RODATA = virt(0xffffffff82000000n);
const TEXT = 0xffffffff81000000n;
const WORDS = ['init_', 'sys_', '__x64_', 'alloc', 'lock', 'trace_', 'ops', 'x', 'mutex', '_ops', 'de', '9', '.isra.0'];

function symbolsOf(random: Random, era: KallsymsEra): readonly KallsymsSymbol[] {
  const symbols: KallsymsSymbol[] = [];
  const percpu = era.addresses === 'relative' || era.addresses === 'place-relative' ? 0 : random.below(6);
  // Of a handful that are mostly numbers it is not believed that they are addresses.
  const count = random.pick([12, 40, 256, 257, 300, 520]);
  for (let i = 0; i < percpu; i++) symbols.push({ name: `percpu_${i}`, type: 'A', address: BigInt(i * 64) });
  let address = TEXT;
  symbols.push({ name: '_stext', type: 'T', address });
  while (symbols.length < count) {
    const words = random.chance(0.02) ? (era.longLengths ? 60 : 30) : random.between(1, 4);
    const name = Array.from({ length: words }, () => random.pick(WORDS)).join('');
    symbols.push({ name, type: random.pick(['t', 'T', 'd', 'r', 'b']), address });
    if (random.chance(0.9)) address += BigInt(random.between(1, 40) * 16);
  }
  return symbols;
}

interface Built {
  readonly parts: ReadonlyMap<string, Uint8Array>;
  readonly fields: readonly Field[];
  readonly start: bigint;
  readonly symbols: readonly KallsymsSymbol[] | undefined;
}

function build(name: string): Built {
  const [kind = ''] = name.split('#');
  const random = new Random(name);
  if (kind === 'sample') {
    const { start, bytes, vmcoreinfo, tables } = sampleKallsyms();
    return {
      parts: partsOf(bytes, vmcoreinfo, 0),
      fields: [KNOB, ...tableFields(bytes, start, tables)],
      start,
      symbols: undefined,
    };
  }
  const era: KallsymsEra = ERAS[kind as keyof typeof ERAS];
  const symbols = symbolsOf(random, era);
  const at = add(RODATA, random.below(512) * 8);
  const { bytes, vmcoreinfo, tables } = buildKallsyms(at, symbols, era);
  const text = `OSRELEASE=6.1.0-fuzz\nSYMBOL(_stext)=${TEXT.toString(16)}\n${vmcoreinfo}`;
  // The looks of a table say too little with fewer than two markers.
  const mode = symbols.length > 256 ? random.below(3) : 0;
  return { parts: partsOf(bytes, text, mode), fields: [KNOB, ...tableFields(bytes, at, tables)], start: at, symbols };
}

/** `knobs`: how to find the table (0 by name, 1 by looks, 2 by looks and without `_stext`), and a page that is missing. */
function partsOf(bytes: Uint8Array, vmcoreinfo: string, mode: number): ReadonlyMap<string, Uint8Array> {
  return new Map([
    ['tables', bytes],
    ['vmcoreinfo', Uint8Array.from(Buffer.from(vmcoreinfo, 'latin1'))],
    ['knobs', Uint8Array.of(mode, 255)],
  ]);
}

const KNOB: Field = { part: 'knobs', at: 1, size: 1, role: 'index', group: 'hole' };

/** The tables that `buildKallsyms` made, as fields of a part `tables`. */
export function tableFields(bytes: Uint8Array, start: bigint, tables: ReadonlyMap<string, bigint>): readonly Field[] {
  const fields: Field[] = [];
  const sizes: { readonly [table: string]: readonly [Field['size'], Field['role'], number] } = {
    addresses: [8, 'address', 400],
    offsets: [4, 'offset', 400],
    relative_base: [8, 'address', 1],
    num_syms: [4, 'count', 1],
    names: [1, 'length', 400],
    markers: [4, 'offset', 16],
    token_table: [1, 'value', 400],
    token_index: [2, 'offset', 256],
  };
  for (const [table, at] of tables) {
    const [size, role, count] = sizes[table] ?? [1, 'value', 0];
    const from = Number(at - start);
    for (let i = 0; i < count && from + (i + 1) * size <= bytes.length; i++) {
      fields.push({ part: 'tables', at: from + i * size, size, role, group: table });
    }
  }
  return fields;
}

function baseOf(name: string): Base {
  const { parts, fields, start, symbols } = build(name);
  const run = (changed: Parts, pristine: boolean): Summary => {
    const bytes = changed.get('tables');
    const [mode = 0, hole = 255] = changed.get('knobs');
    const memory = new PieceMemory({ start: virt(start), bytes });
    if (hole < 200) memory.drop(add(virt(start), hole * 4096));
    const ranges = (): readonly VirtRange[] => [{ start: virt(start), end: add(virt(start), bytes.length) }];
    const stext = mode === 1 ? [{ name: '_stext', address: virt(TEXT) }] : [];
    const info = mode === 0 ? parseVmcoreinfo(changed.get('vmcoreinfo')) : undefined;
    const table = openKallsyms(memory, info, ranges, stext);
    checkNames(table, bytes, start);
    if (pristine) checkSame('lost symbols', table.lost, 0);
    if (pristine && symbols !== undefined) checkAll(table, symbols);
    return [name.split('#', 1)[0] ?? '', ...Object.values(table.layout).map(String), ...exerciseSymbols(table)];
  };
  return { parts, fields, texts: ['vmcoreinfo'], run };
}

/** Names put together from tokens as a slow reading of the same place has them; where some are lost, what is left may differ. */
function checkNames(table: ReturnType<typeof openKallsyms>, bytes: Uint8Array, start: bigint): void {
  if (table.lost > 0) return;
  const { names, tokenTable, tokenIndex } = table.place.location;
  const tokens = modelTokens(Buffer.from(bytes), Number(tokenTable - start), Number(tokenIndex - start));
  const { longLengths } = table.layout;
  let at = Number(names - start);
  for (let i = 0; i < Math.min(table.count, 64); i++) {
    let length = bytes[at++] ?? 0;
    if (longLengths && length >= 0x80) length = (length & 0x7f) | ((bytes[at++] ?? 0) << 7);
    const text = [...bytes.subarray(at, at + length)].map((token) => tokens[token] ?? '').join('');
    at += length;
    if (text.length < 2 || text.length > 500) continue;
    checkSame(`${text} is found`, table.lookup(text.slice(1))?.name, text.slice(1));
  }
}

/** By their index, or one after the other where it does not fit them. */
function modelTokens(bytes: Buffer, table: number, index: number): readonly string[] {
  const strings = bytes.toString('latin1', table, index).split('\0');
  const starts: number[] = [];
  let at = 0;
  for (const text of strings) {
    starts.push(at);
    at += text.length + 1;
  }
  const told = starts
    .slice(0, 256)
    .map((_, token) => (index + token * 2 + 2 <= bytes.length ? bytes.readUInt16LE(index + token * 2) : -1));
  // Tokens may be left out by the index, if only each begins behind an end.
  const ends = new Set(starts);
  const rises = told.every(
    (begin, token) => ends.has(begin) && (token === 0 ? begin === 0 : begin > (told[token - 1] ?? 0)),
  );
  const used = rises && told.length === 256 ? told : starts.slice(0, 256);
  return used.map((begin) => bytes.toString('latin1', table + begin, index).split('\0', 1)[0] ?? '');
}

function checkAll(table: ReturnType<typeof openKallsyms>, symbols: readonly KallsymsSymbol[]): void {
  checkSame('symbols', table.count, symbols.length);
  const first = new Map<bigint, string>();
  for (const { name, type, address } of symbols) {
    const found = table.lookupAll(name).some((entry) => entry.address === address && entry.type === type);
    checkSame(`${type} ${name} at ${address.toString(16)}`, found, true);
    if (!first.has(address)) first.set(address, name);
  }
  for (const [address, name] of first) {
    if (address >= 1n << 63n) checkSame(`the name at ${address.toString(16)}`, table.at(virt(address))?.name, name);
  }
}

export const kallsyms: Target = {
  name: 'kallsyms',
  reads: `kallsyms of ${Object.keys(ERAS).join(', ')} (debuginfo/kallsyms)`,
  throws: ['format', 'fault'],
  bases: [...Object.keys(ERAS).map((era) => ({ name: `${era}#`, weight: 100 })), { name: 'sample', weight: 1 }],
  // Whatever can be looked through before the tables, for some guesses of where they are.
  allocates: { fixed: 64 * 2 ** 20, perByte: 256 },
  heap: 512,
  base: baseOf,
};
