/**
 * Known differences from drgn.
 */
import type { Answer, Answers } from '../answers.ts';
import { type Context, type Explanation, isUnreadable } from '../compare.ts';
import { addressesOf, areAliases, isInside } from './symbols.ts';

const text = (answer: Answer | undefined): string => (typeof answer === 'string' ? answer : '');

/** Whether an address lies in a module. */
function isInModule(ours: Answers, address: bigint): boolean {
  return [...ours.group('modules')].some(
    ([key, ranges]) =>
      key.endsWith('.ranges') &&
      text(ranges)
        .split(' ')
        .some((range) => {
          const [start = '0x0', end = '0x0'] = range.split('-');
          return address >= BigInt(start) && address < BigInt(end);
        }),
  );
}

/** TASK_RTLOCK_WAIT of include/linux/sched.h. */
const TASK_RTLOCK_WAIT = 0x1000;

/** @param key - of the task's state */
export function waitsForRtlock(key: string, { ours }: Context): boolean {
  return (Number(ours.get('tasks', key.replace(/state$/, 'rawState'))) & TASK_RTLOCK_WAIT) !== 0;
}

/** Its stack was given back; the dump has no registers of it. */
function hasExited(task: string, { ours }: Context): boolean {
  return text(ours.get('tasks', `${task}.exitState`)) !== '0' && ours.get('stack registers', task) === 'none';
}

