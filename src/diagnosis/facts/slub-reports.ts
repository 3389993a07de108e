/** What SLUB's checks said in the log, and whether memory still has the damage that the first of them tells. */
import type { VirtAddr } from '../../base/address.ts';
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

function standingOf(program: Program, { bytes, object, problem }: SlubReport): Standing | undefined {
  if (bytes !== undefined) {
    const found = program.memory.readBytes(bytes.from, Math.max(1, bytes.run.length));
    const wanted = bytes.run.length === 0 ? [bytes.found] : [...bytes.run];
    return wanted.every((byte, i) => byte === found[i]) ? { by: 'bytes', at: bytes.from } : undefined;
  }
  if (object === undefined || !/already free/i.test(problem)) return undefined;
  const slab = slabObjectAt(program, object);
  if (slab === undefined || slab.start !== object || !isFreeObject(program, slab)) return undefined;
  return { by: 'free', at: object };
}
