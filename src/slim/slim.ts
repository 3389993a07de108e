/**
 * `kwhy slim`: writes a small kdump-compressed file on which the report is the same. The parts of policy.ts are kept by
 * the kernel's own structures; then the caller's report runs on a second Program on the same dump, and every page that
 * it reads is kept as well, unless it is memory of a program, of the page cache, or free.
 */
import type { Pfn } from '../base/address.ts';
import { type Budget, unlimited } from '../base/budget.ts';
import { attempt, isDataError, UsageError } from '../base/errors.ts';
import type { DumpFile, ElfNote } from '../dump/dump-file.ts';
import { type KdumpContent, type KdumpWriteOptions, type Utsname, writeKdump } from '../dump/kdump-writer.ts';
import { cpus } from '../kernel/cpus.ts';
import { readTasks } from '../kernel/sched.ts';
import { programOf } from '../program/open.ts';
import type { Program } from '../program/program.ts';
import { FrameSet } from './frame-set.ts';
import { keepCode } from './code.ts';
import { keepImage } from './image.ts';
import { Keep } from './keep.ts';
import { keepBoot, keepLog, keepMemmap, keepModules, keepPageTables, keepStacks } from './kernel-data.ts';
import { Memmap } from './memmap.ts';
import { keepPerCpu } from './per-cpu.ts';
import { type PageClass, POLICY_VERSION, REMAINS } from './policy.ts';
import { reach } from './reach.ts';
import { type CacheInFile, keepSlabs, keepWithSlab } from './slabs.ts';

/**
 * makedumpfile's bits for memory of programs, page cache and free memory, and for pages of zeros, which are stored once.
 * That most memory of the kernel is left out too no bit can say.
 */
const DUMP_LEVEL = 31;
/** The note that marks a slim file. A type that dump tools give no meaning to. */
const SLIM_NOTE = { name: 'KWHY', type: 0x6b77 } as const;
/** The best compression costs half a millisecond for each page: used up to this many pages. */
const SMALL_PAGES = 1 << 15;
const SMALL_LEVEL = { zstd: 19, zlib: 9 } as const;
/** A third of the time, 2 % more bytes. */
const LARGE_LEVEL = { zstd: 12, zlib: 6 } as const;

export interface SlimOptions extends KdumpWriteOptions {
  readonly budget?: Budget;
  /**
   * Runs the report. What it reads is kept; it must throw CancelledError when it was stopped, as half a report reads half
   * of the pages.
   */
  readonly report?: (program: Program) => void;
  /** Opens the same dump once more. */
  readonly reopen?: (onPage: (frame: Pfn) => void) => Program;
}

export interface SlimStep {
  readonly step: string;
}

export interface SlimResult {
  readonly policyVersion: number;
  readonly pages: number;
  readonly zeroPages: number;
  /** Of `pages`, those that are wanted, and lost in the dump that was read: they read as lost in the new file too. */
  readonly lostPages: number;
  readonly bytes: number;
  readonly inputBytes: number;
  /** Pages by what they were kept for, each counted once; `PAGE_CLASSES` has the words. */
  readonly classes: ReadonlyMap<PageClass, number>;
  /** Slab caches in the dump, the largest first. */
  readonly caches: readonly CacheInFile[];
  /** Pages of the dump that were wanted but hold memory of programs, page cache, or nothing any more: left out. */
  readonly refused: number;
  /** Pages that were wanted but are not in the dump that was read. */
  readonly missing: number;
  /** What could not be found, one line each. */
  readonly problems: readonly string[];
  /** What of the people whose machine it was may remain in the file. */
  readonly remains: readonly string[];
}

/**
 * Does the work in steps; nothing is written before the last one, and an end before that leaves no file behind.
 * @throws UsageError when the target exists, is `options.input`, or cannot be written, or when the kernel's page structures
 *   are not known; CancelledError
 */
