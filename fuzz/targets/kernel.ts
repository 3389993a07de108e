/**
 * The helpers of src/kernel/, also those that no report needs: tasks, stacks, files, mounts, mappings, slabs, zones, counters,
 * the log of each era, on damaged memory of the same machines as `report`. Each may throw errors about data, nothing else.
 */
import { add, type VirtAddr, virt } from '../../src/base/address.ts';
import { unlimited } from '../../src/base/budget.ts';
import { isDataError } from '../../src/base/errors.ts';
import { cgroupPath, taskCgroup } from '../../src/kernel/cgroup.ts';
import { cpus } from '../../src/kernel/cpus.ts';
import { openFiles } from '../../src/kernel/files.ts';
import { inodeDentries, pathOfInode } from '../../src/kernel/inode.ts';
import { loadAverages } from '../../src/kernel/loadavg.ts';
import { findLockWait } from '../../src/kernel/lock-wait.ts';
import { meminfo } from '../../src/kernel/meminfo.ts';
import { rssOf } from '../../src/kernel/mm.ts';
import { mountsOf } from '../../src/kernel/mount.ts';
import { logLines, readLog } from '../../src/kernel/printk.ts';
import { readTasks, type Task } from '../../src/kernel/sched.ts';
import { slabCaches, slabObjectAt } from '../../src/kernel/slab.ts';
import { cpuRegisters, taskStack } from '../../src/kernel/stack.ts';
import { taint } from '../../src/kernel/taint.ts';
import { timekeeping } from '../../src/kernel/timekeeping.ts';
import { utsName } from '../../src/kernel/uts.ts';
import { vmEvents } from '../../src/kernel/vmstat.ts';
import { freeBlocks, zones } from '../../src/kernel/zone.ts';
import type { Program } from '../../src/program/program.ts';
import { reach } from '../../src/slim/reach.ts';
import type { Base, Summary } from '../input.ts';
import { Tally } from '../tally.ts';
import type { Target } from '../target.ts';
import { check } from '../violation.ts';
import { logMachine, LOGS } from './logs.ts';
import { machineBase } from './machine-base.ts';
import { builtMachine, realMachine } from './pages.ts';
import { SCENES } from './scenes.ts';

/** Tasks that are looked at one by one. */
const MAX_TASKS = 6;
const MAX_ENTRIES = 300;

class Answers {
  readonly tally = new Tally();

  ask<T>(what: string, action: () => T, size: (value: T) => string | number = () => 'there'): T | undefined {
    try {
      const value = action();
      this.tally.add(`${what} ${size(value)}`);
      return value;
    } catch (error) {
      if (!isDataError(error)) throw error;
      this.tally.add(`${what} ${error.kind}`);
      return undefined;
    }
  }
}

function first<T>(list: Iterable<T>): T[] {
  const taken: T[] = [];
  for (const item of list) {
    taken.push(item);
    if (taken.length >= MAX_ENTRIES) break;
  }
  return taken;
}

function askMachine(program: Program, answers: Answers): void {
  answers.ask('name', () => utsName(program));
  answers.ask(
    'CPUs',
    () => cpus(program, 'possible'),
    (list) => list.length,
  );
  answers.ask('clock', () => timekeeping(program));
  answers.ask('load', () => loadAverages(program));
  answers.ask('taint', () => taint(program));
  answers.ask('memory', () => meminfo(program));
  answers.ask(
    'events',
    () => vmEvents(program),
    (events) => events.size,
  );
  const found =
    answers.ask(
      'zones',
      () => zones(program),
      (list) => list.length,
    ) ?? [];
  for (const zone of found.slice(0, 4))
    answers.ask(
      'free',
      () => freeBlocks(program, zone.address),
      (list) => list.length,
    );
  answers.ask(
    'mounts',
    () => mountsOf(program),
    ({ mounts }) => mounts.length,
  );
  for (let cpu = 0; cpu < 2; cpu++) answers.ask('registers', () => cpuRegisters(program, cpu));
  const log = answers.ask(
    'log',
    () => readLog(program),
    ({ records, problem }) => `${records.length} ${problem ?? ''}`,
  );
  const most = answers.ask(
    'ring of the log',
    () => descriptors(program),
    () => 'there',
  );
  if (log !== undefined && most !== undefined) {
    check(log.records.length + log.lost <= most, () => `${log.records.length} and ${log.lost} records of ${most}`);
  }
  for (const record of log?.records.slice(0, MAX_ENTRIES) ?? []) {
    check(
      logLines(record).every((line) => !line.includes('\n')),
      () => 'a line of the log has a line break',
    );
  }
}

