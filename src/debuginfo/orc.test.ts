import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { add, virt, type VirtAddr } from '../base/address.ts';
import { FaultError, FormatError } from '../base/errors.ts';
import type { MemoryReader } from '../base/memory.ts';
import { BtfBuilder } from '../../test/builders/btf.ts';
import { PieceMemory } from '../../test/builders/memory.ts';
import { parseBtf } from './btf.ts';
import { decodeOrcEntry, detectOrcVersion, OrcTable, type OrcVersion } from './orc.ts';
import type { SymbolTable } from './symbol.ts';

const TEXT = virt(0xffffffff81000000n);
const IP = virt(0xffffffff82000000n);
const ENTRIES = virt(0xffffffff82100000n);
const HEADER = virt(0xffffffff82200000n);

const entry = (spOffset: number, bpOffset: number, flags: number): Uint8Array => {
  const bytes = Buffer.alloc(6);
  bytes.writeInt16LE(spOffset, 0);
  bytes.writeInt16LE(bpOffset, 2);
  bytes.writeUInt16LE(flags, 4);
  return bytes;
};
const decode = (version: OrcVersion, flags: number) => decodeOrcEntry(entry(16, -16, flags), version);

describe('decodeOrcEntry', () => {
  test('offsets are signed', () => {
    expect(decodeOrcEntry(entry(-8, -32768, 0x205), 3)).toMatchObject({ spOffset: -8, bpOffset: -32768 });
  });

  // flags: sp_reg, bp_reg << 4, then what the version has from bit 8 on.
  test.each<[OrcVersion, number, string, string, string, boolean]>([
    [1, 0x005, 'call', 'sp', 'undefined', false],
    [1, 0x015, 'call', 'sp', 'prev-sp', false],
    [1, 0x044, 'call', 'bp', 'bp', false],
    [1, 0x105, 'regs', 'sp', 'undefined', false],
    [1, 0x205, 'regs-partial', 'sp', 'undefined', false],
    [1, 0x400, 'end', 'undefined', 'undefined', false],
    [1, 0x000, 'undefined', 'undefined', 'undefined', false],
    [1, 0x305, 'undefined', 'sp', 'undefined', false],
    [1, 0x009, 'call', 'sp-indirect', 'undefined', false],
    [1, 0x109, 'regs', 'sp-slot', 'undefined', false],
    [2, 0x405, 'call', 'sp', 'undefined', true],
    [2, 0x505, 'regs', 'sp', 'undefined', true],
    [2, 0x800, 'end', 'undefined', 'undefined', false],
    [2, 0x000, 'undefined', 'undefined', 'undefined', false],
    [3, 0x000, 'undefined', 'undefined', 'undefined', false],
    [3, 0x100, 'end', 'undefined', 'undefined', false],
    [3, 0x205, 'call', 'sp', 'undefined', false],
    [3, 0x215, 'call', 'sp', 'prev-sp', false],
    [3, 0xa05, 'call', 'sp', 'undefined', true],
    [3, 0xb05, 'regs', 'sp', 'undefined', true],
    [3, 0xc05, 'regs-partial', 'sp', 'undefined', true],
    [3, 0x246, 'call', 'r10', 'bp', false],
    [3, 0x247, 'call', 'r13', 'bp', false],
    [3, 0x202, 'call', 'dx', 'undefined', false],
    [3, 0x203, 'call', 'di', 'undefined', false],
    [3, 0x248, 'call', 'bp-indirect', 'bp', false],
    [3, 0x209, 'call', 'sp-indirect', 'undefined', false],
    [3, 0x505, 'undefined', 'sp', 'undefined', false],
    [4, 0x203, 'call', 'sp', 'undefined', false],
    [4, 0x283, 'call', 'sp', 'prev-sp', false],
    [4, 0x244, 'call', 'bp', 'bp', false],
    [4, 0x201, 'call', 'ax', 'undefined', false],
    [4, 0x202, 'call', 'dx', 'undefined', false],
    [4, 0x205, 'call', 'di', 'undefined', false],
    [4, 0x246, 'call', 'r10', 'bp', false],
    [4, 0x207, 'call', 'r13', 'undefined', false],
    [4, 0x209, 'call', 'sp-indirect', 'undefined', false],
    [4, 0x24a, 'call', 'bp-indirect', 'bp', false],
    [4, 0xb03, 'regs', 'sp', 'undefined', true],
    [4, 0x20f, 'call', 'undefined', 'undefined', false],
  ])('version %i, flags %x: %s by %s, bp %s', (version, flags, kind, cfaReg, bpReg, signal) => {
    expect(decode(version, flags)).toEqual({ kind, cfaReg, bpReg, signal, spOffset: 16, bpOffset: -16 });
  });

  test('a short entry is a FormatError, any other bytes are a rule', () => {
    expect(() => decodeOrcEntry(new Uint8Array(5), 1)).toThrow(FormatError);
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 6, maxLength: 6 }),
        fc.constantFrom<OrcVersion>(1, 2, 3, 4),
        (bytes, v) => {
          expect(decodeOrcEntry(bytes, v).kind).toMatch(/^(call|regs|regs-partial|end|undefined)$/);
        },
      ),
    );
  });
});

