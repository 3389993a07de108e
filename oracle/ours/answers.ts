/**
 * Everything that our helpers answer about one dump.
 */
import { hex, type VirtAddr } from '../../src/base/address.ts';
import type { LockKind } from '../../src/kernel/lock-kinds.ts';
import { readTasks, type Task } from '../../src/kernel/sched.ts';
import type { TaskStack } from '../../src/kernel/stack.ts';
import type { Program } from '../../src/program/program.ts';
import { Answers } from '../answers.ts';
import { sayFiles, sayLists, sayLog, sayMemory, saySystem } from './system.ts';
import { sayAddressSpaces, sayLocks, sayStacks, sayTasks } from './tasks.ts';

export interface OurAnswers {
  readonly answers: Answers;
  /** Locks that somebody waits for. */
  readonly locks: ReadonlyMap<VirtAddr, LockKind>;
  readonly tasks: readonly Task[];
  readonly stacks: ReadonlyMap<VirtAddr, TaskStack>;
}

/** Asks every helper. @throws FaultError, LookupError when the dump does not even tell its tasks */
export function ourAnswers(program: Program): OurAnswers {
  const answers = new Answers();
  const list = readTasks(program);
  sayTasks(program, list.tasks, answers);
  for (const problem of list.problems) answers.say('problems', problem, true);
  const stacks = sayStacks(program, list.tasks, answers);
  const locks = sayLocks(program, list.tasks, stacks, answers);
  sayAddressSpaces(program, list.tasks, answers);
  sayFiles(program, list, answers);
  saySystem(program, list, answers);
  sayLog(program, answers);
  sayMemory(program, answers);
  sayLists(program, answers);
  return { answers, locks, tasks: list.tasks, stacks };
}

/** Locks as the drgn script is told of them: those kinds that it knows. */
export function lockWords(locks: ReadonlyMap<VirtAddr, LockKind>): string[] {
  return [...locks]
    .filter(([, kind]) => kind === 'mutex' || kind === 'rw_semaphore')
    .map(([address, kind]) => `${kind}:${hex(address)}`);
}
