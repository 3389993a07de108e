/**
 * What our helpers answer about tasks: their fields, stacks, the locks they wait for, address spaces, groups.
 */
import { hex, type VirtAddr } from '../../src/base/address.ts';
import { attempt } from '../../src/base/errors.ts';
import { cgroupPath, taskCgroup } from '../../src/kernel/cgroup.ts';
import { taskDirectories } from '../../src/kernel/files.ts';
import type { LockKind } from '../../src/kernel/lock-kinds.ts';
import { lockWaiters } from '../../src/kernel/lock-queue.ts';
import { findLockWait } from '../../src/kernel/lock-wait.ts';
import { readMm, rssOf } from '../../src/kernel/mm.ts';
import { mutexState } from '../../src/kernel/mutex.ts';
import { jobIds } from '../../src/kernel/pid.ts';
import { rwsemState } from '../../src/kernel/rwsem.ts';
import type { Task } from '../../src/kernel/sched.ts';
import { type TaskStack, taskStack } from '../../src/kernel/stack.ts';
import { vmasOf } from '../../src/kernel/vma.ts';
import { newRingCache } from '../../src/kernel/waiter-ring.ts';
import type { Program } from '../../src/program/program.ts';
import { type Answers, UNREADABLE } from '../answers.ts';

const orNull = (address: VirtAddr | undefined): string => hex(address ?? 0n);

export function sayTasks(program: Program, tasks: readonly Task[], answers: Answers): void {
  for (const task of tasks) {
    const at = hex(task.address);
    const say = (name: string, value: string | number | bigint | boolean | undefined): void =>
      answers.say('tasks', `${at}.${name}`, value);
    say('pid', task.pid);
    say('tgid', task.tgid);
    say('comm', task.comm);
    say('state', task.state.letter);
    say('rawState', task.state.raw);
    say('exitState', task.state.exitState);
    say('kthread', task.kthread);
    say('parent', orNull(task.realParent));
    say('leader', orNull(task.groupLeader));
    say('mm', orNull(task.mm));
    say('cpu', task.cpu);
    say('running', task.running);
    say('startTime', task.startTime);
    say('utime', task.cpuTime?.user);
    say('stime', task.cpuTime?.system);
    say('runs', task.schedInfo?.runs);
    say('runDelay', task.schedInfo?.runDelay);
    say('lastArrival', task.schedInfo?.lastArrival);
    say('lastQueued', task.schedInfo?.lastQueued);
    say('idle', task.idle);
    if (!task.idle) sayGroups(program, task, answers);
  }
}

function sayGroups(program: Program, task: Task, answers: Answers): void {
  const at = hex(task.address);
  const path = attempt(() => {
    const group = taskCgroup(program, task.address);
    return group === undefined ? undefined : cgroupPath(program, group);
  });
  answers.say('cgroups', at, path ?? UNREADABLE);
  const ids = attempt(() => jobIds(program, task.address));
  // The helper tells no 0: a kernel thread has no group to name.
  answers.say('job ids', `${at}.processGroup`, ids === undefined ? UNREADABLE : (ids.processGroup ?? 0));
  answers.say('job ids', `${at}.session`, ids === undefined ? UNREADABLE : (ids.session ?? 0));
  const directories = attempt(() => taskDirectories(program, task.address) ?? null);
  if (directories === null) return;
  answers.say('directories', `${at}.cwd`, directories?.working.text ?? UNREADABLE);
  answers.say('directories', `${at}.root`, directories?.root.text ?? UNREADABLE);
}

export function sayStacks(program: Program, tasks: readonly Task[], answers: Answers): Map<VirtAddr, TaskStack> {
  const stacks = new Map<VirtAddr, TaskStack>();
  for (const task of tasks) {
    const stack = taskStack(program, task);
    stacks.set(task.address, stack);
    answers.say('stacks', hex(task.address), stack.frames.map(({ pc }) => hex(pc)).join(' '));
    answers.say('stack ends', hex(task.address), stack.end);
    answers.say('stack registers', hex(task.address), stack.registers);
    for (const { pc, symbol } of stack.frames) answers.say('functions', hex(pc), symbol?.name ?? 'unknown');
  }
  return stacks;
}

/** @returns the locks that somebody waits for */
export function sayLocks(
  program: Program,
  tasks: readonly Task[],
  stacks: ReadonlyMap<VirtAddr, TaskStack>,
  answers: Answers,
): ReadonlyMap<VirtAddr, LockKind> {
  const addresses = new Set(tasks.map(({ address }) => address));
  const rings = newRingCache();
  const locks = new Map<VirtAddr, LockKind>();
  for (const task of tasks) {
    const frames = stacks.get(task.address)?.frames ?? [];
    const wait = attempt(() => findLockWait(program, task, frames, (address) => addresses.has(address), rings));
    if (wait === undefined) continue;
    answers.say(isAsked(wait.kind) ? 'lock waits' : 'other lock waits', hex(task.address), hex(wait.lock));
    locks.set(wait.lock, wait.kind);
  }
  for (const [lock, kind] of locks) sayLock(program, lock, kind, answers);
  return locks;
}

/** drgn is asked of these two kinds alone. */
const isAsked = (kind: LockKind): boolean => kind === 'mutex' || kind === 'rw_semaphore';

function sayLock(program: Program, lock: VirtAddr, kind: LockKind, answers: Answers): void {
  const group = isAsked(kind) ? 'locks' : 'other locks';
  const say = (name: string, value: string): void => answers.say(group, `${hex(lock)}.${name}`, value);
  say('kind', kind);
  if (kind === 'mutex') say('owner', orNull(mutexState(program, lock).owner));
  if (kind === 'rw_semaphore') {
    const state = rwsemState(program, lock);
    say('owner', orNull(state.owner));
    say('count', hex(state.count));
  }
  const { waiters, problem } = lockWaiters(program, kind, lock);
  const list = waiters.map(({ task, mode }) => (mode === undefined ? hex(task) : `${hex(task)} ${mode}`)).join(', ');
  say('waiters', problem === undefined ? list : UNREADABLE);
}

export function sayAddressSpaces(program: Program, tasks: readonly Task[], answers: Answers): void {
  const users = new Map<VirtAddr, VirtAddr[]>();
  for (const { mm, address } of tasks) {
    if (mm === undefined) continue;
    const known = users.get(mm);
    if (known === undefined) users.set(mm, [address]);
    else known.push(address);
  }
  for (const [mm, sharers] of users) {
    const at = hex(mm);
    const say = (name: string, value: string | number | undefined): void => answers.say('rss', `${at}.${name}`, value);
    const rss = attempt(() => rssOf(program, mm, sharers));
    for (const name of ['file', 'anon', 'shmem', 'swap', 'total'] as const)
      say(name, rss === undefined ? UNREADABLE : rss[name]);
    const info = attempt(() => readMm(program, mm));
    for (const name of ['totalVm', 'pageTables', 'mapCount', 'users'] as const) say(name, info?.[name] ?? UNREADABLE);
    say('exe', info?.exe?.text);
    const { vmas, problem } = vmasOf(program, mm);
    for (const { start, end, flags, pageOffset, file } of vmas)
      answers.say('vmas', `${at}.${hex(start)}`, `${hex(end)} ${hex(flags)} ${pageOffset} ${orNull(file)}`);
    if (problem !== undefined) answers.say('vmas', `${at}.problem`, UNREADABLE);
  }
}
