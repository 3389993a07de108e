import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { add, virt } from '../base/address.ts';
import { FaultError, FormatError, isDataError } from '../base/errors.ts';
import { buildKallsyms, ERAS, type KallsymsEra, type KallsymsSymbol } from '../../test/builders/kallsyms.ts';
import { PieceMemory } from '../../test/builders/memory.ts';
import { type Kallsyms, openKallsyms } from './kallsyms.ts';
import { parseVmcoreinfo } from './vmcoreinfo.ts';

const TEXT = 0xffffffff81000000n;
const RODATA = virt(0xffffffff81e00008n);
const STEXT = { name: '_stext', address: virt(TEXT) };

/** A small kernel: per-CPU symbols where the era has them, text with aliases and equal names, data. */
function symbolsOf(era: KallsymsEra, count = 1500): readonly KallsymsSymbol[] {
  const hasPerCpu = era.addresses === 'absolute-percpu';
  const perCpu = hasPerCpu
    ? [0n, 0x1000n, 0x34000n].map((address, i) => ({ name: `percpu_${i}`, type: 'A', address }))
    : [];
  const text = Array.from({ length: count }, (_, i) => ({
    name: i % 100 === 7 ? '__func__' : `${i % 3 === 0 ? 'init_' : 'do_trace_'}lock_${i}`,
    type: i % 5 === 0 ? 't' : 'T',
    address: TEXT + 0x100n + BigInt(i) * 0x20n,
  }));
  const long = 'x'.repeat(era.longLengths ? 300 : 250);
  return [
    ...perCpu,
    { name: '_stext', type: 'T', address: TEXT },
    { name: '_text', type: 'T', address: TEXT },
    ...text,
    { name: 'sys_read', type: 'T', address: TEXT + 0x20000n },
    { name: long, type: 'd', address: TEXT + 0x20010n },
    { name: '_end', type: 'B', address: TEXT + 0x20020n },
  ];
}

function expectSame(kallsyms: Kallsyms, symbols: readonly KallsymsSymbol[]): void {
  const read = [...kallsyms.entries()].map(({ name, type, address }) => ({ name, type, address }));
  expect(read).toEqual(symbols.map(({ name, type, address }) => ({ name, type, address })));
  expect(kallsyms.count).toBe(symbols.length);
}

/** What a function throws. */
function outcome(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error;
  }
}

