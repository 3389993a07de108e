/** What SLUB's checks said in the log, and whether memory still has the damage that the first of them tells. */
import { add, type VirtAddr } from '../../base/address.ts';
import { attempt } from '../../base/errors.ts';
import { isFreeObject } from '../../kernel/slab-free.ts';
import { slabObjectAt } from '../../kernel/slab.ts';
import { type SlubReport, slubReports } from '../../kernel/slub-report.ts';
import { defineFact } from '../../model/diagnosis.ts';
import type { Program } from '../../program/program.ts';
import { logFact } from './log.ts';

/** Damage that memory still has. */
export interface Standing {
  /** `bytes`: the first wrong byte is there still; `free`: what was freed twice is on a list of free objects. */
  readonly by: 'bytes' | 'free';
  readonly at: VirtAddr;
  /** From the first wrong byte on, those that are alike or text; empty for `free`. */
  readonly found: Uint8Array;
}

export interface SlubReports {
  /** Oldest first. */
  readonly reports: readonly SlubReport[];
  /** Of the first; undefined where memory does not show it: SLUB mends what it has reported, and goes on. */
  readonly standing: Standing | undefined;
}

export const slubReportsFact = defineFact<SlubReports>({
  id: 'slub-reports',
  derive({ program, use }) {
    const reports = slubReports(use(logFact).records);
    const [first] = reports;
    return { reports, standing: first === undefined ? undefined : attempt(() => standingOf(program, first)) };
  },
});

const SHOWN = 8;

function standingOf(program: Program, { bytes, object, problem }: SlubReport): Standing | undefined {
  if (bytes !== undefined) {
    const found = program.memory.readBytes(bytes.from, SHOWN);
    const first = found[0];
    if (first === undefined || first !== bytes.found) return undefined;
    // As far as it goes on in the same way: what stands behind it may be the kernel's own.
    const end = found.findIndex((byte) => byte === bytes.wanted || byte < 0x20 || byte > 0x7e);
    return { by: 'bytes', at: bytes.from, found: found.slice(0, end < 1 ? (end < 0 ? SHOWN : 1) : end) };
  }
  if (object === undefined || !/already free/i.test(problem)) return undefined;
  const slab = slabObjectAt(program, add(object, 0));
  if (slab === undefined || slab.start !== object || !isFreeObject(program, slab)) return undefined;
  return { by: 'free', at: object, found: new Uint8Array() };
}
