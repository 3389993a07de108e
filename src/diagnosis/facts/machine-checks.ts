/** The machine checks of the log, and what memory has of the worst of them: the CPU's own note, its task, the page. */
import { type PhysAddr, pfn } from '../../base/address.ts';
import { attempt } from '../../base/errors.ts';
import { type MachineCheck, machineChecks } from '../../kernel/machine-check.ts';
import { type SeenMachineCheck, seenMachineChecks } from '../../kernel/machine-check-seen.ts';
import { pageFlag, pageOfFrame } from '../../kernel/page.ts';
import type { Task } from '../../kernel/sched.ts';
import { defineFact } from '../../model/diagnosis.ts';
import type { Program } from '../../program/program.ts';
import { logFact } from './log.ts';
import { tasksFact } from './tasks.ts';

export interface MachineChecks {
  /** Oldest first. */
  readonly checks: readonly MachineCheck[];
  /** The last that could not be corrected, or the last. */
  readonly worst: MachineCheck | undefined;
  /** What the CPU noted of the worst one; undefined where memory has nothing of it. */
  readonly seen: SeenMachineCheck | undefined;
  /** `bank`: the note has the same bank, status and address; `exception`: it has the exception alone. */
  readonly confirms: 'bank' | 'exception' | undefined;
  /** Who ran on the CPU; undefined when it was idle. */
  readonly task: Task | undefined;
  /** The kernel marked the page at the address as broken. */
  readonly poisoned: boolean;
}

export const machineChecksFact = defineFact<MachineChecks>({
  id: 'machine-checks',
  derive({ program, use }) {
    const checks = machineChecks(use(logFact).records);
    const worst = checks.filter(({ uncorrected }) => uncorrected).at(-1) ?? checks.at(-1);
    const none = { checks, worst, seen: undefined, confirms: undefined, task: undefined, poisoned: false };
    if (worst?.uncorrected !== true) return none;
    const seen = attempt(() => seenMachineChecks(program))?.find(({ cpu }) => cpu === worst.cpu);
    const tasks = attempt(() => use(tasksFact))?.tasks ?? [];
    return {
      ...none,
      seen,
      confirms: seen === undefined ? undefined : confirms(worst, seen),
      task: tasks.find(({ running, idle, cpu }) => running && !idle && cpu === worst.cpu),
      poisoned: worst.address !== undefined && isPoisoned(program, worst.address),
    };
  },
});

function confirms(check: MachineCheck, seen: SeenMachineCheck): MachineChecks['confirms'] {
  if (seen.status === check.status && seen.bank === check.bank)
    return check.address === undefined || check.address === seen.address ? 'bank' : undefined;
  return seen.status === 0n && check.tsc !== undefined && seen.tsc === check.tsc ? 'exception' : undefined;
}

/** A kernel that panics marks the page, so that the one that takes the dump leaves it alone (seen in 6.12 and 6.1.192). */
function isPoisoned(program: Program, address: PhysAddr): boolean {
  const frame = Number(address / BigInt(program.pageSize));
  return attempt(() => pageFlag(program, pageOfFrame(program, pfn(frame)), 'PG_hwpoison')) === true;
}