export function* slim(program: Program, path: string, options: SlimOptions = {}): Generator<SlimStep, SlimResult> {
  const budget = options.budget ?? unlimited;
  const memmap = memmapOf(program);
  const keep = new Keep(program.dump, memmap, budget);
  const problems: string[] = [];
  const part = <T>(what: string, run: () => T): T | undefined => {
    try {
      return run();
    } catch (error) {
      if (!isDataError(error)) throw error;
      problems.push(`${what}: ${error.message}`);
      return undefined;
    }
  };

  yield { step: 'reading what the kernel keeps for itself' };
  const asked = new FrameSet();
  const reopen = options.reopen ?? ((onPage) => programOf(program.dump, { onPage, budget }));
  const probe = reopen((frame) => asked.add(frame));
  part('kernel image', () => keepImage(probe, keep));
  part('per-CPU memory', () => keepPerCpu(probe, keep));
  part('log', () => keepLog(probe, keep));
  const tasks = part('tasks', () => readTasks(probe)) ?? { tasks: [], problems: [] };
  problems.push(...tasks.problems);
  part('stacks', () => keepStacks(probe, keep, tasks.tasks));
  part('modules', () => keepModules(probe, keep));
  part('memory layout', () => keepBoot(probe, keep));
  part('page tables', () => keepPageTables(probe, keep));
  yield { step: 'looking through the slab caches' };
  const caches = part('slab caches', () => keepSlabs(program, memmap, keep, budget)) ?? [];
  yield { step: 'reading tasks, files and mounts' };
  part('code on stacks', () => keepCode(probe, keep, tasks.tasks, budget));
  part('tasks, files and mounts', () => reach(probe, tasks.tasks, budget));
  for (const frame of asked) keepWithSlab(frame, 'reached', memmap, keep);
  yield { step: 'running the report to see what it reads' };
  options.report?.(reopen((frame) => asked.add(frame)));
  for (const frame of asked) keepWithSlab(frame, 'report', memmap, keep);
  part('page structures', () => keepMemmap(program, keep, (frame) => memmap.headOf(frame)));
  keep.zeroPages(asked);

  yield { step: `writing ${keep.frames.size} pages` };
  const compression = options.compression ?? 'zstd';
  const levels = keep.frames.size <= SMALL_PAGES ? SMALL_LEVEL : LARGE_LEVEL;
  const level = options.level ?? levels[compression];
  const written = writeKdump(path, contentOf(program, keep.frames, budget), { ...options, level });
  return {
    policyVersion: POLICY_VERSION,
    ...written,
    inputBytes: program.dump.fileSize,
    classes: keep.counts,
    caches,
    refused: keep.refused,
    missing: keep.missing,
    problems,
    remains: REMAINS,
  };
}

/** Version of the policy by which a dump was made slim; undefined when it is no slim file. */
export function slimPolicyOf(dump: DumpFile): number | undefined {
  const note = dump.notes.find(isSlimNote);
  const version = /^POLICY=(\d{1,6})$/m.exec(note === undefined ? '' : Buffer.from(note.desc).toString('latin1'))?.[1];
  return version === undefined ? undefined : Number(version);
}

function isSlimNote(note: ElfNote): boolean {
  return note.name === SLIM_NOTE.name && note.type === SLIM_NOTE.type;
}

function memmapOf(program: Program): Memmap {
  try {
    return new Memmap(program);
  } catch (error) {
    if (!isDataError(error)) throw error;
    // Without it, programs' memory could not be told from the kernel's.
    throw new UsageError(`the dump cannot be made slim: ${error.message}`, { cause: error });
  }
}

function contentOf(program: Program, frames: FrameSet, budget: Budget): KdumpContent {
  const { dump, vmcoreinfo } = program;
  const slimNote: ElfNote = { ...SLIM_NOTE, desc: Buffer.from(`POLICY=${POLICY_VERSION}\n`) };
  const others = dump.notes.filter((note) => !isSlimNote(note));
  return {
    utsname: utsnameOf(program),
    pageSize: dump.pageSize,
    maxPfn: dump.maxPfn,
    physBase: vmcoreinfo.number('phys_base') ?? dump.physBase ?? 0n,
    dumpLevel: DUMP_LEVEL,
    cpus: attempt(() => cpus(program, 'online').length) ?? 1,
    timestamp: vmcoreinfo.crashTime ?? 0n,
    notes: [...others, slimNote],
    vmcoreinfo: dump.vmcoreinfo,
    frames: () => frames,
    read(frame, into) {
      budget.check();
      const status = dump.readPage(frame, into);
      if (status === 'lost') return 'lost';
      // The others say nothing about `into`: pages that are known to be zero without being in the file.
      if (status !== 'data') into.fill(0);
      return undefined;
    },
    exists(frame) {
      if (frame % 4096 === 0) budget.check();
      return dump.status(frame) !== 'absent';
    },
  };
}

/** `init_uts_ns.name`, `struct new_utsname`. */
function utsnameOf(program: Program): Utsname {
  const field = (name: string): string =>
    attempt(() => program.field('struct uts_namespace', `name.${name}`).text(program.symbol('init_uts_ns').address)) ??
    '';
  return {
    sysname: field('sysname') || 'Linux',
    nodename: field('nodename'),
    release: field('release') || (program.vmcoreinfo.osRelease ?? ''),
    version: field('version'),
    machine: program.dump.machine,
    domainname: field('domainname'),
  };
}
