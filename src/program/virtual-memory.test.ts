import { describe, expect, it, vi } from 'vitest';
import { PhysicalImage } from '../../test/builders/page-tables.ts';
import { phys, virt, type VirtAddr } from '../base/address.ts';
import { FaultError } from '../base/errors.ts';
import type { PhysicalMemory } from './physical-memory.ts';
import { VirtualMemory } from './virtual-memory.ts';

const BASE = 0xffff888000000000n;

/** Pages 0 to n of BASE lie at the frames given, in this order; undefined: not mapped. */
function memoryOf(
  image: PhysicalImage,
  frames: readonly (number | undefined)[],
  cacheBytes?: number,
): { readonly memory: VirtualMemory; readonly physical: PhysicalMemory; readonly asked: VirtAddr[] } {
  const physical = image.open(cacheBytes === undefined ? {} : { cacheBytes });
  const asked: VirtAddr[] = [];
  const memory = new VirtualMemory(physical, (address) => {
    asked.push(address);
    const frame = address >= BASE ? frames[Number((address - BASE) >> 12n)] : undefined;
    if (frame === undefined) throw new FaultError('virtual', address, 'unmapped');
    return phys(BigInt(frame) * 4096n + (address & 0xfffn));
  });
  return { memory, physical, asked };
}

function faultOf(read: () => unknown): FaultError {
  try {
    read();
  } catch (error) {
    if (error instanceof FaultError) return error;
    throw error;
  }
  throw new Error('no fault');
}

const at = (offset: bigint | number): VirtAddr => virt(BASE + BigInt(offset));

describe('typed reads', () => {
  const image = new PhysicalImage();
  image.write(0x5000n, Uint8Array.from([0xff, 0xfe, 0xfd, 0x7c, 0x80, 0x81, 0x82, 0x83]));
  const { memory } = memoryOf(image, [5]);

  it('keep every bit', () => {
    expect(memory.readU8(at(0))).toBe(0xff);
    expect(memory.readU16(at(0))).toBe(0xfeff);
    expect(memory.readU32(at(0))).toBe(0x7cfdfeff);
    expect(memory.readU32(at(4))).toBe(0x83828180);
    expect(memory.readS32(at(4))).toBe(0x83828180 - 2 ** 32);
    expect(memory.readU64(at(0))).toBe(0x838281807cfdfeffn);
    expect(memory.readS64(at(0))).toBe(0x838281807cfdfeffn - 2n ** 64n);
    expect(memory.readPointer(at(0))).toBe(0x838281807cfdfeffn);
  });

  it('need no alignment', () => {
    expect(memory.readU16(at(3))).toBe(0x807c);
    expect(memory.readU32(at(1))).toBe(0x807cfdfe);
    expect(memory.readU64(at(1))).toBe(0x00838281807cfdfen);
  });
});

describe('reads across pages', () => {
  const image = new PhysicalImage();
  image.write(0x9ff9n, Uint8Array.from([1, 2, 3, 4, 5, 6, 7]));
  image.write(0x3000n, Uint8Array.from([8, 9, 10, 11, 12, 13, 14, 0]));
  const { memory } = memoryOf(image, [9, 3]);

  it('join pages that lie apart', () => {
    expect(memory.readU16(at(0xfff))).toBe(0x0807);
    for (const start of [0xffd, 0xffe, 0xfff]) {
      const bytes = [...memory.readBytes(at(start), 4)];
      expect(bytes).toEqual([0, 1, 2, 3].map((i) => start - 0xff8 + i));
      expect(memory.readU32(at(start))).toBe(Buffer.from(bytes).readUInt32LE());
    }
    expect(memory.readU64(at(0xffa))).toBe(0x0908070605040302n);
    expect(memory.readU64(at(0xff8))).toBe(0x0706050403020100n);
    expect(memory.readBytes(at(0xff9), 4096).slice(0, 9)).toEqual(Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9]));
  });

  it('give copies: later reads change nothing of them', () => {
    const bytes = memory.readBytes(at(0xff9), 2);
    bytes[0] = 99;
    expect(memory.readU8(at(0xff9))).toBe(1);
  });

  it('end strings at their NUL, at the limit, and at a page that is not there', () => {
    expect([...memory.readCString(at(0xff9), 100)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    expect([...memory.readCString(at(0xff9), 3)]).toEqual([1, 2, 3]);
    const cut = memoryOf(image, [9]).memory;
    expect([...cut.readCString(at(0xffe), 100)]).toEqual([6, 7]);
    expect(() => cut.readCString(at(0x1000), 100)).toThrow(FaultError);
  });
});

