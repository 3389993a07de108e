/** Makes the sample, a real dump that is slim already, slim again: the policy must want all that is in it. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { tempFolder } from '../../test/builders/temp-folder.ts';
import { add, pfn } from '../base/address.ts';
import { openFiles, taskDirectories } from '../kernel/files.ts';
import { mountsOf } from '../kernel/mount.ts';
import { readLog } from '../kernel/printk.ts';
import { readTasks } from '../kernel/sched.ts';
import { taskStack } from '../kernel/stack.ts';
import { vmasOf } from '../kernel/vma.ts';
import { openProgram } from '../program/open.ts';
import type { Program } from '../program/program.ts';
import { Memmap } from './memmap.ts';
import { PAGE_CLASSES, POLICY_VERSION } from './policy.ts';
import { slim, type SlimResult, slimPolicyOf } from './slim.ts';

const sample = join(import.meta.dirname, '../../samples/hung-6.1.vmcore');

/** Its log lies in the kernel image; what is reached lies in whole caches; no report is run; it came from no ELF file. */
const NOT_HERE = ['log', 'reached', 'report', 'zeros'];

function makeSlim(from: string, to: string): SlimResult {
  const program = openProgram(from);
  const steps = slim(program, to, { level: 1, input: from });
  for (;;) {
    const next = steps.next();
    if (next.done !== true) continue;
    program.close();
    return next.value;
  }
}

function framesOf({ dump }: Program): Set<number> {
  const found = new Set<number>();
  for (let at = dump.nextInFile(pfn(0)); at !== undefined; at = dump.nextInFile(pfn(at + 1))) found.add(at);
  return found;
}

/** What people look at first. */
function answers(program: Program): unknown {
  const { tasks, problems } = readTasks(program);
  return {
    problems,
    tasks: tasks.map((task) => ({
      task,
      stack: taskStack(program, task),
      files: openFiles(program, task.address),
      directories: taskDirectories(program, task.address),
      mappings: task.mm === undefined ? undefined : vmasOf(program, task.mm),
    })),
    mounts: mountsOf(program),
    log: readLog(program),
  };
}

it('keeps nearly all of a slim file, tells the same from it, and changes nothing the second time', () => {
  const path = tempFolder();
  const result = makeSlim(sample, path('first'));
  makeSlim(path('first'), path('second'));
  const [before, first, second] = [sample, path('first'), path('second')].map((each) => openProgram(each));
  if (before === undefined || first === undefined || second === undefined) throw new Error('three dumps were opened');

  const frames = framesOf(first);
  // What only the report reads, which is not run here.
  expect(framesOf(before).difference(frames).size).toBeLessThan(10);
  expect(framesOf(second)).toEqual(frames);
  expect(result).toMatchObject({ policyVersion: POLICY_VERSION, lostPages: 0, refused: 0, problems: [] });
  expect(new Set([...result.classes.keys(), ...NOT_HERE])).toEqual(new Set(Object.keys(PAGE_CLASSES)));
  expect([slimPolicyOf(before.dump), slimPolicyOf(first.dump)]).toEqual([POLICY_VERSION, POLICY_VERSION]);

  expect(readTasks(first).tasks.filter((task) => !task.idle)).toHaveLength(161);
  expect(answers(first)).toEqual(answers(before));
  expect([first.dump.problems, first.problems]).toEqual([[], []]);
  for (const program of [before, first, second]) program.close();
}, 60_000);

it('holds no memory of programs and no page cache, and of the code only what stacks need', () => {
  const program = openProgram(sample);
  const memmap = new Memmap(program);
  for (const frame of framesOf(program)) expect(memmap.use(pfn(frame)), `frame ${frame}`).not.toBe('user');
  const readable = (name: string): boolean => program.memory.isReadable(program.symbol(name).address);
  expect(['filldir64', '__schedule', 'getname_kernel', 'kfree'].map(readable)).toEqual([true, true, false, false]);
  expect(program.memory.isReadable(add(program.symbol('__stop_BTF').address, -1))).toBe(true);
  program.close();
});
