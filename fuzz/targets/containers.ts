/** Dumps inside of something: makedumpfile's flattened stream of records, and the files of a split dump. */
import { memorySource } from '../../src/dump/byte-source.ts';
import { KdumpFile, openKdump } from '../../src/dump/kdump.ts';
import { joinParts, type SplitPart } from '../../src/dump/kdump-split.ts';
import { openSource } from '../../src/dump/open.ts';
import { FLATTENED_SIGNATURE, FlattenedSource } from '../../src/dump/flattened.ts';
import { FormatError, UsageError } from '../../src/base/errors.ts';
import { flattenedFile, type RecordSpec } from '../../test/builders/flattened.ts';
import { kdumpFile, kdumpLayout } from '../../test/builders/kdump-file.ts';
import type { Base, Field, Parts, Summary } from '../input.ts';
import { elfModel } from '../models/elf-model.ts';
import { type ModelFlattened, modelFlattened } from '../models/flattened-model.ts';
import { kdumpModel } from '../models/kdump-model.ts';
import { Random } from '../random.ts';
import type { Target } from '../target.ts';
import { check, checkBytes, checkSame } from '../violation.ts';
import { exerciseDump, type Model } from './dump.ts';
import { randomElf } from './elf.ts';
import { kdumpFields, randomKdump } from './kdump.ts';

const FRAMES = Array.from({ length: 18 }, (_, i) => i);
const noOpinion: Model = () => undefined;

/** Records in any order, some of which overwrite others with what stands there in the end. */
function recordsOf(random: Random, file: Uint8Array): readonly RecordSpec[] {
  const size = random.pick([512, 4096, 4096, 10_000]);
  const records: RecordSpec[] = [];
  for (let at = 0; at < file.length; at += size) {
    const data = file.subarray(at, at + size);
    // What is all zero is left out, as makedumpfile does, but for the end.
    if (at + size < file.length && data.every((byte) => byte === 0)) continue;
    if (random.chance(0.1)) records.push({ offset: at, data: random.bytes(Math.min(64, data.length)) });
    records.push({ offset: at, data });
  }
  // The header is written last.
  const first = records.find(({ offset, data }) => offset === 0 && data[0] === file[0] && data.length > 64);
  return first === undefined ? [] : [...records, first];
}

function runFlattened(parts: Parts): Summary {
  const file = parts.get('file');
  const inner = modelFlattened(file);
  if (inner !== undefined) checkSource(file, inner);
  const dump = openSource(memorySource(file), 'fuzz');
  let model = noOpinion;
  if (inner !== undefined && !inner.cut)
    model = dump.format === 'elf' ? elfModel(inner.bytes, dump.pageSize) : kdumpModel(inner.bytes);
  return exerciseDump(dump, model, FRAMES);
}

/** The bytes inside, whatever they are: all of them, and ranges around the borders of what was written. */
function checkSource(file: Uint8Array, { bytes, written, cut }: ModelFlattened): void {
  if (!Buffer.from(file).toString('latin1', 0, 16).startsWith(FLATTENED_SIGNATURE)) return;
  let source: FlattenedSource;
  try {
    source = new FlattenedSource(memorySource(file));
  } catch (error) {
    if (error instanceof FormatError) return;
    throw error;
  }
  checkSame('bytes in the flattened file', source.size, bytes.length);
  const borders = [0, bytes.length, written.indexOf(0), written.lastIndexOf(0) + 1, bytes.length >> 1];
  for (const border of borders) {
    for (const [from, to] of [
      [border - 100, border],
      [border - 50, border + 50],
      [border, border + 5000],
    ] as const) {
      const start = Math.max(0, from);
      const end = Math.min(bytes.length, to);
      if (end <= start) continue;
      const there = !cut || written.subarray(start, end).every((byte) => byte === 1);
      checkSame(`${start} to ${end} is there`, source.container.has(start, end - start), there);
      const read = readRange(source, start, end - start);
      checkBytes(`bytes ${start} to ${end}`, read, there ? bytes.subarray(start, end) : undefined);
    }
  }
}

