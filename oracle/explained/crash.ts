/**
 * Known differences from crash.
 */
import type { Answer, Answers } from '../answers.ts';
import type { Context, Explanation } from '../compare.ts';
import { isSince } from './releases.ts';
import { waitsForRtlock } from './drgn.ts';
import { addressesOf, areAliases, isInside } from './symbols.ts';

const text = (answer: Answer | undefined): string => (typeof answer === 'string' ? answer : '');
const words = (answer: Answer | undefined): string[] => text(answer).split(' ');

/** What each list has that the other has not, when both keep their order. */
function apart(ours: readonly string[], theirs: readonly string[]): { ours: string[]; theirs: string[] } {
  return {
    ours: ours.filter((pc) => !theirs.includes(pc)),
    theirs: theirs.filter((pc) => !ours.includes(pc)),
  };
}

/** How many words of one list are not in the other, in their order. */
function missingIn(outer: readonly string[], inner: readonly string[]): number {
  let at = 0;
  let missing = 0;
  for (const word of inner) {
    const found = outer.indexOf(word, at);
    if (found < 0) missing++;
    else at = found + 1;
  }
  return missing;
}

/** The function that an exception interrupted, which crash tells beside the frames: the one behind the exception's entry. */
function isInterrupted(stack: readonly string[], index: number, { ours, theirs }: Context): boolean {
  const entry = stack[index - 1] ?? '';
  return /asm_|error_entry|_interrupt|common_/.test(
    text(theirs.get('functions', entry) ?? ours.get('functions', entry)),
  );
}

/** TASK_WAKING of include/linux/sched.h, since 4.14. */
const TASK_WAKING = 0x200;

