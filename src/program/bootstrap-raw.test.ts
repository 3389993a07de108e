import { describe, expect, it } from 'vitest';
import { PhysicalImage } from '../../test/builders/page-tables.ts';
import { virt } from '../base/address.ts';
import type { SymbolEntry, SymbolTable } from '../debuginfo/symbol.ts';
import { parseVmcoreinfo } from '../debuginfo/vmcoreinfo.ts';
import type { DumpFile } from '../dump/dump-file.ts';
import { PageCache } from '../dump/page-cache.ts';
import { placedByEnd, placedByShift, placements, shiftByTables } from './bootstrap-raw.ts';
import { PhysicalMemory } from './physical-memory.ts';

const GIB = 2 ** 30;
const RELEASE = '6.1.0-test';
/** `init_uts_ns` is 0x1000 above the start of the image. */
const TEXT = [`OSRELEASE=${RELEASE}`, 'SYMBOL(init_uts_ns)=ffffffff81001000', 'OFFSET(uts_namespace.name)=4'];
const RELEASE_AT = 0x1000n + 4n + 130n;

/** Raw memory that remembers which hole was made, of so many bytes, with the release at an offset of the file. */
function raw(fileSize: number, releaseAt?: bigint): DumpFile & { readonly holes: string[] } {
  const memory = new PhysicalImage();
  if (releaseAt !== undefined) memory.write(releaseAt, Buffer.from(`${RELEASE}\0`));
  const holes: string[] = [];
  const dump: DumpFile = { ...memory.dump(), fileSize, maxPfn: fileSize / 4096 };
  const withHole = (low: number, end: number): DumpFile => {
    holes.push(`${low / GIB}-${end / GIB}`);
    return { ...dump, description: 'with a hole' };
  };
  return { ...dump, withHole, holes };
}

const memoryOf = (dump: DumpFile): PhysicalMemory => new PhysicalMemory(new PageCache(dump));

describe('placements', () => {
  /** Physical address of the image, less 0x1000000. */
  const all = (dump: DumpFile, image: number): string[] => {
    const vmcoreinfo = parseVmcoreinfo(Buffer.from(TEXT.join('\n')));
    const physBase = BigInt(image) - 0x1000000n;
    return [...placements(dump, vmcoreinfo, physBase, memoryOf)].map(({ assumed }) => assumed ?? 'as it is');
  };

  it('finds the hole that puts the kernel into its place', () => {
    const dump = raw(8 * GIB, BigInt(3 * GIB + 5 * 2 ** 20) + RELEASE_AT);
    expect(all(dump, 4 * GIB + 5 * 2 ** 20)).toEqual([
      'as it is',
      'the file leaves out the gap from 3072 MiB to 4 GiB',
    ]);
    expect(dump.holes).toEqual(['3-4']);
  });

  it('does not look for one when the kernel lies below it, or the file says where everything is', () => {
    expect(all(raw(8 * GIB, BigInt(GIB) + RELEASE_AT), 2 * GIB)).toEqual(['as it is']);
    const memory = new PhysicalImage();
    memory.write(BigInt(3 * GIB) + RELEASE_AT, Buffer.from(`${RELEASE}\0`));
    expect(all(memory.dump(), 4 * GIB)).toEqual(['as it is']);
  });
});

describe('placedByEnd', () => {
  const hole = (fileSize: number, end: number): string => {
    const dump = raw(fileSize);
    placedByEnd(dump, end / 4096);
    return dump.holes.join();
  };

  it('makes the end of the file the end of memory', () => {
    expect(hole(8 * GIB, 9 * GIB)).toBe('3-4');
    expect(hole(8 * GIB, 8.5 * GIB)).toBe('3.5-4');
    expect(hole(16 * GIB, 18 * GIB)).toBe('2-4');
  });

  it('leaves alone what is whole, small, cut off or makes no sense', () => {
    expect(hole(9 * GIB, 9 * GIB)).toBe('');
    expect(hole(2 * GIB, 2 * GIB)).toBe('');
    expect(hole(GIB, 2 * GIB)).toBe('');
    expect(hole(4 * GIB, 9 * GIB)).toBe('');
    expect(hole(8 * GIB - 4096, 9 * GIB)).toBe('');
    expect(hole(8 * GIB, 2 ** 52)).toBe('');
    expect(hole(8 * GIB, Number.NaN)).toBe('');
  });

  it('says what it assumed', () => {
    expect(placedByEnd(raw(8 * GIB), (9 * GIB) / 4096).assumed).toContain('from 3072 MiB to 4 GiB');
    expect(placedByEnd(raw(9 * GIB), (9 * GIB) / 4096).assumed).toBeUndefined();
  });
});

describe('shiftByTables', () => {
  /** The file has the image at 3 GiB; the last entry of `init_top_pgt` says where `level3_kernel_pgt` really is. */
  function shift(entry: bigint, name = 'level3_kernel_pgt', root = 'init_top_pgt'): number | undefined {
    const memory = new PhysicalImage();
    memory.writeU64(BigInt(3 * GIB) + 0x1000n + 511n * 8n, entry);
    const at = new Map([
      [root, 0xffffffff81001000n],
      [name, 0xffffffff81005000n],
    ]);
    const lookup = (wanted: string): SymbolEntry | undefined => {
      const address = at.get(wanted);
      return address === undefined
        ? undefined
        : { name: wanted, address: virt(address), size: 4096, type: 'D', module: undefined };
    };
    const symbols: SymbolTable = { count: 2, lookup, lookupAll: () => [], at: () => undefined, entries: () => [] };
    return shiftByTables(memory.open(), symbols, BigInt(3 * GIB) - 0x1000000n);
  }
  const moved = (by: number): bigint => BigInt(3 * GIB + by) + 0x5000n;
  const NX = 1n << 63n;

  it('is the distance from where the file has the image', () => {
    expect(shift(moved(GIB) | 0x67n)).toBe(GIB);
    expect(shift(moved(GIB / 2) | 0x67n | NX, 'level4_kernel_pgt')).toBe(GIB / 2);
    expect(shift(moved(2 * GIB) | 0x67n, 'level3_kernel_pgt', 'init_level4_pgt')).toBe(2 * GIB);
  });

  it('is none when the image is in its place, or nothing makes sense', () => {
    for (const entry of [
      moved(0) | 1n,
      moved(GIB),
      0n,
      moved(-GIB) | 1n,
      moved(GIB + 4096) | 1n,
      moved(3.5 * GIB) | 1n,
    ])
      expect(shift(entry)).toBeUndefined();
    expect(shift(moved(GIB) | 1n, 'level3_kernel_pgt', 'other')).toBeUndefined();
    expect(shift(moved(GIB) | 1n, 'other')).toBeUndefined();
  });

  it('makes a hole of that size', () => {
    const dump = raw(8 * GIB);
    expect(placedByShift(dump, GIB).assumed).toContain('from 3072 MiB to 4 GiB');
    expect([placedByShift(dump, undefined).assumed, dump.holes]).toEqual([undefined, ['3-4']]);
    expect(placedByShift(new PhysicalImage().dump(), GIB).assumed).toBeUndefined();
  });
});
