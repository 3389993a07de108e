import { describe, expect, it } from 'vitest';
import { PhysicalImage } from '../../test/builders/page-tables.ts';
import { parseVmcoreinfo } from '../debuginfo/vmcoreinfo.ts';
import type { DumpFile } from '../dump/dump-file.ts';
import { PageCache } from '../dump/page-cache.ts';
import { placedByEnd, placements } from './bootstrap-raw.ts';
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