export const CRASH: readonly Explanation[] = [
  {
    name: 'a running task from further in',
    oracle: 'crash',
    group: 'stacks',
    verdict: 'both',
    argument:
      "crash starts a running task's stack at the innermost frame it finds on it, in machine_kexec, in the NMI that stopped the CPU or in the handling of the fault; we start at the registers that the kernel saved for the dump, a few frames further out, as drgn does.",
    explains: ({ key, ours, theirs }, all) => {
      if (all.ours.get('stack registers', key) !== 'crash-note') return false;
      const differ = apart(words(ours), words(theirs));
      // Whatever crash has more stands before everything that both have.
      const common = words(theirs).slice(differ.theirs.length);
      return differ.ours.length <= 1 && common.length > 0 && common.every((pc) => words(ours).includes(pc));
    },
  },
  {
    name: 'the interrupted function as a line of its own',
    oracle: 'crash',
    group: 'stacks',
    verdict: 'both',
    argument:
      'The function that an exception interrupted is told by crash as "exception RIP" above its registers, and not as a frame; drgn and we count it as one.',
    explains: ({ ours, theirs }, all) => {
      const differ = apart(words(ours), words(theirs));
      const stack = words(ours);
      return (
        differ.theirs.length === 0 &&
        differ.ours.length > 0 &&
        differ.ours.every((pc) => isInterrupted(stack, stack.indexOf(pc), all))
      );
    },
  },
  {
    name: 'whatever looks like an address',
    oracle: 'crash',
    group: 'stacks',
    verdict: 'oracle',
    argument:
      'crash 9 does not know the unwind tables of 7.1 and later, and takes every word on the stack for a frame that looks like a return address: ours are all among them, in their order, but for an interrupted function and up to two of those in which a CPU was. drgn, which reads these tables, has the same frames as we.',
    explains: ({ key, ours, theirs }, all) => {
      if (!isSince(all.subject.release, 7, 1) || ours === '') return false;
      const wasRunning = all.ours.get('stack registers', key) === 'crash-note';
      const stack = words(ours).filter((_, i, each) => !isInterrupted(each, i, all));
      return missingIn(words(theirs), stack) <= (wasRunning ? 2 : 0);
    },
  },
  {
    name: 'only on a stack that differs',
    oracle: 'crash',
    group: 'functions',
    verdict: 'both',
    argument: 'The name is of an address on one of the stacks that differ, whose differences are explained one by one.',
    explains: ({ key, ours, theirs }, all) => {
      if (ours !== undefined && theirs !== undefined) return false;
      const side = ours === undefined ? all.ours : all.theirs;
      const other = ours === undefined ? all.theirs : all.ours;
      for (const [task, stack] of other.group('stacks')) {
        if (words(stack).includes(key) && !words(side.get('stacks', task)).includes(key)) return true;
      }
      return false;
    },
  },
  {
    name: 'two names of one address',
    oracle: 'crash',
    group: 'functions',
    verdict: 'both',
    argument: 'Both names are symbols at the same address; the kernel prints the first in kallsyms order, as we do.',
    explains: ({ ours, theirs }, { ours: all }) => areAliases(all, text(ours), text(theirs)),
  },
  {
    name: 'a label inside a function',
    oracle: 'crash',
    group: 'functions',
    verdict: 'both',
    argument: 'One names a label between the start of the function and the address, the other the function.',
    explains: ({ ours, theirs }, { ours: all }) =>
      isInside(all, text(ours), text(theirs)) || isInside(all, text(theirs), text(ours)),
  },
  {
    name: 'uptime with a wrong HZ',
    oracle: 'crash',
    group: 'sys',
    verdict: 'oracle',
    argument:
      'crash 9 takes HZ from mq-deadline or from the embedded configuration, finds neither on 6.12 and later and assumes 1000; 300 s before the wrap of jiffies then make an uptime of minutes. CLOCK_BOOTTIME of the timekeeper, which we use, agrees with the guest itself.',
    explains: ({ key, theirs }, { ours }) => {
      if (key !== 'uptime') return false;
      const jiffies = BigInt(text(ours.get('system', 'jiffies')));
      // INITIAL_JIFFIES is -300 * HZ in 32 bits.
      const wrong = Number(jiffies - (2n ** 32n - 300n * BigInt(text(ours.get('system', 'hz'))))) / 1000;
      const beside = Number(jiffies - (2n ** 32n - 300_000n)) / 1000;
      return [wrong, beside].some((seconds) => Math.abs(seconds - secondsOf(text(theirs))) < 1);
    },
  },
  {
    name: 'uptime from jiffies',
    oracle: 'crash',
    group: 'sys',
    verdict: 'oracle',
    argument:
      'crash counts jiffies, which stand still while ticks are lost; the difference is below a second, and shows as one where a full second lies between.',
    explains: ({ key, ours, theirs }) =>
      key === 'uptime' && Math.abs(secondsOf(text(ours)) - secondsOf(text(theirs))) <= 1,
  },
  {
    name: 'date of the last update',
    oracle: 'crash',
    group: 'sys',
    verdict: 'both',
    argument: 'crash takes xtime as it was when it was updated last; ours may be a second later.',
    explains: ({ key, ours, theirs }) =>
      key === 'date' && Math.abs(Date.parse(text(ours)) - Date.parse(text(theirs))) <= 1000,
  },
  {
    name: 'a clock that crash does not find',
    oracle: 'crash',
    group: 'sys',
    verdict: 'oracle',
    argument:
      'Since 6.17 the timekeeper is an element of timekeeper_data, and tk_core is gone: crash 9 finds no clock and shows 1970. CLOCK_REALTIME, which we use, agrees with drgn.',
    explains: ({ key, theirs }, { ours }) =>
      key === 'date' && theirs === 'Thu Jan  1 00:00:00 UTC 1970' && addressesOf(ours, 'tk_core').length === 0,
  },
  {
    name: 'parts of COMMITTED',
    oracle: 'crash',
    group: 'kmem -i',
    verdict: 'oracle',
    argument:
      'crash reads vm_committed_as.count alone and not what each CPU has counted; /proc/meminfo (vm_memory_committed()) and we add these.',
    explains: ({ key, theirs }, { ours }) =>
      // The sum is compared with drgn, which adds the parts as well.
      key === 'COMMITTED' && Number(ours.get('meminfo', 'committedAs.count')) / 4096 === Number(theirs),
  },
  {
    name: 'pages that CPUs have not added',
    oracle: 'crash',
    group: 'kmem -i',
    verdict: 'oracle',
    argument:
      'crash reads the global counters without the differences that each CPU keeps: its number is the one that these alone give.',
    explains: ({ key, theirs }, { ours }) => globalAlone(key, ours) === Number(theirs),
  },
  {
    name: 'zones without pages',
    oracle: 'crash',
    group: 'zones',
    verdict: 'both',
    argument: 'crash prints the zones of a node behind the last one that has memory; we read pglist_data.nr_zones.',
    explains: ({ key, ours }, { theirs }) =>
      ours === undefined && theirs.get('zones', key.replace(/^(\d+\.\w+)\..*$/, '$1.spanned')) === '0',
  },
  {
    name: 'anonymous inodes',
    oracle: 'crash',
    group: 'open files',
    verdict: 'both',
    argument: 'd_path() puts anon_inode: before the name of anonymous inodes; crash prints the name alone.',
    explains: ({ key, ours, theirs }) => key.endsWith('.path') && text(ours) === `anon_inode:${text(theirs)}`,
  },
  {
    name: 'pipes and sockets',
    oracle: 'crash',
    group: 'open files',
    verdict: 'oracle',
    argument: 'pipefs and sockfs make names such as pipe:[1146] when asked (d_dname); crash prints none.',
    explains: ({ key, ours, theirs }) =>
      key.endsWith('.path') && theirs === '' && /^(pipe|socket):\[\d+\]$/.test(text(ours)),
  },
  {
    name: 'pages that tasks have not added',
    oracle: 'crash',
    group: 'ps',
    verdict: 'oracle',
    argument:
      'Until 6.1 each task keeps up to 64 events of each kind to itself (task_struct.rss_stat). crash does not add these of every task of the address space; drgn and smaps_rollup of /proc do, and agree with us.',
    explains: ({ key, ours, theirs }, all) =>
      key.endsWith('.rss') &&
      Number(ours) > Number(theirs) &&
      Number(ours) - Number(theirs) <= sharers(key, all) * 3 * 64 * 4,
  },
  {
    name: 'a task that never ran',
    oracle: 'crash',
    group: 'stacks',
    verdict: 'oracle',
    argument: 'A new task has one frame, ret_from_fork; crash shows none.',
    explains: ({ key, ours, theirs }, all) =>
      theirs === '' && words(ours).length === 1 && all.ours.get('tasks', `${key}.runs`) === '0',
  },
  {
    name: 'a running task in user mode',
    oracle: 'crash',
    group: 'stacks',
    verdict: 'oracle',
    argument:
      'The registers that were saved say that the CPU was in user mode, where no kernel stack is in use; crash shows what is left on it, or the NMI that stopped the CPU.',
    explains: ({ key, ours }, all) =>
      ours === '' &&
      all.ours.get('stack ends', key) === 'user' &&
      all.ours.get('stack registers', key) === 'crash-note',
  },
  {
    name: 'in the middle of a switch',
    oracle: 'crash',
    group: 'ps',
    verdict: 'both',
    argument:
      "__schedule() sets rq->curr to the next task before the CPU leaves the stack of the last one. crash calls the last one running (current_task), we and drgn the next (rq->curr); the last one's stack is read from the CPU's registers, the next one's from where it left the CPU.",
    explains: ({ key, ours }, all) =>
      key.endsWith('.running') &&
      all.ours.get('stack registers', key.replace(/\.running$/, '')) ===
        (ours === 'yes' ? 'switched-out' : 'crash-note'),
  },
  {
    name: 'woken and not yet queued',
    oracle: 'crash',
    group: 'ps',
    verdict: 'both',
    argument:
      'TASK_WAKING is none of the states that the kernel reports: task_state_index() gives R for it, crash has a name of its own.',
    explains: ({ key, ours, theirs }, all) =>
      key.endsWith('.state') &&
      ours === 'RU' &&
      theirs === 'WA' &&
      all.ours.get('tasks', key.replace(/state$/, 'rawState')) === String(TASK_WAKING),
  },
  {
    name: 'waiting for a sleeping spinlock',
    oracle: 'crash',
    group: 'ps',
    verdict: 'oracle',
    argument:
      'TASK_RTLOCK_WAIT (PREEMPT_RT, since 5.15) is reported as D by task_state_index(); crash has no name for it.',
    explains: ({ key, ours, theirs }, all) =>
      key.endsWith('.state') && ours === 'UN' && theirs === '??' && waitsForRtlock(key, all),
  },
  {
    name: 'load averages cut off',
    oracle: 'crash',
    group: 'sys',
    verdict: 'both',
    argument: 'crash cuts the hundredths off, we round.',
    explains: ({ key, ours, theirs }) =>
      key === 'loadAverages' &&
      words(ours).every((load, i) => ['0.00', '0.01'].includes((Number(load) - Number(words(theirs)[i])).toFixed(2))),
  },
  {
    name: 'the parent of an idle task',
    oracle: 'crash',
    group: 'ps',
    verdict: 'oracle',
    argument:
      'The idle tasks of other CPUs than the first are children of the task that brought the CPU up (real_parent says so, in drgn too); crash prints 0 for all of them.',
    explains: ({ key, theirs }, { ours }) =>
      key.endsWith('.ppid') && theirs === '0' && ours.get('tasks', key.replace('.ppid', '.idle')) === 'yes',
  },
];

