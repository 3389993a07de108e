/** kdump-compressed files: hand-built ones of every version and compression, and the real sample; against a slow reading. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { memorySource } from '../../src/dump/byte-source.ts';
import { openSource } from '../../src/dump/open.ts';
import { kdumpLayout, type KdumpSpec } from '../../test/builders/kdump-file.ts';
import type { Base, Field, Parts, Summary } from '../input.ts';
import { kdumpModel } from '../models/kdump-model.ts';
import { Random } from '../random.ts';
import type { Target } from '../target.ts';
import { check } from '../violation.ts';
import { exerciseDump } from './dump.ts';
import { noteFields } from './note-fields.ts';

export const SAMPLE = join(import.meta.dirname, '../../samples/hung-6.1.vmcore');

function page(random: Random, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  const kind = random.below(4);
  if (kind === 1) bytes.fill(random.below(256));
  if (kind === 2) bytes.set(random.bytes(200), random.below(size - 200));
  if (kind === 3) bytes.set(random.bytes(size));
  return bytes;
}

export function randomKdump(random: Random): KdumpSpec {
  const blockSize = random.chance(0.15) ? 16384 : 4096;
  // Some have more frames than an index entry covers (4096), some fill their last byte of bitmap.
  const maxPfn = random.pick([8, 33, 64, 4095, 4096, 4097, 9000, 12289]) + random.below(3);
  const pages = new Map<number, Uint8Array>();
  for (let i = random.between(0, 14); i > 0; i--) {
    const near = random.chance(0.5) ? random.below(16) : random.below(maxPfn);
    pages.set(Math.min(near, maxPfn - 1), page(random, blockSize));
  }
  if (random.chance(0.5)) pages.set(maxPfn - 1, page(random, blockSize));
  return {
    maxPfn,
    pages,
    blockSize,
    excluded: [random.below(maxPfn), random.below(maxPfn)],
    version: random.between(1, 6),
    machine: random.chance(0.1) ? 'aarch64' : 'x86_64',
    compression: random.pick(['none', 'zlib', 'lzo', 'snappy', 'zstd'] as const),
    status: random.chance(0.1) ? 8 : 0,
    physBase: BigInt(random.u32()),
    vmcoreinfo: random.chance(0.8) ? `OSRELEASE=6.1.0-fuzz\nPAGESIZE=${blockSize}\n` : '',
    notes: Array.from({ length: random.below(3) }, () => ({
      name: 'CORE',
      type: 1,
      desc: random.bytes(random.below(336)),
    })),
    singleBitmap: random.chance(0.2),
  };
}

export function kdumpFields(file: Uint8Array, part = 'file'): readonly Field[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const fields: Field[] = [];
  const field = (group: string, at: number, size: Field['size'], role: Field['role']): void => {
    fields.push({ part, at, size, role, group });
  };
  for (const at of [8, 424]) field('kind', at, 4, 'kind');
  for (const at of [428, 432, 436, 440, 444, 448, 452, 456, 460]) field('header', at, 4, 'count');
  for (let i = 0; i < 3; i++) field('machine', 12 + 4 * 65 + i, 1, 'value');
  const block = view.getInt32(428, true);
  field('sub header', block, 8, 'address');
  for (const at of [8, 12]) field('sub header', block + at, 4, 'flags');
  for (const at of [16, 24, 80, 88]) field('sub header', block + at, 8, 'index');
  for (const at of [32, 48, 64]) {
    field('range', block + at, 8, 'offset');
    field('range', block + at + 8, 8, 'length');
  }
  field('frames', block + 96, 8, 'count');
  const bitmaps = (1 + view.getInt32(432, true)) * block;
  const size = view.getUint32(436, true) * block;
  for (const start of [bitmaps, bitmaps + size / 2]) {
    for (const at of [0, 1, 2, 7, 8, 511, 512, 513, 1024, size / 2 - 1]) field('bitmap', start + at, 1, 'flags');
  }
  const descriptors = bitmaps + size;
  for (let i = 0; i < 16 && descriptors + i * 24 + 24 <= file.length; i++) {
    field('descriptor', descriptors + i * 24, 8, 'offset');
    field('descriptor', descriptors + i * 24 + 8, 4, 'length');
    field('descriptor', descriptors + i * 24 + 12, 4, 'flags');
  }
  const notes = Number(view.getBigUint64(block + 48, true));
  if (notes > 0 && notes < file.length) {
    fields.push(...noteFields(part, file, notes, Number(view.getBigUint64(block + 56, true))));
  }
  return fields;
}

function run(parts: Parts, pristine: boolean): Summary {
  const file = parts.get('file');
  const dump = openSource(memorySource(file), 'fuzz');
  if (dump.format !== 'kdump') return ['other format'];
  if (pristine)
    check(
      dump.problems.every((line) => /incomplete|never written/.test(line)),
      () => dump.problems.join(),
    );
  const frames = Array.from({ length: 18 }, (_, i) => i);
  return exerciseDump(dump, kdumpModel(file), [...frames, 4095, 4096, 4097, 8191, 8192, 12288]);
}

function built(name: string): Uint8Array {
  return name === 'sample' ? new Uint8Array(readFileSync(SAMPLE)) : kdumpLayout(randomKdump(new Random(name))).bytes;
}

export const kdump: Target = {
  name: 'kdump',
  reads: 'kdump-compressed files (dump/kdump)',
  throws: ['usage', 'format'],
  bases: [
    { name: 'kdump#', weight: 200 },
    { name: 'sample', weight: 1 },
  ],
  // A quarter of a MiB per pass over the bitmaps, as much for descriptors.
  allocates: { fixed: 4 * 2 ** 20, perByte: 16 },
  base(name): Base {
    const file = built(name);
    return { parts: new Map([['file', file]]), fields: kdumpFields(file), run };
  },
};