export const DRGN: readonly Explanation[] = [
  {
    name: 'two names of one address',
    oracle: 'drgn',
    group: 'functions',
    verdict: 'both',
    argument:
      'Both names are symbols at the same address (every symbol is compared with nm); the kernel prints the first in kallsyms order, as we do, and drgn another.',
    explains: ({ ours, theirs }, { ours: all }) => areAliases(all, text(ours), text(theirs)),
  },
  {
    name: 'a label inside a function',
    oracle: 'drgn',
    group: 'functions',
    verdict: 'both',
    argument:
      'Assembler code such as entry_SYSCALL_64 has labels (entry_SYSCALL_64_after_hwframe) that lie between its start and the address. drgn names the symbol whose size covers the address; the kernel and crash name the label, the last symbol before it.',
    explains: ({ ours, theirs }, { ours: all }) => isInside(all, text(ours), text(theirs)),
  },
  {
    name: 'the first instruction of a function',
    oracle: 'drgn',
    group: 'functions',
    verdict: 'oracle',
    argument:
      'A new task will begin at the first instruction of ret_from_fork; drgn takes the address for a return address, and looks for the function before it.',
    explains: ({ key, ours, theirs }, { ours: all }) =>
      theirs === 'unknown' &&
      // KASLR moves the image by multiples of 2 MiB.
      addressesOf(all, text(ours)).some((at) => BigInt.asUintN(21, at) === BigInt.asUintN(21, BigInt(key))),
  },
  {
    name: 'anonymous inodes',
    oracle: 'drgn',
    group: 'files',
    verdict: 'oracle',
    argument: 'd_path() asks the dentry, which names anonymous inodes anon_inode:[...]; drgn does not ask it.',
    explains: ({ key, ours, theirs }) =>
      key.endsWith('.path') && text(theirs) === '[anon_inodefs]' && text(ours).startsWith('anon_inode:'),
  },
  {
    name: 'pipes and sockets',
    oracle: 'drgn',
    group: 'files',
    verdict: 'oracle',
    argument:
      'pipefs and sockfs make names such as pipe:[1146] when asked (d_dname); drgn shows the file system instead.',
    explains: ({ key, ours, theirs }) =>
      key.endsWith('.path') &&
      ((text(theirs) === '[pipefs]' && /^pipe:\[\d+\]$/.test(text(ours))) ||
        (text(theirs) === '[sockfs]' && /^socket:\[\d+\]$/.test(text(ours)))),
  },
  ...(['functions', 'files'] as const).map(
    (group): Explanation => ({
      name: 'symbols of modules',
      oracle: 'drgn',
      group,
      verdict: 'both',
      argument:
        "drgn has no symbols of a module whose debug file it was not given; ours come from the module's own table, and the name is none of the kernel's.",
      explains: ({ key, ours, theirs }, { ours: all }) =>
        text(ours) !== '' &&
        addressesOf(all, text(ours)).length === 0 &&
        (group === 'functions'
          ? theirs === 'unknown' && isInModule(all, BigInt(key))
          : theirs === 'unnamed' && key.endsWith('.operations')),
    }),
  ),
  {
    name: 'an address space of several processes',
    oracle: 'drgn',
    group: 'rss',
    verdict: 'oracle',
    argument:
      'Until 6.1 each task keeps some of the counts to itself. drgn adds those of one thread group; processes that share an address space (vfork, CLONE_VM) are several groups. smaps_rollup of /proc agrees with our sum.',
    explains: ({ key, ours: own, theirs }, { ours }) => {
      const groups = new Set<string>();
      let tasks = 0;
      for (const [field, value] of ours.group('tasks')) {
        if (!field.endsWith('.mm') || value !== key.split('.')[0]) continue;
        groups.add(text(ours.get('tasks', field.replace(/mm$/, 'tgid'))));
        tasks++;
      }
      // Each keeps at most TASK_RSS_EVENTS_THRESH of each kind, of which the total has three.
      const most = tasks * 64 * (key.endsWith('.total') ? 3 : 1);
      return (
        groups.size > 1 && /\.(file|anon|shmem|swap|total)$/.test(key) && Math.abs(Number(own) - Number(theirs)) <= most
      );
    },
  },
  {
    name: 'stacks that were freed',
    oracle: 'drgn',
    group: 'functions',
    verdict: 'both',
    argument: 'The name is of an address on a stack that was freed.',
    explains: ({ key, ours }, all) =>
      ours === undefined &&
      [...all.theirs.group('stacks')].some(([task, stack]) => text(stack).includes(key) && hasExited(task, all)),
  },
  {
    name: 'stacks that were freed',
    oracle: 'drgn',
    group: 'stacks',
    verdict: 'both',
    argument:
      'An exited task has no stack any more (task_struct.stack is NULL), and we have no frames: drgn raises an error, or reads what is left of it where the memory was not used again.',
    explains: ({ key, ours }, all) => ours === '' && hasExited(key, all),
  },
  {
    name: 'waiting for a sleeping spinlock',
    oracle: 'drgn',
    group: 'tasks',
    verdict: 'oracle',
    argument:
      'TASK_RTLOCK_WAIT (PREEMPT_RT, since 5.15) is reported as D by task_state_index(); drgn knows no letter of it and says R.',
    explains: ({ key, ours, theirs }, all) =>
      key.endsWith('.state') && ours === 'D' && theirs === 'R' && waitsForRtlock(key, all),
  },
  {
    name: 'a variable that the compiler removed',
    oracle: 'drgn',
    group: 'lock waits',
    verdict: 'oracle',
    argument:
      'The function that waits keeps the lock in no variable that drgn finds. The waiters of the lock itself, as drgn lists them, have the task among them.',
    explains: ({ key, ours, theirs }, all) =>
      theirs === undefined && text(all.theirs.get('locks', `${text(ours)}.waiters`)).includes(key),
  },
  {
    name: 'woken already',
    oracle: 'drgn',
    group: 'lock waits',
    verdict: 'both',
    argument:
      'The task stands in the function that waits, but was woken and is runnable: it is about to take the lock, and we name only locks that somebody sleeps for.',
    explains: ({ key, ours }, all) => ours === undefined && all.ours.get('tasks', `${key}.state`) === 'R',
  },
  {
    name: 'zeroes for what was left out',
    oracle: 'drgn',
    group: '*',
    verdict: 'oracle',
    argument:
      'makedumpfile -E leaves excluded pages out of the ELF segments, and drgn reads holes as zeroes; we say that they cannot be read.',
    explains: ({ ours, theirs }, { subject }) =>
      subject.format === 'elf' && subject.level > 0 && isUnreadable(ours) && /^(0x)?0*$/.test(text(theirs)),
  },
];
