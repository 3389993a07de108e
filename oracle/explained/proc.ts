/**
 * Known differences from the guest's own /proc: it was recorded before the dump, and shows some things for people.
 */
import type { Answer } from '../answers.ts';
import { type Context, type Explanation, isUnreadable } from '../compare.ts';
import { isSince } from './releases.ts';

const text = (answer: Answer | undefined): string => (typeof answer === 'string' ? answer : '');

/** The task got a CPU after the second recording: its own count of that says so. */
function ranSince(pid: string, { ours, theirs }: Context): boolean {
  const recorded = theirs.get('processes', `${pid}.runs`);
  const last = typeof recorded === 'string' ? Number(recorded) : recorded?.low;
  return last !== undefined && Number(ours.get('processes', `${pid}.runs`)) > last;
}

/** Of a thread, whose runs are not recorded: it got a CPU after the second recording had begun. */
function threadRanSince(pid: string, all: Context): boolean {
  const uptime = all.theirs.get('machine', 'uptime');
  const began = typeof uptime === 'object' ? Number(uptime.text.split(', then ')[1]) : NaN;
  // The scheduler's clock is some hundredths of a second off.
  return Number(byPid(pid, 'lastArrival', all)) / 1e9 > began - 0.1;
}

function isRunning(pid: string, all: Context): boolean {
  return byPid(pid, 'running', all) === 'yes';
}

/** Pages that were allocated and freed after the second recording, by the kernel's own counts. */
function pagesMoved({ ours, theirs }: Context): number {
  let sum = 0;
  for (const [name, recorded] of theirs.group('vmstat')) {
    if (!/^(pgalloc_\w+|pgfree)$/.test(name)) continue;
    const then = typeof recorded === 'string' ? Number(recorded) : recorded.low;
    sum += Math.max(0, Number(ours.get('vmstat', name)) - then);
  }
  return sum;
}

/** How far apart two answers are. */
function apart(ours: Answer | undefined, theirs: Answer | undefined): number {
  const bounds = (each: Answer | undefined): readonly [number, number] =>
    each === undefined ? [NaN, NaN] : typeof each === 'string' ? [Number(each), Number(each)] : [each.low, each.high];
  const [a, b] = bounds(ours);
  const [c, d] = bounds(theirs);
  return Math.max(c - b, a - d, 0);
}

function byPid(pid: string, field: string, { ours }: Context): string {
  for (const [key, value] of ours.group('tasks'))
    if (key.endsWith('.pid') && value === pid) return text(ours.get('tasks', key.replace(/pid$/, field)));
  return '';
}

const MOVED =
  'Memory moved on after the second recording: the difference is no more than the pages that were allocated and freed since, by the counts of pgalloc and pgfree.';

const PAGE = 4096;

const RAN = 'sched_info.pcount, which the scheduler counts up each time a task gets a CPU, is higher than recorded';

/** The guest went on for some seconds and then crashed by itself: nobody asked for it in the log. */
function crashedByItself({ subject, ours }: Context): boolean {
  return (
    !subject.live && ![...ours.group('log').values()].some((line) => text(line).includes('sysrq: Trigger a crash'))
  );
}

/** Pages that a process takes off its page tables before it frees them: MAX_GATHER_BATCH_COUNT batches of them. */
const MAX_GATHERED = 10_000;

/** Some task is about to give its memory back. */
function someoneUnmaps({ ours }: Context): boolean {
  return [...ours.group('functions').values()].some((name) =>
    /^(exit_mmap|unmap_vmas|zap_pte_range)$/.test(text(name)),
  );
}

const OWN_CRASH =
  'The guest crashed by itself some seconds after the recording (no sysrq is in its log): it was up that much longer';

