/** LiME images and raw memory, the latter also with a hole put into it; compared with a slow reading. */
import { memorySource } from '../../src/dump/byte-source.ts';
import type { DumpFile } from '../../src/dump/dump-file.ts';
import { LIME_SIGNATURE, openLime } from '../../src/dump/lime.ts';
import { openRaw } from '../../src/dump/raw.ts';
import { limeFile } from '../../test/builders/memory-image.ts';
import type { Base, Field, Parts, Summary } from '../input.ts';
import { limeRanges, type ModelRange, rangesModel } from '../models/ranges-model.ts';
import { Random } from '../random.ts';
import type { Target } from '../target.ts';
import { checkSame } from '../violation.ts';
import { exerciseDump } from './dump.ts';

const PAGE = 4096;
const FRAMES = Array.from({ length: 30 }, (_, i) => i);

function pages(random: Random, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += PAGE) {
    const kind = random.below(3);
    if (kind === 1) bytes.fill(random.between(1, 255), at, at + PAGE);
    if (kind === 2) bytes.set(random.bytes(Math.min(48, size - at)), at);
  }
  return bytes;
}

function randomLime(random: Random): Uint8Array {
  const ragged = random.chance(0.3);
  const apart = random.chance(0.7);
  let next = 0;
  return limeFile(
    Array.from({ length: random.between(1, 7) }, () => {
      const size = Math.max(1, random.below(4) * PAGE + (ragged ? random.below(PAGE) : 0));
      const gap = random.below(3) * PAGE + (ragged ? random.below(PAGE) : 0);
      const first = apart ? next + gap : random.below(20) * PAGE + (ragged ? random.below(PAGE) : 0);
      next = first + size;
      return { first, data: pages(random, size) };
    }),
  );
}

function runLime(parts: Parts, pristine: boolean): Summary {
  const file = parts.get('file');
  if (Buffer.from(file).toString('latin1', 0, 4) !== LIME_SIGNATURE) return ['other format'];
  const dump = openLime(memorySource(file));
  if (pristine) checkSame('problems', dump.problems.join(), '');
  const ranges = limeRanges(file);
  const around = ranges.flatMap(({ start, end }) => [start, end - 1, end].map((at) => Math.floor(at / PAGE)));
  return exerciseDump(dump, rangesModel(file, ranges), [...FRAMES, ...around]);
}

/** `knobs`: where the hole begins and ends, in pages; none when it ends before it begins. */
function runRaw(parts: Parts): Summary {
  const file = parts.get('file');
  const knobs = Buffer.concat([parts.get('knobs'), Buffer.alloc(8)]);
  const [low, end] = [knobs.readUInt32LE(0) * PAGE, knobs.readUInt32LE(4) * PAGE];
  const raw = openRaw(memorySource(file));
  const holed: DumpFile | undefined = low > 0 && low <= end ? raw.withHole?.(low, end) : undefined;
  const ranges: ModelRange[] = [{ start: 0, end: holed === undefined ? file.length : low, offset: 0 }];
  if (holed !== undefined) ranges.push({ start: end, end: end + Math.max(0, file.length - low), offset: low });
  // What is behind the end of the file is no memory.
  const there = ranges.map((range) => ({
    ...range,
    end: range.start + Math.min(range.end - range.start, Math.max(0, file.length - range.offset)),
  }));
  const frames = there.flatMap((range) => [range.start / PAGE, Math.floor(range.end / PAGE)]);
  return exerciseDump(holed ?? raw, rangesModel(file, there), [...FRAMES, ...frames]);
}

function limeBase(random: Random): Base {
  const file = randomLime(random);
  const fields: Field[] = [];
  const view = Buffer.from(file);
  for (
    let at = 0;
    at + 32 <= file.length;
    at += 33 + Number(view.readBigUInt64LE(at + 16) - view.readBigUInt64LE(at + 8))
  ) {
    fields.push({ part: 'file', at, size: 4, role: 'kind', group: 'magic' });
    fields.push({ part: 'file', at: at + 4, size: 4, role: 'kind', group: 'version' });
    fields.push({ part: 'file', at: at + 8, size: 8, role: 'address', group: 'first' });
    fields.push({ part: 'file', at: at + 16, size: 8, role: 'address', group: 'last' });
  }
  return { parts: new Map([['file', file]]), fields, run: runLime };
}

function rawBase(random: Random): Base {
  const file = pages(random, random.between(1, 12) * PAGE);
  const knobs = Buffer.alloc(8);
  const low = random.below(10);
  knobs.writeUInt32LE(low, 0);
  knobs.writeUInt32LE(low + random.below(20), 4);
  const fields: Field[] = [0, 4].map((at) => ({ part: 'knobs', at, size: 4, role: 'index', group: 'hole' }));
  const parts = new Map([
    ['file', file],
    ['knobs', new Uint8Array(knobs)],
  ]);
  return { parts, fields, run: runRaw };
}

export const memoryImages: Target = {
  name: 'memory-images',
  reads: 'LiME images and raw memory (dump/lime, dump/raw, dump/memory-image)',
  throws: ['format'],
  bases: [
    { name: 'lime#', weight: 3 },
    { name: 'raw#', weight: 1 },
  ],
  allocates: { fixed: 2 ** 20, perByte: 64 },
  base(name): Base {
    const random = new Random(name);
    return name.startsWith('lime') ? limeBase(random) : rawBase(random);
  },
};
