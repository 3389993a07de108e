/** The sound files that malformed ones are made of: the sample's pages that its report reads, in each format. */
import { unlimited } from '../../src/base/budget.ts';
import { openProgram } from '../../src/program/open.ts';
import { diagnose } from '../../src/diagnosis/engine.ts';
import { elfFile, type SegmentSpec, vmcoreinfoSpec } from '../builders/elf-file.ts';
import { flattenedFile, recordsOf } from '../builders/flattened.ts';
import { type KdumpLayout, kdumpLayout, type KdumpSpec } from '../builders/kdump-file.ts';
import { SAMPLE, sampleSpec } from '../builders/sample.ts';
import type { Base } from './case.ts';

/** Page frames below this are in part1, the others in part2. */
export const SPLIT_AT = 100_000;
/** Records of the flattened base. */
export const RECORD_SIZE = 65_536;

export interface Bases {
  readonly files: Readonly<Record<Base, Uint8Array>>;
  readonly kdump: KdumpLayout;
  /** Of `kdump`. */
  readonly spec: KdumpSpec;
}

export function makeBases(): Bases {
  const wanted = framesOfReport();
  const whole = sampleSpec();
  const pages = new Map([...whole.pages].filter(([frame]) => wanted.has(frame)));
  const left = [...whole.pages.keys()].filter((frame) => !wanted.has(frame));
  const spec: KdumpSpec = { ...whole, pages, excluded: [...(whole.excluded ?? []), ...left], compression: 'zlib' };
  const kdump = kdumpLayout(spec);
  return {
    spec,
    kdump,
    files: {
      kdump: kdump.bytes,
      elf: elfOf(spec),
      flattened: flattenedFile(recordsOf(kdump.bytes, RECORD_SIZE)),
      part1: kdumpLayout({ ...spec, window: [0, SPLIT_AT] }).bytes,
      part2: kdumpLayout({ ...spec, window: [SPLIT_AT, spec.maxPfn] }).bytes,
    },
  };
}

function framesOfReport(): ReadonlySet<number> {
  const frames = new Set<number>();
  const program = openProgram(SAMPLE, { onPage: (frame) => frames.add(frame) });
  const steps = diagnose(program, unlimited);
  while (steps.next().done !== true);
  program.dump.close();
  return frames;
}

/** Frames that follow one another make a segment. */
function elfOf(spec: KdumpSpec): Uint8Array {
  const frames = [...spec.pages.keys()].sort((a, b) => a - b);
  const segments: SegmentSpec[] = [];
  for (let from = 0; from < frames.length; ) {
    let end = from + 1;
    while (end < frames.length && frames[end] === frames[end - 1] + 1) end++;
    const data = Buffer.concat(frames.slice(from, end).map((frame) => spec.pages.get(frame) ?? new Uint8Array(4096)));
    const paddr = frames[from] * 4096;
    segments.push({ paddr, vaddr: 0xffff888000000000n + BigInt(paddr), data });
    from = end;
  }
  return elfFile({ notes: [...(spec.notes ?? []), vmcoreinfoSpec(spec.vmcoreinfo ?? '')], segments });
}
