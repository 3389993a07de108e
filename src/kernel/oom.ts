/**
 * The OOM killer's view of a process (mm/oom_kill.c): its badness and score, what moves it, what exempts it, and
 * whether it was chosen before. Judges as the kernel does: until 7.0 by counters that CPUs and threads may not have added to.
 * Not known from a dump: whether root's bonus of 3 % applied (until 4.16), so it is told and not applied.
 */
import { add, isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import { PROVEN } from '../program/layouts.ts';
import type { Program } from '../program/program.ts';
import { hastyRssReader, pageTableBytes, rssReader } from './mm.ts';

/** OOM_SCORE_ADJ_MIN: only this exempts a process; -998 does not. */
export const OOM_SCORE_ADJ_MIN = -1000;
/** MMF_OOM_SKIP, bit of mm_struct.flags: the same since 4.9 (commit 862e3073b3ee). */
const MMF_OOM_SKIP = 1n << 21n;

/**
 * `signal_struct.oom_score_adj` of a process, -1000 to 1000.
 * @param task - `struct task_struct *`
 * @throws FaultError, LookupError
 */
export function oomScoreAdj(program: Program, task: VirtAddr): number {
  const signal = program.field('struct task_struct', 'signal').pointer(task);
  return program.field('struct signal_struct', 'oom_score_adj').number(signal);
}

/**
 * Why the OOM killer leaves a process alone: `init` and `kernel-thread` always, `adj` for oom_score_adj -1000, `skip`
 * when it was chosen and emptied before, or could not be (MMF_OOM_SKIP), `vfork` while it borrows its parent's memory.
 */
export type OomExemption = 'init' | 'kernel-thread' | 'no-mm' | 'adj' | 'skip' | 'vfork';

export interface OomStanding {
  readonly scoreAdj: number;
  readonly exemption: OomExemption | undefined;
  /** Pages: resident, swapped and page tables, moved by oom_score_adj; undefined for an exempt process. */
  readonly badness: number | undefined;
  /** Pages without oom_score_adj; undefined without an address space. */
  readonly pages: number | undefined;
  /** What /proc/PID/oom_score shows; undefined where this kernel counts in a way that is not known here. */
  readonly score: number | undefined;
  /** `signal->oom_mm`: it was chosen before, and has not ended (since 4.9, commit 26db62f179d1). */
  readonly victim: boolean | undefined;
}

/** What is known of a process already. */
export interface OomCandidate {
  /** `struct task_struct *` of its leader. */
  readonly task: VirtAddr;
  readonly pid: number;
  readonly kthread: boolean;
  /** `struct mm_struct *` of any of its threads. */
  readonly mm: VirtAddr | undefined;
}

/**
 * How the OOM killer judges a process, by its `struct signal_struct` and `struct mm_struct`.
 * @param totalPages - RAM and swap in pages, or the limit of the memory cgroup that is out of memory
 * @throws FaultError, LookupError
 */
export function oomStanding(program: Program, process: OomCandidate, totalPages: number): OomStanding {
  return oomJudge(program, totalPages)(process);
}

/**
 * As `oomStanding`, for many processes: how this kernel counts is asked once.
 * @returns judges a process by its `struct signal_struct` and `struct mm_struct`, and throws as `oomStanding`
 * @throws nothing itself
 */
export function oomJudge(program: Program, totalPages: number): (process: OomCandidate) => OomStanding {
  let pagesOf: ((mm: VirtAddr) => number) | undefined;
  return (process) => standingOf(program, process, totalPages, (mm) => (pagesOf ??= pageCounter(program))(mm));
}

function standingOf(
  program: Program,
  process: OomCandidate,
  totalPages: number,
  pagesOf: (mm: VirtAddr) => number,
): OomStanding {
  const scoreAdj = oomScoreAdj(program, process.task);
  const pages = process.mm === undefined ? undefined : pagesOf(process.mm);
  const exemption = exemptionOf(program, process, scoreAdj);
  const victim = victimOf(program, process);
  if (exemption !== undefined || pages === undefined)
    return { scoreAdj, exemption: exemption ?? 'no-mm', badness: undefined, pages, score: 0, victim };
  const moved = pages + scoreAdj * Math.trunc(totalPages / 1000);
  return { scoreAdj, exemption, ...judged(program, moved, totalPages), pages, victim };
}

function pageCounter(program: Program): (mm: VirtAddr) => number {
  const rssOf = isPrecise(program) ? preciseRssReader(program) : hastyRssReader(program);
  return (mm) => {
    const { rss, swap } = rssOf(mm);
    return rss + swap + Math.trunc(pageTableBytes(program, mm) / program.pageSize);
  };
}

/**
 * Since 7.0 (commit 5898aa8f9a0b, offered to stable kernels as well) the OOM killer adds what each CPU has counted. Only
 * inline functions came with that, no member and no symbol; but the code of oom_badness() tells it: it calls
 * __percpu_counter_sum() (four times in 7.2; not in 5.10, 6.1, 6.12; proven on all with the guest's own scores). Where
 * the code is not in the dump, the nearest type that came later decides: the ring of waiters of 7.1.
 */
function isPrecise(program: Program): boolean {
  return callsSum(program) ?? program.tryField('struct rw_semaphore', 'first_waiter') !== undefined;
}

/** Of x86-64, the one architecture that is opened: `call` and the distance from behind it. */
const CALL = 0xe8;
const CALL_BYTES = 5;
const MAX_BADNESS_BYTES = 4096;

/** Whether oom_badness() calls __percpu_counter_sum(); undefined when that cannot be seen. */
function callsSum(program: Program): boolean | undefined {
  const { symbols, memory } = program;
  const sum = symbols.lookup('__percpu_counter_sum')?.address;
  // Some compilers put what is behind its first checks into a function of its own.
  const functions = ['oom_badness', 'oom_badness.part.0'].flatMap((name) => symbols.lookup(name) ?? []);
  if (sum === undefined || functions.length === 0) return undefined;
  return attempt(() =>
    functions.some(({ address, size }) => {
      const code = memory.readBytes(address, Math.min(size, MAX_BADNESS_BYTES));
      const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
      for (let at = code.indexOf(CALL); at >= 0 && at + CALL_BYTES <= code.length; at = code.indexOf(CALL, at + 1))
        if (add(address, at + CALL_BYTES + view.getInt32(at + 1, true)) === sum) return true;
      return false;
    }),
  );
}

function preciseRssReader(program: Program): (mm: VirtAddr) => { readonly rss: number; readonly swap: number } {
  const rssOf = rssReader(program);
  return (mm) => {
    const { total, swap } = rssOf(mm, []);
    return { rss: total, swap };
  };
}

function judged(program: Program, moved: number, totalPages: number): { badness: number; score: number | undefined } {
  // Since 5.9 (commit 9066e5cfb73c) badness may be below zero, and the score is (1000 + badness in thousandths) * 2/3;
  // NR_SLAB_RECLAIMABLE_B came with the same release (commit d42f3245c7e2). Proven on 5.10, 6.1, 6.12.
  if (program.enumerator('NR_SLAB_RECLAIMABLE_B') !== undefined) {
    program.layouts.chose('OOM score', 'may be below zero (since 5.9)', PROVEN);
    const score = Math.trunc(((1000 + Math.trunc((moved * 1000) / totalPages)) * 2) / 3);
    return { badness: moved, score };
  }
  program.layouts.chose('OOM score', 'at least 1 (until 5.8)', []);
  const badness = Math.max(1, moved);
  // Until 4.16 root's processes lose 3 %: the credentials decide, and in 2.6.32 the units differ as well.
  const withBonus = program.tryField('struct mm_struct', 'pgtables_bytes') === undefined;
  return { badness, score: withBonus ? undefined : Math.trunc((badness * 1000) / totalPages) };
}

function exemptionOf(program: Program, process: OomCandidate, scoreAdj: number): OomExemption | undefined {
  if (process.pid === 1) return 'init';
  if (process.kthread) return 'kernel-thread';
  if (process.mm === undefined) return 'no-mm';
  if (scoreAdj === OOM_SCORE_ADJ_MIN) return 'adj';
  if (isSkipped(program, process.mm)) return 'skip';
  return borrowsMm(program, process) ? 'vfork' : undefined;
}

/** MMF_OOM_SKIP of `mm_struct.flags`, a word of bits; since 6.18 `mm_flags_t`. */
function isSkipped(program: Program, mm: VirtAddr): boolean {
  // signal_struct.oom_mm came with the flag in 4.9; before, bit 21 was another or none.
  if (program.tryField('struct signal_struct', 'oom_mm') === undefined) return false;
  const flags =
    program.tryField('struct mm_struct', 'flags.__mm_flags[0]') ?? program.tryField('struct mm_struct', 'flags');
  return flags !== undefined && (flags.u64(mm) & MMF_OOM_SKIP) !== 0n;
}

/** in_vfork(): it waits in vfork()'s child for exec, and its memory is its parent's. */
function borrowsMm(program: Program, { task, mm }: OomCandidate): boolean {
  if (program.field('struct task_struct', 'vfork_done').pointer(task) === 0n) return false;
  const parent = program.field('struct task_struct', 'real_parent').pointer(task);
  return isKernel(parent) && program.field('struct task_struct', 'mm').pointer(parent) === mm;
}

/** mark_oom_victim() notes the victim's own address space: anything else in that place is damage. */
function victimOf(program: Program, { task, mm }: OomCandidate): boolean | undefined {
  const chosen = program.tryField('struct signal_struct', 'oom_mm');
  if (chosen === undefined) return undefined;
  return attempt(() => {
    const noted = chosen.pointer(program.field('struct task_struct', 'signal').pointer(task));
    return isKernel(noted) && (mm === undefined || noted === mm);
  });
}
