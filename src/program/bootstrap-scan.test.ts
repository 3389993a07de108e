import { describe, expect, it } from 'vitest';
import { PhysicalImage } from '../../test/builders/page-tables.ts';
import { pfn, type Pfn } from '../base/address.ts';
import type { DumpFile } from '../dump/dump-file.ts';
import { kernelTraces, likelyRegions } from './bootstrap-scan.ts';

const BANNER = 'Linux version 6.1.0-test (builder@host) (gcc) #1 SMP\n\0';
const TEXT = 'OSRELEASE=6.1.0-test\nPAGESIZE=4096\n';

function traces(fill: (memory: PhysicalImage) => void): string[] {
  const memory = new PhysicalImage({ root: 0x900000n });
  fill(memory);
  return [...kernelTraces(memory.dump())].map((trace) =>
    trace.kind === 'banner'
      ? `banner 0x${trace.at.toString(16)}`
      : `0x${trace.at.toString(16)} ${Buffer.from(trace.text).toString('latin1')}`,
  );
}

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');

describe('kernelTraces', () => {
  it('finds the text of VMCOREINFO at the start of a page and behind the header of a note', () => {
    expect(
      traces((memory) => {
        memory.write(0x5000n, bytes(TEXT));
        memory.write(0x7018n, bytes(TEXT));
        memory.write(0x9020n, bytes(TEXT));
      }),
    ).toEqual([`0x5000 ${TEXT}`, `0x7018 ${TEXT}`]);
  });

  it('reads a text on into the next page, and no further than the kernel writes', () => {
    const long = TEXT + 'X=1\n'.repeat(2000);
    const [found = ''] = traces((memory) => memory.write(0x5018n, bytes(long)));
    expect(found).toBe(`0x5018 ${long.slice(0, 4096)}`);
    const [cut = ''] = traces((memory) => {
      memory.write(0x5018n, bytes(long));
      memory.states.set(6, 'excluded');
      memory.pages.delete(6);
      memory.pages.delete(7);
    });
    expect(cut).toBe(`0x5018 ${long.slice(0, 4096 - 0x18)}`);
  });

  it.each([0x5000n, 0x5123n, 0x5ff0n, 0x5ff3n, 0x5ffen, 0x5fffn])('finds a banner at %x, across pages too', (at) => {
    expect(traces((memory) => memory.write(at, bytes(BANNER)))).toEqual([`banner 0x${at.toString(16)}`]);
  });

  it('takes no banner together from pages that do not follow one another', () => {
    const found = traces((memory) => {
      memory.write(0x5ff8n, bytes(BANNER.slice(0, 8)));
      memory.write(0x7000n, bytes(BANNER.slice(8)));
    });
    expect(found).toEqual([]);
  });

  it('tells the banner from a line of a log', () => {
    const found = traces((memory) => {
      memory.write(0x5000n, bytes('Linux version 6.1.0-test (builder@host) (gcc) #1 SMP\n[    0.0] Command line:'));
      memory.write(0x6000n, bytes('Linux version \0'));
      memory.write(0x7000n, bytes('Linux version %s (builder@host)\n\0'));
    });
    expect(found).toEqual([]);
  });

  it('is bounded', () => {
    const found = traces((memory) => {
      for (let i = 0n; i < 200n; i++) {
        memory.write(0x100000n + i * 0x1000n, bytes(TEXT));
        memory.write(0x100100n + i * 0x1000n, bytes(BANNER));
      }
    });
    expect(found.filter((line) => line.startsWith('banner'))).toHaveLength(16);
    expect(found).toHaveLength(64 + 16);
  });
});

describe('likelyRegions', () => {
  const MESSAGES = bytes('\0\x016%s: ready\n\0\x013out of memory\n\0\x014%s: late\n\0\x016done\n\0');
  const MIB = 1n << 20n;

  /** Regions as 'first MiB-last MiB', of memory with 400 KiB of messages at these places and other pages all over. */
  function regions(places: readonly bigint[], page = MESSAGES): string[] {
    const memory = new PhysicalImage({ root: 0x1000n });
    for (let at = 0n; at < 1024n * MIB; at += 1n << 18n) memory.write(at, bytes('other'));
    for (const place of places) for (let at = 0n; at < 400n << 10n; at += 4096n) memory.write(place + at, page);
    return likelyRegions(sorted(memory)).map(({ start, end }) => `${start / 256}-${end / 256}`);
  }

  it('are around pages with messages of the kernel, wherever they begin', () => {
    for (const offset of [0n, 4096n, 100n << 12n, 255n << 12n]) {
      const [found = '', ...more] = regions([500n * MIB + offset]);
      const [start = 0, end = 0] = found.split('-').map(Number);
      expect([start <= 500, end >= 501, end - start < 66, more]).toEqual([true, true, true, []]);
    }
  });

  it('are one for places that are near, and none for pages without messages', () => {
    expect(regions([300n * MIB, 320n * MIB])).toHaveLength(1);
    expect(regions([300n * MIB, 700n * MIB])).toHaveLength(2);
    expect(regions([])).toEqual([]);
    expect(regions([300n * MIB], bytes('\0\x01\x01\x01\x016\0\x01a\x016x\x013y\x014z\0'.repeat(20)))).toEqual([]);
  });

  it('are bounded', () => {
    expect(regions(Array.from({ length: 200 }, (_, i) => BigInt(i) * 5n * MIB)).length).toBeLessThan(64);
  });

  /** The hand-built dump looks for the next page among all of them. */
  function sorted(memory: PhysicalImage): DumpFile {
    const frames = Uint32Array.from(memory.pages.keys()).sort();
    const nextInFile = (from: Pfn): Pfn | undefined => {
      let low = 0;
      let high = frames.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if ((frames[middle] ?? 0) < from) low = middle + 1;
        else high = middle;
      }
      const frame = frames[low];
      return frame === undefined ? undefined : pfn(frame);
    };
    return { ...memory.dump(), maxPfn: 1 << 18, nextInFile };
  }
});