/** What the global counters alone say, in pages; without what each CPU has counted and not added. */
function globalAlone(key: string, ours: Answers): number | undefined {
  const folded = (...names: readonly string[]): number =>
    Number(names.map((name) => ours.get('counters', `${name}.folded`)).find((value) => value !== undefined));
  const of = (name: string): number => Number(ours.get('kmem -i', name));
  switch (key) {
    case 'FREE':
      return folded('NR_FREE_PAGES');
    case 'USED':
      return of('TOTAL MEM') - folded('NR_FREE_PAGES');
    case 'CACHED':
      return folded('NR_FILE_PAGES') - of('BUFFERS');
    case 'SLAB':
      return (
        folded('NR_SLAB_RECLAIMABLE_B', 'NR_SLAB_RECLAIMABLE') +
        folded('NR_SLAB_UNRECLAIMABLE_B', 'NR_SLAB_UNRECLAIMABLE')
      );
    default:
      return undefined;
  }
}

/** How many tasks use the address space of the task that a key begins with. */
function sharers(key: string, { ours }: Context): number {
  const mm = ours.get('tasks', `${key.slice(0, key.indexOf('.'))}.mm`);
  let count = 0;
  for (const [field, value] of ours.group('tasks')) if (field.endsWith('.mm') && value === mm) count++;
  return count;
}

/** '12 days, 03:04:05' in seconds. */
function secondsOf(uptime: string): number {
  const [, days, hours, minutes, seconds] = /(?:(\d+) days, )?(\d+):(\d+):(\d+)/.exec(uptime) ?? [];
  return Number(days ?? 0) * 86_400 + Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
}