describe.each(Object.entries(ERAS))('kallsyms as of %s', (_, era) => {
  const symbols = symbolsOf(era);
  const built = buildKallsyms(RODATA, symbols, era);
  const vmcoreinfo = parseVmcoreinfo(Buffer.from(`SYMBOL(_stext)=${TEXT.toString(16)}\n${built.vmcoreinfo}`, 'latin1'));
  // Bytes before and behind, so that scans can look beyond the tables.
  const padded = {
    start: add(RODATA, -64),
    bytes: Buffer.concat([Buffer.alloc(64, 0xee), built.bytes, Buffer.alloc(64)]),
  };

  test('is read where VMCOREINFO says', () => {
    const kallsyms = openKallsyms(new PieceMemory(padded), vmcoreinfo);
    expectSame(kallsyms, symbols);
    expect(kallsyms.layout).toEqual({
      addresses: era.addresses,
      markerSize: era.markerSize,
      longLengths: era.longLengths,
    });
  });

  test('is found by its looks, with and without a known symbol', () => {
    const memory = new PieceMemory(padded);
    expectSame(
      openKallsyms(memory, undefined, () => memory.ranges, [STEXT]),
      symbols,
    );
    expectSame(
      openKallsyms(memory, undefined, () => memory.ranges),
      symbols,
    );
  });

  test('answers by name and by address', () => {
    const kallsyms = openKallsyms(new PieceMemory(padded), vmcoreinfo);
    expect(kallsyms.lookup('sys_read')).toEqual({
      name: 'sys_read',
      address: TEXT + 0x20000n,
      size: 16,
      type: 'T',
      module: undefined,
    });
    expect(kallsyms.lookup('read')).toBeUndefined();
    expect(kallsyms.lookup('sys_rea')).toBeUndefined();
    expect(kallsyms.lookup('')).toBeUndefined();
    const equal = symbols.filter(({ name }) => name === '__func__').map(({ address }) => address);
    expect(equal.length).toBeGreaterThan(10);
    expect(kallsyms.lookupAll('__func__').map(({ address }) => address)).toEqual(equal);
    expect(kallsyms.lookup('__func__')?.address).toBe(equal[0]);
    expect(kallsyms.at(virt(TEXT))?.name).toBe('_stext');
    expect(kallsyms.at(virt(TEXT + 0x100n + 32n * 3n + 31n))?.name).toBe('init_lock_3');
    expect(kallsyms.at(virt(TEXT - 1n))).toBeUndefined();
    expect(kallsyms.at(virt(0x1004n))).toBeUndefined();
  });

  test('asked again, also after more names than are remembered, it says the same', () => {
    const kallsyms = openKallsyms(new PieceMemory(padded), vmcoreinfo);
    const answers = (): unknown => [
      ...['sys_read', '__func__', '_text', 'read'].map((name) => kallsyms.lookup(name)),
      ...[TEXT, TEXT + 0x20008n, TEXT - 1n].map((address) => kallsyms.at(virt(address))),
    ];
    const first = answers();
    expect(answers()).toEqual(first);
    for (let i = 0; i < 20_000; i++) kallsyms.lookup(`no_such_symbol_${i}`);
    expect(answers()).toEqual(first);
  });

  test('a table that gives a known symbol another address is refused', () => {
    const other = { name: '_stext', address: virt(TEXT + 0x200000n) };
    expect(() => openKallsyms(new PieceMemory(padded), vmcoreinfo, () => [], [other])).toThrow(FormatError);
  });

  test('damage gives symbols or a typed error, within bounds', () => {
    const small = symbolsOf(era, 600);
    const sound = buildKallsyms(RODATA, small, era);
    const info = parseVmcoreinfo(Buffer.from(sound.vmcoreinfo, 'latin1'));
    const bytes = fc.array(
      fc.record({ at: fc.nat({ max: sound.bytes.length - 1 }), value: fc.constantFrom(0, 1, 0x7f, 0x80, 0xff) }),
      { minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(bytes, fc.boolean(), (changes, scan) => {
        const damaged = sound.bytes.slice();
        for (const { at, value } of changes) damaged[at] = value;
        const memory = new PieceMemory({ start: RODATA, bytes: damaged });
        const open = (): unknown => {
          const kallsyms = openKallsyms(memory, scan ? undefined : info, () => memory.ranges);
          kallsyms.lookup('sys_read');
          for (const { address } of kallsyms.entries()) kallsyms.at(address);
          return undefined;
        };
        expect(outcome(open)).toSatisfy((error) => error === undefined || isDataError(error));
      }),
      { numRuns: 40 },
    );
  });
});

describe('openKallsyms', () => {
  const era = ERAS['6.1'];
  const symbols = symbolsOf(era);
  const built = buildKallsyms(RODATA, symbols, era);
  const piece = { start: RODATA, bytes: built.bytes };

  test('falls back to looking when VMCOREINFO is cut off or wrong', () => {
    const memory = new PieceMemory(piece);
    const cut = parseVmcoreinfo(Buffer.from(`SYMBOL(kallsyms_names)=${RODATA.toString(16)}\n`));
    expect(openKallsyms(memory, cut, () => memory.ranges).count).toBe(symbols.length);
    const wrong = parseVmcoreinfo(
      Buffer.from(built.vmcoreinfo.replace(/(kallsyms_names\)=\w+)\w/, (_, start: string) => `${start}1`)),
    );
    expect(openKallsyms(memory, wrong, () => memory.ranges).count).toBe(symbols.length);
  });

  test('finds a table with nothing readable before it', () => {
    const start = virt(0xffffffff81e00000n);
    const small = symbolsOf(ERAS['7.2'], 600);
    const memory = new PieceMemory({ start, bytes: buildKallsyms(start, small, ERAS['7.2']).bytes });
    expect(openKallsyms(memory, undefined, () => memory.ranges, [STEXT]).count).toBe(small.length);
  });

  test.each([257, 300, 513])('of %d names as long as each other all are found, by the looks', (count) => {
    // One name further on, and four bytes, everything looks alike.
    const symbols = Array.from({ length: count }, (_, i) => ({
      name: `${String.fromCharCode(0x41 + Math.floor(i / 26))}${String.fromCharCode(0x41 + (i % 26))}`,
      type: 'T',
      address: TEXT + BigInt(i) * 16n,
    }));
    for (const era of Object.values(ERAS)) {
      const built = buildKallsyms(RODATA, symbols, era);
      const ranges = [{ start: RODATA, end: add(RODATA, built.bytes.length) }];
      const memory = new PieceMemory({ start: RODATA, bytes: built.bytes });
      expectSame(
        openKallsyms(memory, undefined, () => ranges),
        symbols,
      );
    }
  });

  test('passes over missing pages and other copies', () => {
    const copy = { start: virt(0xffffffff81d00000n), bytes: built.bytes.slice() };
    // A copy whose address table says something else: base moved by 2 MiB.
    const baseAt = Number((built.tables.get('relative_base') ?? 0n) - RODATA);
    copy.bytes[baseAt + 2] = (copy.bytes[baseAt + 2] ?? 0) ^ 0x20;
    const memory = new PieceMemory(copy, piece);
    const range = { start: virt(0xffffffff81c00000n), end: add(RODATA, built.bytes.length + 0x100000) };
    const kallsyms = openKallsyms(memory, undefined, () => [range], [STEXT]);
    expect(kallsyms.lookup('_stext')?.address).toBe(TEXT);
  });

  test('no table at all is a FormatError', () => {
    const memory = new PieceMemory({ start: RODATA, bytes: new Uint8Array(0x8000) });
    expect(() => openKallsyms(memory, undefined, () => memory.ranges)).toThrow(FormatError);
    expect(() => openKallsyms(memory, undefined)).toThrow(FormatError);
  });

  test('a table of whose names nearly all are missing is a FaultError', () => {
    const info = parseVmcoreinfo(Buffer.from(built.vmcoreinfo));
    const memory = new PieceMemory(piece);
    const names = built.tables.get('names') ?? RODATA;
    const end = built.tables.get('token_table') ?? RODATA;
    for (let at = add(names, 4096); at < end; at = add(at, 4096)) memory.drop(at);
    expect(() => openKallsyms(memory, info)).toThrow(FaultError);
  });

  test('a damaged name that begins with a token for nothing is found by the rest of it', () => {
    const bytes = built.bytes.slice();
    const namesAt = Number((built.tables.get('names') ?? 0n) - RODATA);
    // 0xff stands for nothing in these tables: the name loses its first token, its letter is that of the second.
    bytes[namesAt + 1] = 0xff;
    const kallsyms = openKallsyms(
      new PieceMemory({ start: RODATA, bytes }),
      parseVmcoreinfo(Buffer.from(built.vmcoreinfo)),
    );
    const [first] = kallsyms.entries();
    expect(first?.name.length).toBeLessThan(symbols[0]?.name.length ?? 0);
    expect(symbols[0]?.name.endsWith(`${first?.type}${first?.name}`)).toBe(true);
    expect(kallsyms.lookup(first?.name ?? '')).toEqual(first);
  });

  test('a count without end is refused before anything is allocated', () => {
    const bytes = built.bytes.slice();
    const countAt = Number((built.tables.get('num_syms') ?? 0n) - RODATA);
    bytes.fill(0xff, countAt, countAt + 4);
    const memory = new PieceMemory({ start: RODATA, bytes });
    const info = built.vmcoreinfo.replace(/SYMBOL\(kallsyms_relative_base\).*\n/, '');
    expect(() => openKallsyms(memory, parseVmcoreinfo(Buffer.from(info)))).toThrow(FormatError);
    expect(memory.bytesRead).toBeLessThan(1 << 16);
  });

  test('a damaged count is told by the room between the offsets and their base', () => {
    const bytes = built.bytes.slice();
    const countAt = Number((built.tables.get('num_syms') ?? 0n) - RODATA);
    bytes.fill(0xff, countAt, countAt + 4);
    const memory = new PieceMemory({ start: RODATA, bytes });
    const kallsyms = openKallsyms(memory, parseVmcoreinfo(Buffer.from(built.vmcoreinfo)));
    expect(kallsyms.lookup('sys_read')?.address).toBe(TEXT + 0x20000n);
    // Padding may look like one more.
    expect(kallsyms.count - symbols.length).toBeLessThanOrEqual(1);
  });
});
