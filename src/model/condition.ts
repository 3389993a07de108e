/**
 * Conditions tie findings into one story: a finding says which it accounts for and which it rests on itself, and the
 * engine joins those that speak of the same one. They name a state of one thing of the machine, so no detector needs to
 * know of another.
 */
import { type VirtAddr, hex } from '../base/address.ts';
import type { Brand } from '../base/brand.ts';

/** Such as 'task 0xffff88899fc4a0c0 blocked'; equal strings are the same condition. */
export type Condition = Brand<string, 'Condition'>;

const condition = (text: string): Condition => text as Condition;

/** Memory of the machine is short, or ran out. */
export const memoryShort: Condition = condition('memory short');

/** What is free of memory is no large piece, and cannot be made one. */
export const memoryInPieces: Condition = condition('memory in pieces');

/** The kernel stopped itself: an oops, a panic, a watchdog. Not said of a crash that somebody asked for. */
export const kernelStopped: Condition = condition('kernel stopped');

/** @param task - `struct task_struct *`: it cannot go on. */
export function blocked(task: VirtAddr): Condition {
  return condition(`task ${hex(task)} blocked`);
}
