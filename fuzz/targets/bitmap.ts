/** Bitmaps of page frames: tests, ranks, searches and counts, against counting bit by bit. */
import { Bitmap, RankedBitmap } from '../../src/dump/bitmap.ts';
import { FormatError } from '../../src/base/errors.ts';
import { memorySource } from '../../src/dump/byte-source.ts';
import type { Base, Parts, Summary } from '../input.ts';
import { Random } from '../random.ts';
import type { Target } from '../target.ts';
import { check, checkSame } from '../violation.ts';

/** `knobs`: where the bitmap begins in the bytes, and how many bits it has; both may lie beyond them. */
function run(parts: Parts): Summary {
  const bytes = parts.get('bytes');
  const knobs = Buffer.concat([parts.get('knobs'), Buffer.alloc(8)]);
  const offset = knobs.readUInt16LE(0);
  const bits = knobs.readUInt32LE(2) % 2 ** 22;
  const source = memorySource(bytes);
  // Of no bits nothing is read.
  const inside = bits === 0 || offset + Math.ceil(bits / 8) <= bytes.length;
  try {
    new RankedBitmap(source, offset, bits);
  } catch (error) {
    if (error instanceof FormatError) check(!inside, () => 'a bitmap inside of the bytes is refused');
    throw error;
  }
  check(inside, () => 'a bitmap beyond the bytes is read');
  const plain = new Bitmap(source, offset, bits);
  const ranked = new RankedBitmap(source, offset, bits);
  const set: number[] = [];
  for (let bit = 0; bit < bits; bit++) if ((((bytes[offset + (bit >> 3)] ?? 0) >> (bit & 7)) & 1) === 1) set.push(bit);
  checkSame('set bits', ranked.total, set.length);
  checkSame('counted bits', plain.count(), set.length);
  const rank = new Map(set.map((bit, i) => [bit, i]));
  const asked = [0, 1, 7, 8, 31, 32, 33, 4095, 4096, 4097, bits - 2, bits - 1, bits, bits + 1, bits + 4096, -1];
  const step = Math.max(1, Math.floor(set.length / 24));
  for (const bit of [...asked, ...set.filter((_, i) => i % step === 0)]) {
    const wanted = rank.get(bit);
    checkSame(`bit ${bit}`, plain.has(bit), wanted !== undefined);
    checkSame(`rank of ${bit}`, ranked.rank(bit), wanted ?? -1);
    checkSame(`the next from ${bit}`, ranked.next(bit), set.find((other) => other >= bit) ?? -1);
    if (bit >= 0 && bit <= bits) checkSame(`bits before ${bit}`, ranked.before(bit), below(set, bit));
  }
  return [bits, set.length, offset % 8];
}

/** How many are below, by halves. */
function below(sorted: readonly number[], limit: number): number {
  let count = 0;
  for (let step = 2 ** 22; step >= 1; step /= 2) {
    if (count + step <= sorted.length && (sorted[count + step - 1] ?? 0) < limit) count += step;
  }
  return count;
}

export const bitmap: Target = {
  name: 'bitmap',
  reads: 'bitmaps of page frames (dump/bitmap)',
  throws: ['format'],
  bases: [{ name: 'bitmap#', weight: 1 }],
  allocates: { fixed: 4 * 2 ** 20, perByte: 64 },
  base(name): Base {
    const random = new Random(name);
    const size = random.pick([1, 4, 16, 512, 513, 600, 1024, 2000]);
    const bytes = new Uint8Array(size);
    // Nearly empty, nearly full, runs.
    for (let i = random.below(40); i > 0; i--) {
      const at = random.below(size);
      if (random.chance(0.7)) bytes[at] = random.u32();
      else bytes.fill(0xff, at, at + random.below(64));
    }
    const knobs = Buffer.alloc(6);
    const offset = random.chance(0.7) ? 0 : random.below(size);
    knobs.writeUInt16LE(offset, 0);
    // Mostly as many bits as there are, or a few less.
    knobs.writeUInt32LE(Math.max(1, (size - offset) * 8 - random.below(random.chance(0.5) ? 1 : 16)), 2);
    const parts = new Map([
      ['bytes', bytes],
      ['knobs', new Uint8Array(knobs)],
    ]);
    return {
      parts,
      fields: [
        { part: 'knobs', at: 0, size: 2, role: 'offset', group: 'offset' },
        { part: 'knobs', at: 2, size: 4, role: 'count', group: 'bits' },
        { part: 'knobs', at: 2, size: 1, role: 'count', group: 'bits' },
        { part: 'bytes', at: size - 1, size: 1, role: 'flags', group: 'last byte' },
      ],
      run,
    };
  },
};
