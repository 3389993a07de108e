import { describe, expect, it } from 'vitest';
import { sleb, uleb } from '../../../test/builders/dwarf.ts';
import { readCfi } from './cfi-records.ts';
import { CfiTable } from './cfi.ts';

const START = 0xffffffff81000000n;
const RA = 16;
const u32 = (value: number): number[] => [...Buffer.from(Uint32Array.of(value).buffer)];
const u64 = (value: bigint): number[] => [...Buffer.from(BigUint64Array.of(value).buffer)];
const record = (body: readonly number[]): number[] => {
  const padded = [...body, ...Array<number>((8 - ((body.length + 4) % 8)) % 8).fill(0)];
  return [...u32(padded.length), ...padded];
};
/** rsp + 8 is the CFA, below it lies the return address: as compilers begin. */
const BEGIN = [0x0c, 7, 8, 0x90, 1];
const cie = (program: readonly number[] = BEGIN, version = 1): number[] =>
  record([...u32(0xffffffff), version, 0, ...(version === 4 ? [8, 0] : []), ...uleb(1), ...sleb(-8), RA, ...program]);
const fde = (at: number, length: number, program: readonly number[], of = 0): number[] =>
  record([...u32(of), ...u64(START + BigInt(at)), ...u64(BigInt(length)), ...program]);
const table = (...records: readonly (readonly number[])[]): CfiTable =>
  new CfiTable(readCfi(Uint8Array.from(records.flat()), '.debug_frame'), '.debug_frame');

describe('call frame information', () => {
  it('tells where the frame is at each instruction', () => {
    // push %rbp; push %rbx; ...; pop %rbx; pop %rbp; ret
    const cfi = table(
      cie(),
      fde(
        0,
        0x40,
        [
          [0x41, 0x0e, 16, 0x86, 2],
          [0x42, 0x0e, 24, 0x83, 3],
          [0x02, 0x20, 0x0a, 0xc3, 0x0e, 16, 0x41, 0xc6, 0x0e, 8],
          [0x41, 0x0b],
        ].flat(),
      ),
    );
    const at = (offset: number): unknown => {
      const row = cfi.lookup(START + BigInt(offset));
      return row && [row.cfa, [...row.saved].map(([register, rule]) => [register, 'offset' in rule && rule.offset])];
    };
    const cfa = (offset: number): unknown => ({ kind: 'is', base: 7, offset });
    expect(at(0)).toEqual([cfa(8), [[RA, -8]]]);
    expect(at(1)).toEqual([
      cfa(16),
      [
        [RA, -8],
        [6, -16],
      ],
    ]);
    expect(at(3)).toEqual([
      cfa(24),
      [
        [RA, -8],
        [6, -16],
        [3, -24],
      ],
    ]);
    expect(at(0x22)).toEqual(at(3));
    expect(at(0x23)).toEqual(at(1));
    expect(at(0x24)).toEqual(at(0));
    expect(at(0x25)).toEqual(at(3));
    expect(at(0x3f)).toEqual(at(3));
    expect(at(0x40)).toBeUndefined();
    expect(at(-1)).toBeUndefined();
  });

  it('knows frames that were realigned', () => {
    const cfi = table(cie(), fde(0, 16, [0x0f, 3, 0x76, ...sleb(-40), 0x06, 0x10, 6, 2, 0x76, 0, 0x10, 3, 1, 0x11]));
    const row = cfi.lookup(START);
    expect(row?.cfa).toEqual({ kind: 'at', base: 6, offset: -40 });
    expect(row?.saved.get(6)).toEqual({ kind: 'at', base: 6, offset: 0 });
    expect(row?.saved.get(3)).toEqual({ kind: 'unknown' });
  });

  it('finds functions in any order, and not those that the linker dropped', () => {
    const dropped = record([...u32(0), ...u64(0n), ...u64(64n)]);
    const first = cie();
    const cfi = table(first, fde(0x200, 16, [0x0e, 32]), dropped, fde(0x100, 16, [0x0e, 48]));
    expect(cfi.count).toBe(2);
    expect(cfi.lookup(START + 0x108n)?.cfa).toMatchObject({ offset: 48 });
    expect(cfi.lookup(START + 0x208n)?.cfa).toMatchObject({ offset: 32 });
    expect(cfi.lookup(START + 0x180n)).toBeUndefined();
    expect(cfi.lookup(8n)).toBeUndefined();
    expect(table(cie(BEGIN, 4), fde(0, 8, [])).lookup(START)?.cfa).toMatchObject({ offset: 8 });
  });

  it('reads .eh_frame, whose addresses are relative to their place', () => {
    const address = START + 0x1000n;
    const head = record([...u32(0), 1, ...Buffer.from('zRS\0'), 1, ...sleb(-8), RA, 1, 0x1b, ...BEGIN]);
    const place = head.length + 8;
    const body = [
      ...u32(head.length + 4),
      ...u32(Number(BigInt.asUintN(32, START - address - BigInt(place)))),
      ...u32(32),
      0,
    ];
    const bytes = Uint8Array.from([...head, ...record([...body, 0x0e, 64]), 0, 0, 0, 0]);
    const cfi = new CfiTable(readCfi(bytes, '.eh_frame', address), '.eh_frame');
    expect(cfi.lookup(START + 4n)).toMatchObject({ cfa: { offset: 64 }, signal: true, returnRegister: RA });
    expect(cfi.lookup(START + 32n)).toBeUndefined();
  });
});

describe('damaged call frame information', () => {
  const problem = (program: readonly number[]): string => {
    try {
      return JSON.stringify(table(cie(), fde(0, 64, program)).lookup(START + 32n));
    } catch (error) {
      return String(error);
    }
  };

  it('is said to be so', () => {
    expect(problem([0x0b])).toContain('a state that was not kept');
    expect(problem(Array<number>(100).fill(0x0a))).toContain('states nest too deeply');
    expect(problem([0x3f])).toContain('instruction 63');
    expect(problem([0x0e, ...Array<number>(20).fill(0xff)])).toContain('a number without end');
    expect(problem([0x0f, 0xff, 0xff, 0x03])).toContain('ends after');
  });

  it('leaves what stands before it', () => {
    const good = [...cie(), ...fde(0, 16, [])];
    const bads = [
      [u32(0x7fffffff), 'an entry of 2147483647 bytes'],
      [[...u32(20), ...u32(4), ...u64(START), ...u64(8n)], 'an entry refers to one that is none'],
    ] as const;
    for (const [bad, damage] of bads) {
      const index = readCfi(Uint8Array.from([...good, ...bad]), '.debug_frame');
      expect(String(index.damage)).toContain(damage);
      const cfi = new CfiTable(index, '.debug_frame');
      expect(cfi.count).toBe(1);
      expect(cfi.lookup(START)).toEqual(table(cie(), fde(0, 16, [])).lookup(START));
      expect(cfi.lookup(START)?.cfa).toMatchObject({ offset: 8 });
      expect(cfi.lookup(START + 16n)).toBeUndefined();
    }
  });
});