function readRange(source: FlattenedSource, offset: number, length: number): Uint8Array | undefined {
  const into = new Uint8Array(length);
  try {
    source.read(offset, into);
    checkBytes('what is peeked', source.peek(offset, length), into);
    return into;
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

export const flattened: Target = {
  name: 'flattened',
  reads: 'flattened dumps of both formats (dump/flattened)',
  throws: ['usage', 'format'],
  bases: [{ name: 'flattened#', weight: 1 }],
  // A few records may stand for terabytes of zeros: the limits are those of the readers of the dump inside, of which 64 MiB
  // for notes and 2^34 page frames are the largest.
  allocates: { fixed: 128 * 2 ** 20, perByte: 64 },
  base(name): Base {
    const random = new Random(name);
    const inner = random.chance(0.4) ? randomElf(random) : kdumpFile(randomKdump(random));
    const file = flattenedFile(recordsOf(random, inner));
    const fields: Field[] = [];
    for (const at of [16, 24]) fields.push({ part: 'file', at: at + 7, size: 1, role: 'kind', group: 'header' });
    const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
    for (let at = 4096; at + 16 <= file.length; at += 16 + Number(view.getBigInt64(at + 8))) {
      // Big-endian: the low byte, the low half, the high one.
      for (const word of [0, 8]) {
        fields.push({ part: 'file', at: at + word + 7, size: 1, role: 'length', group: 'record' });
        fields.push({ part: 'file', at: at + word + 4, size: 4, role: 'length', group: 'record' });
        fields.push({ part: 'file', at: at + word, size: 4, role: 'length', group: 'record' });
      }
      if (view.getBigInt64(at + 8) < 0n) break;
      fields.push({ part: 'file', at: at + 16, size: 8, role: 'value', group: 'data' });
    }
    return { parts: new Map([['file', file]]), fields, run: runFlattened };
  },
};

const NAMES = ['part 0', 'part 1', 'part 2'];

function splitBase(name: string): Base {
  const random = new Random(name);
  const spec = { ...randomKdump(random), version: random.between(2, 6) };
  const cut = [random.below(spec.maxPfn), random.below(spec.maxPfn)].sort((a, b) => a - b);
  const [first = 0, second = 0] = cut;
  const windows = [
    [0, first],
    [first, second],
    [second, spec.maxPfn],
  ] as const;
  const parts = new Map<string, Uint8Array>();
  windows.forEach((window, i) => parts.set(NAMES[i] ?? '', kdumpLayout({ ...spec, window }).bytes));
  const fields = [...parts].flatMap(([part, bytes]) => kdumpFields(bytes, part));
  const model: Model = (frame) => {
    const bytes = spec.pages.get(frame);
    return bytes === undefined ? undefined : { status: 'data', bytes };
  };
  const run = (changed: Parts, pristine: boolean): Summary => {
    const opened: SplitPart[] = [];
    for (const part of NAMES) {
      const file = openKdump(memorySource(changed.get(part)), part);
      check(file instanceof KdumpFile, () => 'a kdump file is something else');
      const { window } = file;
      if (window !== undefined) opened.push({ name: part, file, window });
    }
    const [head, ...rest] = opened;
    if (head === undefined) throw new UsageError('no part of a split dump');
    const dump = joinParts([head, ...rest]);
    if (pristine)
      checkBytes(
        'VMCOREINFO',
        dump.vmcoreinfo,
        spec.vmcoreinfo === '' || spec.version < 3 ? undefined : Buffer.from(spec.vmcoreinfo ?? ''),
      );
    const summary = exerciseDump(dump, pristine ? model : noOpinion, [
      ...FRAMES,
      first - 1,
      first,
      second - 1,
      second,
      ...spec.pages.keys(),
    ]);
    return [opened.length, ...summary];
  };
  return { parts, fields, run };
}

export const split: Target = {
  name: 'split',
  reads: 'files of a split dump (dump/kdump-split)',
  throws: ['usage', 'format'],
  bases: [{ name: 'split#', weight: 1 }],
  allocates: { fixed: 8 * 2 ** 20, perByte: 16 },
  base: splitBase,
};