/** How many records a printk_ringbuffer has, lost ones included; undefined for logs of before. */
function descriptors(program: Program): number | undefined {
  const ring = program.symbols.lookup('prb');
  if (ring === undefined) return undefined;
  const at = program.memory.readPointer(ring.address);
  return 2 ** program.field('struct printk_ringbuffer', 'desc_ring.count_bits').number(at);
}

function askTask(program: Program, task: Task, answers: Answers): void {
  const { address } = task;
  const stack = answers.ask(
    'stack',
    () => taskStack(program, task),
    ({ frames }) => frames.length,
  );
  if (stack !== undefined) {
    const isTask = (at: VirtAddr): boolean => at === address;
    answers.ask(
      'lock',
      () => findLockWait(program, task, stack.frames, isTask),
      (wait) => typeof wait,
    );
  }
  const files = answers.ask(
    'files',
    () => openFiles(program, address),
    (found) => found?.open.length ?? 0,
  );
  for (const { inode } of files?.open.slice(0, 4) ?? []) {
    if (inode === undefined) continue;
    answers.ask(
      'names',
      () => first(inodeDentries(program, inode)),
      (list) => list.length,
    );
    answers.ask('path', () => pathOfInode(program, inode));
  }
  const group = answers.ask('cgroup', () => taskCgroup(program, address));
  if (group !== undefined) answers.ask('cgroup path', () => cgroupPath(program, group));
  const { mm } = task;
  if (mm !== undefined) answers.ask('RSS', () => rssOf(program, mm, [address]));
  for (const at of [address, virt(address + 64n), add(address, 4096)] as readonly VirtAddr[]) {
    answers.ask(
      'slab',
      () => slabObjectAt(program, at),
      (object) => typeof object,
    );
  }
}

function use(program: Program): Summary {
  const answers = new Answers();
  askMachine(program, answers);
  const tasks =
    answers.ask(
      'tasks',
      () => readTasks(program),
      (list) => list.tasks.length,
    )?.tasks ?? [];
  const step = Math.max(1, Math.floor(tasks.length / MAX_TASKS));
  for (let i = 0; i < tasks.length; i += step) {
    const task = tasks[i];
    if (task !== undefined) askTask(program, task, answers);
  }
  answers.ask(
    'caches',
    () => slabCaches(program),
    (caches) => caches.size,
  );
  return answers.tally.words;
}

/** What slim keeps: takes longer than all the rest. */
function useReach(program: Program): Summary {
  const answers = new Answers();
  const { tasks } = readTasks(program);
  answers.ask('reach', () => reach(program, tasks, unlimited));
  return [tasks.length, ...answers.tally.words];
}

export const kernel: Target = {
  name: 'kernel',
  reads: 'helpers of src/kernel and src/slim/reach on damaged memory, logs of each era',
  throws: ['usage', 'format', 'fault', 'lookup', 'validation'],
  // An execution on the sample takes as long as twenty on a hand-built machine.
  bases: [
    { name: 'sample', weight: 6 },
    { name: 'sample, slim', weight: 2 },
    { name: 'sample, opened anew', weight: 1 },
    ...[...Object.keys(SCENES), ...Object.keys(LOGS)].map((name) => ({ name, weight: 30 })),
  ],
  allocates: { fixed: 512 * 2 ** 20, perByte: 0 },
  heap: 1024,
  base(name): Base {
    const scene = SCENES[name];
    if (LOGS[name] !== undefined) return machineBase(logMachine(name), use, false);
    if (scene !== undefined) return machineBase(builtMachine(scene()), both, false);
    const machine = realMachine('sample');
    return machineBase(machine, name.endsWith('slim') ? useReach : use, name.endsWith('anew'));
  },
};

function both(program: Program): Summary {
  return [...use(program), ...useReach(program)];
}