describe('reads of what is not there', () => {
  const image = new PhysicalImage();
  for (const frame of [1, 2, 3, 4]) image.page(BigInt(frame) << 12n);
  image.states.set(1, 'excluded').set(2, 'lost').set(3, 'excluded-or-zero').set(4, 'zero');
  const { memory } = memoryOf(image, [1, 2, 3, 4, undefined, 0x999]);

  it('tell why, and the virtual address', () => {
    const reasons = [0, 1, 2, 4, 5].map((page) => faultOf(() => memory.readU64(at(page * 4096 + 8))).reason);
    expect(reasons).toEqual(['excluded', 'lost', 'excluded-or-zero', 'unmapped', 'absent']);
    const fault = faultOf(() => memory.readU8(at(0x1008)));
    expect([fault.space, fault.address]).toEqual(['virtual', at(0x1008)]);
    expect(memory.isReadable(at(0x1008))).toBe(false);
  });

  it('is not what a page of zeroes is', () => {
    expect(memory.readU64(at(3 * 4096))).toBe(0n);
    expect(memory.isReadable(at(3 * 4096))).toBe(true);
  });

  it('fail where only a part is missing', () => {
    expect(faultOf(() => memory.readU64(at(4 * 4096 - 4))).reason).toBe('unmapped');
    expect(faultOf(() => memory.readBytes(at(3 * 4096), 8192)).reason).toBe('unmapped');
    expect(faultOf(() => memory.readBytes(virt(-8n), 16)).reason).toBe('unmapped');
  });

  it('allocate nothing large before all of it is known to be there', () => {
    const pages = 1024;
    const image = new PhysicalImage();
    image.page(0x5000n);
    // First and last page are there, and nothing between them.
    const frames = Array.from({ length: pages }, (_, i) => (i === 0 || i === pages - 1 ? 5 : undefined));
    const { memory } = memoryOf(image, frames);
    const allocated: number[] = [];
    const counted = new Proxy(Uint8Array, {
      construct(target, args: unknown[]): object {
        if (typeof args[0] === 'number') allocated.push(args[0]);
        return Reflect.construct(target, args) as object;
      },
    });
    vi.stubGlobal('Uint8Array', counted);
    try {
      expect(faultOf(() => memory.readBytes(at(0), pages * 4096)).address).toBe(at(4096));
    } finally {
      vi.unstubAllGlobals();
    }
    expect(Math.max(0, ...allocated)).toBeLessThanOrEqual(2 ** 20);
  });

  it('fail for a length that no dump can mean', () => {
    for (const length of [-1, 2 ** 31, Number.NaN]) {
      expect(() => memory.readBytes(at(3 * 4096), length)).toThrow(FaultError);
    }
    expect(memory.readBytes(at(0x4000), 0)).toHaveLength(0);
  });

  it('stay so after a good read, and do not spoil the next', () => {
    expect(memory.readU8(at(3 * 4096))).toBe(0);
    expect(faultOf(() => memory.readU8(at(0))).reason).toBe('excluded');
    expect(memory.readU8(at(3 * 4096))).toBe(0);
  });
});

describe('caching', () => {
  it('stays right when pages are evicted, also the one read last', () => {
    const image = new PhysicalImage();
    const frames = Array.from({ length: 64 }, (_, i) => 100 + i);
    for (const frame of frames) image.writeU64(BigInt(frame) << 12n, BigInt(frame));
    const { memory, physical } = memoryOf(image, frames, 16 * 4096);
    for (let round = 0; round < 3; round++) {
      for (const [page, frame] of frames.entries()) expect(memory.readU64(at(page * 4096))).toBe(BigInt(frame));
    }
    expect(physical.cache.stats.bytes).toBe(16 * 4096);
    // Other pages are read behind the back of this address space until the last one has lost its slot.
    expect(memory.readU64(at(0))).toBe(100n);
    for (let frame = 110; frame < 160; frame++) physical.readU64(phys(BigInt(frame) << 12n));
    expect(memory.readU64(at(0))).toBe(100n);
  });

  it('asks for a translation once, also for "no", until it is flushed', () => {
    const image = new PhysicalImage();
    image.page(0x5000n);
    const { memory, asked } = memoryOf(image, [5]);
    for (let i = 0; i < 3; i++) {
      memory.readU8(at(i));
      memory.isReadable(at(0x1000));
    }
    expect(asked).toEqual([at(0), at(0x1000)]);
    memory.flush();
    memory.readU8(at(3));
    expect(asked).toHaveLength(3);
  });

  it('does not remember a table that could not be read as unmapped', () => {
    const image = new PhysicalImage();
    const physical = image.open();
    const memory = new VirtualMemory(physical, (address) => {
      throw new FaultError('physical', address, 'lost');
    });
    const reasons = [1, 2].map(() => faultOf(() => memory.readU8(at(0))).reason);
    expect(reasons).toEqual(['lost', 'lost']);
  });

  it('translates the offset in the page too', () => {
    const image = new PhysicalImage();
    expect(memoryOf(image, [5, 6]).memory.translate(at(0x1abc))).toBe(0x6abcn);
  });
});

describe('PhysicalMemory', () => {
  it('reads across pages and says which address is missing', () => {
    const image = new PhysicalImage();
    image.write(0x9ffen, Uint8Array.from([1, 2, 3, 4]));
    image.states.set(0xb, 'excluded');
    const physical = image.open();
    expect([...physical.readBytes(phys(0x9ffen), 4)]).toEqual([1, 2, 3, 4]);
    expect(physical.status(phys(0xb123n))).toBe('excluded');
    const fault = faultOf(() => physical.readBytes(phys(0xaffen), 4));
    expect([fault.space, fault.address, fault.reason]).toEqual(['physical', 0xb000n, 'excluded']);
    expect(faultOf(() => physical.readU64(phys(-4096n))).reason).toBe('absent');
  });
});
