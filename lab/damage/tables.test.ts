/** Tables of a real kernel with pages of them lost, zeroed or replaced: what is left has to be what was there. */
import { describe, expect, test } from 'vitest';
import { Random } from '../../fuzz/random.ts';
import { SAMPLE } from '../../test/builders/sample.ts';
import { add, distance, type VirtAddr } from '../../src/base/address.ts';
import { FaultError } from '../../src/base/errors.ts';
import type { MemoryReader } from '../../src/base/memory.ts';
import { openProgram } from '../../src/program/open.ts';
import { parseBtf } from '../../src/debuginfo/btf.ts';
import type { BtfRecords } from '../../src/debuginfo/btf-records.ts';
import { openKallsyms } from '../../src/debuginfo/kallsyms.ts';
import { findOrc } from '../../src/debuginfo/find-orc.ts';
import { openBtf } from '../../src/debuginfo/open-btf.ts';

const PAGE = 4096n;
const program = openProgram(SAMPLE);
const start = program.symbol('__start_BTF').address;
const size = distance(program.symbol('__stop_BTF').address, start);
const whole = parseBtf(program.memory.readBytes(start, size));

type Damage = 'lost' | 'zeroed' | 'garbage' | 'swapped';

/** Memory with a share of its pages damaged, drawn anew for each seed; the first page of `spare` stays sound. */
function damaged(kind: Damage, share: number, spare: VirtAddr): MemoryReader {
  const { memory } = program;
  const isDamaged = (page: bigint): boolean =>
    page !== spare / PAGE && new Random(`${kind} ${share} ${page}`).chance(share);
  const pageBytes = (page: bigint): Uint8Array => {
    const at = add(spare, Number(page * PAGE - spare));
    if (!isDamaged(page)) return memory.readBytes(at, 4096);
    if (kind === 'lost') throw new FaultError('virtual', at, 'lost');
    if (kind === 'zeroed') return new Uint8Array(4096);
    if (kind === 'garbage') return new Random(String(page)).bytes(4096);
    return memory.readBytes(add(at, new Random(String(page)).between(1, 20) * 4096), 4096);
  };
  return {
    readBytes(address, length) {
      const parts: Uint8Array[] = [];
      for (let page = address / PAGE; page * PAGE < address + BigInt(length); page++) parts.push(pageBytes(page));
      const from = Number(address % PAGE);
      return Uint8Array.from(Buffer.concat(parts).subarray(from, from + length));
    },
  };
}

function headerOf(records: BtfRecords, id: number): readonly unknown[] {
  return [records.kind(id), records.vlen(id), records.nameOffset(id), records.sizeOrType(id)];
}

describe.each([
  ['lost', 0.01, 0.97, 0],
  ['lost', 0.1, 0.8, 0],
  ['lost', 0.2, 0.6, 0],
  ['zeroed', 0.1, 0.8, 10],
  ['garbage', 0.1, 0.8, 10],
  ['swapped', 0.01, 0.7, 300],
] as const)('BTF with pages %s, %d of them', (kind, share, least, mostWrong) => {
  const { records } = openBtf(damaged(kind, share, start), start, size);

  test('gives the types that are left the numbers that they had', () => {
    let right = 0;
    let wrong = 0;
    for (let id = 1; id < whole.records.endId; id++) {
      if (records.isLost(id)) continue;
      if (headerOf(records, id).join() === headerOf(whole.records, id).join()) right++;
      else wrong++;
    }
    expect(right).toBeGreaterThan(whole.records.endId * least);
    expect(right).toBeLessThan(whole.records.endId);
    expect(wrong).toBeLessThanOrEqual(mostWrong);
    expect(records.damage?.lostTypes).toBeGreaterThan(0);
  });
});

describe.each([
  ['lost', 0.01, 0.9],
  ['lost', 0.1, 0.5],
  ['zeroed', 0.05, 0.6],
  ['garbage', 0.05, 0.6],
  ['swapped', 0.05, 0.6],
] as const)('kallsyms with pages %s, %d of them', (kind, share, least) => {
  test('gives the symbols that are left the addresses that they had', () => {
    const { vmcoreinfo, symbols } = program;
    const tokens = vmcoreinfo.symbol('kallsyms_token_table');
    const kallsyms = openKallsyms(damaged(kind, share, tokens ?? start), vmcoreinfo);
    const found = [...kallsyms.entries()];
    const wrong = found.filter(
      ({ name, address }) => !symbols.kernel.lookupAll(name).some((symbol) => symbol.address === address),
    );
    expect(wrong.map(({ name }) => name)).toEqual([]);
    // Where the count is lost, padding may look like one more.
    expect(kallsyms.count - symbols.kernel.count).toBeLessThanOrEqual(1);
    expect(found.length).toBeGreaterThan(kallsyms.count * least);
    expect(found.length + kallsyms.lost).toBe(kallsyms.count);
    // Nothing is said of an address that may be that of a lost symbol.
    const sound = new Set(found.map(({ name }) => name));
    const said = [...symbols.kernel.entries()].flatMap(({ address }) => {
      const at = kallsyms.at(address);
      return at === undefined || (sound.has(at.name) && at.address === address) ? [] : [at.name];
    });
    expect(said).toEqual([]);
  });
});

describe('ORC tables whose symbols are lost', () => {
  test('are found by their looks', () => {
    const { memory, arch, vmcoreinfo } = program;
    const text = vmcoreinfo.symbol('_stext') ?? start;
    const found = findOrc(memory, arch.imageRanges(), text);
    const ip = program.symbol('__start_orc_unwind_ip').address;
    expect(found).toMatchObject({ ip, entries: program.symbol('__start_orc_unwind').address });
    expect(found?.count).toBe(distance(program.symbol('__stop_orc_unwind_ip').address, ip) / 4);
    // One of its pages may be lost.
    const holed: MemoryReader = {
      readBytes(address, length) {
        const hole = add(ip, 100 * 4096);
        if (address < add(hole, 4096) && add(address, length) > hole) throw new FaultError('virtual', hole, 'lost');
        return memory.readBytes(address, length);
      },
    };
    expect(findOrc(holed, arch.imageRanges(), text)).toMatchObject({ ip });
  });
});
