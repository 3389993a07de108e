/**
 * Reads what people ask of a dump first, for the sake of the pages that this touches: of each task its stack, files,
 * directories, mappings and program, of the machine its mounts and its log. Returns nothing: whoever opened the program
 * is told which pages were read.
 */
import type { VirtAddr } from '../base/address.ts';
import type { Budget } from '../base/budget.ts';
import { attempt } from '../base/errors.ts';
import { descriptorTables, readFile, taskDirectories } from '../kernel/files.ts';
import { readInode } from '../kernel/inode.ts';
import { readMm } from '../kernel/mm.ts';
import { initMountNamespace, mountsOf, taskMountNamespace } from '../kernel/mount.ts';
import { readLog } from '../kernel/printk.ts';
import type { Task } from '../kernel/sched.ts';
import { taskStack } from '../kernel/stack.ts';
import { superBlockMounts, superBlocks } from '../kernel/super-block.ts';
import { vmasOf } from '../kernel/vma.ts';
import type { Program } from '../program/program.ts';

/** @throws CancelledError; nothing for what the dump holds */
export function reach(program: Program, tasks: readonly Task[], budget: Budget): void {
  const files = new Set<VirtAddr>();
  const namespaces = new Set<VirtAddr>();
  const spaces = new Set<VirtAddr>();
  const add = (set: Set<VirtAddr>, address: VirtAddr | undefined): void => {
    if (address !== undefined) set.add(address);
  };
  add(
    namespaces,
    attempt(() => initMountNamespace(program)),
  );
  for (const task of tasks) {
    budget.check();
    taskStack(program, task);
    attempt(() => taskDirectories(program, task.address));
    add(
      namespaces,
      attempt(() => taskMountNamespace(program, task.address)),
    );
    add(spaces, task.mm);
  }
  for (const mm of spaces) {
    budget.check();
    attempt(() => readMm(program, mm));
    for (const vma of attempt(() => vmasOf(program, mm).vmas) ?? []) add(files, vma.file);
  }
  const tables =
    attempt(
      () =>
        descriptorTables(
          program,
          tasks.map((task) => task.address),
        ).tables,
    ) ?? [];
  for (const table of tables) for (const { file } of table.descriptors) files.add(file);
  for (const file of files) {
    budget.check();
    const inode = attempt(() => readFile(program, file).inode);
    if (inode !== undefined) attempt(() => readInode(program, inode));
  }
  for (const namespace of namespaces) {
    budget.check();
    attempt(() => mountsOf(program, namespace));
  }
  attempt(() => {
    for (const superBlock of superBlocks(program))
      for (const _ of superBlockMounts(program, superBlock)) budget.check();
  });
  readLog(program);
  program.addModuleTypes();
}