/** Tables for places relative to TEXT; the offset of each rule is 8 times its number, up to what s16 holds. */
function build(places: readonly number[]): { readonly memory: PieceMemory; readonly count: number } {
  const ips = Buffer.alloc(places.length * 4);
  const entries = Buffer.alloc(places.length * 6);
  for (const [i, place] of places.entries()) {
    ips.writeInt32LE(Number(TEXT + BigInt(place) - (IP + BigInt(i * 4))), i * 4);
    entries.set(entry((i % 4000) * 8, 0, 0x205), i * 6);
  }
  return {
    memory: new PieceMemory({ start: IP, bytes: ips }, { start: ENTRIES, bytes: entries }),
    count: places.length,
  };
}

describe('OrcTable', () => {
  const places = Array.from({ length: 5000 }, (_, i) => i * 10 + (i % 3));
  const { memory, count } = build(places);
  const table = new OrcTable(memory, { ip: IP, entries: ENTRIES, count, version: 3 });

  test('finds the last rule at or below a place', () => {
    expect(table.lookup(TEXT)?.spOffset).toBe(0);
    expect(table.lookup(add(TEXT, 10))?.spOffset).toBe(0);
    expect(table.lookup(add(TEXT, 11))?.spOffset).toBe(8);
    expect(table.lookup(add(TEXT, 30_000))?.spOffset).toBe(3000 * 8);
    expect(table.lookup(add(TEXT, 10_000_000))?.spOffset).toBe(999 * 8);
    expect(table.lookup(virt(TEXT - 1n))).toBeUndefined();
    expect(table.lookup(virt(0n))).toBeUndefined();
    expect(table.lookup(virt(0xffff888000000000n))).toBeUndefined();
  });

  test('reads blocks as needed and each once', () => {
    const { memory: fresh } = build(places);
    const lazy = new OrcTable(fresh, { ip: IP, entries: ENTRIES, count, version: 3 });
    lazy.lookup(add(TEXT, 12_345));
    const once = fresh.bytesRead;
    expect(once).toBeLessThan(4 * 4096 + 7);
    // Another place of the same rule: the same search, through the same blocks.
    expect(lazy.lookup(add(TEXT, 12_346))).toEqual(lazy.lookup(add(TEXT, 12_345)));
    expect(fresh.bytesRead).toBe(once);
  });

  test('asked again, also after more places than are remembered, it says the same', () => {
    const again = new OrcTable(memory, { ip: IP, entries: ENTRIES, count, version: 3 });
    const wanted = [-7, 0, 997, 9_970, 19_940];
    const expected = wanted
      .map((at) => places.findLastIndex((place) => place <= at))
      .map((i) => (i < 0 ? undefined : i * 8));
    const answers = (): unknown => wanted.map((at) => again.lookup(add(TEXT, at))?.spOffset);
    expect(answers()).toEqual(expected);
    expect(answers()).toEqual(expected);
    for (let at = 0; at < 20_000; at++) again.lookup(add(TEXT, at));
    expect(answers()).toEqual(expected);
  });

  test('agrees with a plain search, also where several rules have one place', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 200 }), { minLength: 1, maxLength: 50 }),
        fc.nat({ max: 210 }),
        (raw, wanted) => {
          const sorted = raw.sort((a, b) => a - b);
          const built = build(sorted);
          const small = new OrcTable(built.memory, { ip: IP, entries: ENTRIES, count: built.count, version: 3 });
          const last = sorted.findLastIndex((place) => place <= wanted);
          expect(small.lookup(add(TEXT, wanted))?.spOffset).toBe(last < 0 ? undefined : last * 8);
        },
      ),
    );
  });

  test('unsorted tables are damaged, missing pages are faults, absurd counts are refused', () => {
    const shuffled = build(places.map((_, i) => (i * 7919) % 50_000));
    const wild = new OrcTable(shuffled.memory, { ip: IP, entries: ENTRIES, count, version: 3 });
    for (let at = 0; at < 50_000; at += 777) expect(() => wild.lookup(add(TEXT, at))).toThrow(FormatError);
    for (const more of [1_000_000, 100_000_000]) {
      const far = new OrcTable(memory, { ip: IP, entries: ENTRIES, count: more, version: 3 });
      expect(() => far.lookup(add(TEXT, 1_000_000))).toThrow(FaultError);
    }
    for (const bad of [-1, Number.NaN, 1.5, 2 ** 40]) {
      expect(() => new OrcTable(memory, { ip: IP, entries: ENTRIES, count: bad, version: 3 })).toThrow(FormatError);
    }
    expect(new OrcTable(memory, { ip: IP, entries: ENTRIES, count: 0, version: 3 }).lookup(TEXT)).toBeUndefined();
  });

  test('a lost block costs the places that it covers, and no others', () => {
    // Entries 2048 to 3071.
    const hole = { from: add(IP, 8192), to: add(IP, 12288) };
    const damaged: MemoryReader = {
      readBytes(address, length) {
        if (address < hole.to && add(address, length) > hole.from) throw new FaultError('virtual', address, 'lost');
        return memory.readBytes(address, length);
      },
    };
    const table = new OrcTable(damaged, { ip: IP, entries: ENTRIES, count, version: 3 });
    const whole = new OrcTable(memory, { ip: IP, entries: ENTRIES, count, version: 3 });
    const lost: number[] = [];
    const wrong: number[] = [];
    for (const [i, place] of places.entries()) {
      try {
        if (table.lookup(add(TEXT, place))?.spOffset !== whole.lookup(add(TEXT, place))?.spOffset) wrong.push(i);
      } catch (error) {
        if (!(error instanceof FaultError)) throw error;
        lost.push(i);
      }
    }
    expect(wrong).toEqual([]);
    // The last one before them as well: whether its place ends before the next is not known.
    expect(lost).toEqual(Array.from({ length: 1025 }, (_, i) => 2047 + i));
  });
});