export const PROC: readonly Explanation[] = [
  {
    name: 'it went on until it crashed',
    oracle: 'proc',
    group: 'machine',
    verdict: 'later',
    argument: `${OWN_CRASH}, with what that did to the load, and taints only add up.`,
    explains: ({ key, ours, theirs }, all) => {
      if (!crashedByItself(all)) return false;
      const bounds = typeof theirs === 'object' ? theirs.high : Number(theirs);
      if (key === 'uptime') return Number(ours) > bounds;
      if (key === 'tainted') return (BigInt(text(ours)) & BigInt(text(theirs))) === BigInt(text(theirs));
      return key.startsWith('load ');
    },
  },
  {
    name: 'unmapped and not freed yet',
    oracle: 'proc',
    group: '*',
    verdict: 'later',
    argument:
      'A process was giving its memory back (zap_pte_range() stands on a stack): its pages are no longer counted as mapped, and are freed later, up to 10,000 at once, so that pgfree does not tell them yet.',
    explains: ({ group, key, ours, theirs }, all) => {
      const unit = { 'meminfo kB': 4, vmstat: 1, 'memory cgroups': PAGE }[group];
      if (unit === undefined || !/anon/i.test(key) || !someoneUnmaps(all)) return false;
      return apart(ours, theirs) <= (pagesMoved(all) + MAX_GATHERED) * unit;
    },
  },
  {
    name: 'a module without code of its own',
    oracle: 'proc',
    group: 'loaded modules',
    verdict: 'both',
    argument:
      'Until 6.3 /proc/modules shows where a module begins, and we where its code does: all code of this one was for its start and is gone.',
    explains: ({ key, ours }, { subject, ours: all }) =>
      ours === undefined &&
      !isSince(subject.release, 6, 4) &&
      [...all.group('modules').keys()].some((each) => each === key || each.startsWith(`${key}.`)),
  },
  ...(['processes', 'wchan'] as const).map(
    (group): Explanation => ({
      name: 'the recorder itself',
      oracle: 'proc',
      group,
      verdict: 'later',
      argument: 'It was running when it recorded itself, and then slept in pause() for the dump to be taken.',
      explains: ({ key, ours }, all) => {
        const [pid = '', name = 'wchan'] = key.split('.');
        const slept = all.ours.get('wchan', pid) === '__do_sys_pause';
        return slept && (name === 'State' ? ours === 'S' : name === 'wchan');
      },
    }),
  ),
  {
    name: 'names of kernel threads',
    oracle: 'proc',
    group: 'processes',
    verdict: 'both',
    argument:
      'Since 5.17 /proc shows the full name of a kernel thread, of which comm holds 15 characters, and of a worker its last work behind its name.',
    explains: ({ key, ours, theirs }, all) =>
      key.endsWith('.Name') &&
      byPid(key.slice(0, -'.Name'.length), 'kthread', all) === 'yes' &&
      (/^[-+]/.test(text(theirs).slice(text(ours).length)) || text(ours).length === 15) &&
      text(theirs).startsWith(text(ours)),
  },
  {
    name: 'it ran since',
    oracle: 'proc',
    group: 'processes',
    verdict: 'later',
    argument: `The task ran after the recording: ${RAN}.`,
    explains: ({ key }, all) => {
      const [pid = '', name = ''] = key.split('.');
      return /^(State|runs|runDelay|Rss|VmPTE|VmSize|vsize|Threads|VmSwap|oomScore)$/.test(name) && ranSince(pid, all);
    },
  },
  {
    name: 'it ran since',
    oracle: 'proc',
    group: 'resident',
    verdict: 'later',
    argument: `The task ran after the recording, and mapped or gave back memory: ${RAN}.`,
    explains: ({ key }, all) => ranSince(key.split('.')[0] ?? '', all),
  },
  {
    name: 'waiting for a CPU',
    oracle: 'proc',
    group: 'processes',
    verdict: 'later',
    argument: 'The task became runnable after the recording and had no CPU yet (last_queued is set, or it is running).',
    explains: ({ key, ours }, all) => {
      const [pid = '', name] = key.split('.');
      return name === 'State' && ours === 'R' && (isRunning(pid, all) || byPid(pid, 'lastQueued', all) !== '0');
    },
  },
  {
    name: 'it ran since',
    oracle: 'proc',
    group: 'kernel stacks',
    verdict: 'later',
    argument: `The task ran after the recording, and waits elsewhere: ${RAN}.`,
    explains: ({ key }, all) => ranSince(key, all) || threadRanSince(key, all),
  },
  {
    name: 'it ran since',
    oracle: 'proc',
    group: 'wchan',
    verdict: 'later',
    argument: `The task ran after the recording, and waits elsewhere: ${RAN}.`,
    explains: ({ key }, all) => ranSince(key, all),
  },
  {
    name: 'waiting for a CPU',
    oracle: 'proc',
    group: 'wchan',
    verdict: 'later',
    argument:
      'The task was woken after the recording and had no CPU yet (last_queued is set): it waits in no function.',
    explains: ({ key, ours }, all) =>
      ours === '0' && byPid(key, 'state', all) === 'R' && byPid(key, 'lastQueued', all) !== '0',
  },
  {
    name: 'it ran since',
    oracle: 'proc',
    group: 'threads',
    verdict: 'later',
    argument:
      'The thread ran after the recording: sched_info.last_arrival, when it got a CPU last, is after the second recording began.',
    explains: ({ key }, all) => key.endsWith('.State') && threadRanSince(key.split('.')[0] ?? '', all),
  },
  {
    name: 'wchan by frame pointers',
    oracle: 'proc',
    group: 'wchan',
    verdict: 'oracle',
    argument:
      "Until 5.15 x86's get_wchan() follows frame pointers, which a kernel with ORC unwind tables has not, and answers 0 (commit bc9bbb81730e of 5.16 mends it). /proc/PID/stack of the same task agrees with us.",
    explains: ({ key, theirs }, { subject, theirs: all }) =>
      theirs === '0' &&
      !isSince(subject.release, 5, 16) &&
      (all.get('kernel stacks', key) !== undefined || [...all.group('wchan').values()].every((each) => each === '0')),
  },
  {
    name: 'it was running',
    oracle: 'proc',
    group: 'kernel stacks',
    verdict: 'later',
    argument: 'The task was on a CPU when the dump was taken: the recorder reads its own stack in /proc.',
    explains: ({ key }, all) => isRunning(key, all),
  },
  ...(['processes', 'threads'] as const).map(
    (group): Explanation => ({
      name: 'started a moment earlier',
      oracle: 'proc',
      group,
      verdict: 'both',
      argument:
        'start_boottime, which /proc shows, is taken a moment after start_time: some ticks of 1/100 s later, on an emulated machine.',
      explains: ({ key, ours, theirs }) =>
        key.endsWith('.starttime') && Number(theirs) > Number(ours) && Number(theirs) - Number(ours) <= 10,
    }),
  ),
  ...(['vmstat', 'meminfo kB', 'zoneinfo', 'buddyinfo', 'slabinfo'] as const).map(
    (group): Explanation => ({
      name: 'memory moved on',
      oracle: 'proc',
      group,
      verdict: 'later',
      argument: MOVED,
      explains: ({ key, ours, theirs }, all) =>
        (group !== 'zoneinfo' || key.endsWith('.free')) &&
        (group !== 'slabinfo' || key.endsWith('.pages')) &&
        apart(ours, theirs) <= pagesMoved(all) * (group === 'meminfo kB' ? 4 : 1),
    }),
  ),
  {
    name: 'memory moved on',
    oracle: 'proc',
    group: 'memory cgroups',
    verdict: 'later',
    argument: MOVED,
    explains: ({ key, ours, theirs }, all) =>
      /current$|stat\.\w+$/.test(key) && apart(ours, theirs) <= pagesMoved(all) * PAGE,
  },
  {
    name: 'a boost of the watermarks',
    oracle: 'proc',
    group: 'zoneinfo',
    verdict: 'both',
    argument: 'watermark_boost, which comes and goes, is in the marks shown; without it both are the same.',
    explains: ({ key, ours, theirs }, all) => {
      const zone = key.replace(/\.\w+$/, '.boost');
      if (key === zone) return pagesMoved(all) > 0;
      if (!/\.(min|low|high)$/.test(key)) return false;
      return (
        Number(ours) - Number(all.ours.get('zoneinfo', zone)) ===
        Number(theirs) - Number(all.theirs.get('zoneinfo', zone))
      );
    },
  },
  {
    name: 'an update of the load',
    oracle: 'proc',
    group: 'machine',
    verdict: 'later',
    argument:
      'Every 5 s the averages take a share of the tasks that run or wait (1/12.5, 1/60, 1/180): an update came after the recordings, and the difference is no more than that of the tasks in these states.',
    explains: ({ key, ours, theirs }, all) => {
      const share = { 'load 0': 1 / 12, 'load 1': 1 / 60, 'load 2': 1 / 180 }[key];
      const active = [...all.ours.group('tasks')].filter(
        ([name, value]) => name.endsWith('.state') && /^[RD]$/.test(text(value)),
      );
      return share !== undefined && apart(ours, theirs) <= share * active.length + 0.02;
    },
  },
  {
    name: 'pages that makedumpfile left out',
    oracle: 'proc',
    group: '*',
    verdict: 'both',
    argument:
      'makedumpfile 1.7.8 does not know struct page of 7.1 and later, and leaves out pages that the kernel uses. We say that what they held cannot be read; the file that leaves out zero pages alone answers.',
    explains: ({ group, key, ours }, { subject, ours: all }) =>
      isSince(subject.release, 7, 1) &&
      subject.level > 1 &&
      (ours === undefined ||
        isUnreadable(ours) ||
        // Its list of threads breaks off, which the tasks say.
        (key.endsWith('.Threads') && [...all.group('problems').keys()].some((each) => /threads/.test(each))) ||
        (group === 'kernel stacks' && ours === '') ||
        (group === 'wchan' && all.get('kernel stacks', key) === '')),
  },
  {
    name: 'zones without pages',
    oracle: 'proc',
    group: 'zoneinfo',
    verdict: 'both',
    argument: 'zoneinfo shows the zones of a node behind the last one that has memory; we read pglist_data.nr_zones.',
    explains: ({ key, ours }, { theirs }) =>
      ours === undefined && theirs.get('zoneinfo', key.replace(/\.\w+$/, '.present')) === '0',
  },
];