describe('detectOrcVersion', () => {
  const symbols = (names: Readonly<Record<string, VirtAddr>>): SymbolTable => {
    const lookup = (name: string) => {
      const address = names[name];
      return address === undefined ? undefined : { name, address, size: 20, type: 'R', module: undefined };
    };
    return { count: 0, lookup, lookupAll: () => [], at: () => undefined, entries: () => [] };
  };
  const orcEntry = (...members: readonly string[]) => {
    const b = new BtfBuilder();
    const int = b.int('unsigned int', 4);
    const bits = members.map((name, i) => ({ name, type: int, bits: 32 + i * 4, width: 1 }));
    b.struct('orc_entry', 6, bits);
    return parseBtf(b.bytes());
  };
  const tables = { __start_orc_unwind_ip: IP };
  const header = (hash: string) => new PieceMemory({ start: HEADER, bytes: Buffer.from(hash.padEnd(40, '0'), 'hex') });

  test.each<[string, OrcVersion]>([
    ['db84aed4', 2],
    ['fe5d32bf', 3],
    ['137c36ad', 4],
  ])('header %s is version %i', (hash, version) => {
    const found = detectOrcVersion(header(hash), symbols({ ...tables, __start_orc_header: HEADER }), undefined);
    expect(found).toBe(version);
  });

  test('without a header, or with an unknown one, the members of struct orc_entry tell', () => {
    const memory = header('00112233');
    const bare = symbols(tables);
    expect(detectOrcVersion(memory, bare, orcEntry('sp_reg', 'bp_reg', 'type', 'end'))).toBe(1);
    expect(detectOrcVersion(memory, bare, orcEntry('sp_reg', 'bp_reg', 'type', 'signal', 'end'))).toBe(2);
    expect(detectOrcVersion(memory, bare, orcEntry('sp_reg', 'bp_reg', 'type', 'signal'))).toBe(3);
    const unknown = symbols({ ...tables, __start_orc_header: HEADER });
    expect(detectOrcVersion(memory, unknown, orcEntry('sp_reg', 'type', 'signal'))).toBe(3);
  });

  test('no tables is no version; tables that nothing explains are a FormatError', () => {
    expect(detectOrcVersion(header(''), symbols({}), undefined)).toBeUndefined();
    expect(() => detectOrcVersion(header(''), symbols(tables), undefined)).toThrow(FormatError);
    const unknown = symbols({ ...tables, __start_orc_header: HEADER });
    expect(() => detectOrcVersion(header('00112233'), unknown, undefined)).toThrow(/00112233/);
  });
});
