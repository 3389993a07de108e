/** A report like that of the incident which the program exists for: a lock held by a task that cannot go on. */
import { type VirtAddr, virt } from '../../src/base/address.ts';
import type { Evidence, Finding } from '../../src/model/finding.ts';
import type { Report } from '../../src/model/report.ts';
import {
  address,
  byteCount,
  command,
  count,
  ctype,
  duration,
  name,
  plural,
  prose,
  ratio,
  symbol,
  task,
  wallClock,
} from '../../src/model/value.ts';

const lock = virt(0xffff88899fd6d080n);
const directory = virt(0xffff88899fd6cfd8n);
export const ps = task({ pid: 96, comm: 'ps', address: virt(0xffff88899fc4a0c0n) });
const writer = task({ pid: 101, comm: 'crond-log', address: virt(0xffff88899fc4c180n) });
const top = task({ pid: 106, comm: 'top', address: virt(0xffff88899fc50000n) });
const crond = task({ pid: 80, comm: 'crond', address: virt(0xffff88899fc40000n) });

export function evidence(part: Partial<Evidence> = {}): Evidence {
  return {
    claim: prose`${ps} holds it for reading`,
    address: lock,
    ctype: 'struct rw_semaphore',
    confidence: 'certain',
    show: 'struct rw_semaphore ffff88899fd6d080',
    ...part,
  };
}

/** The finding that explains the incident. */
export function stuckHolder(part: Partial<Finding> = {}): Finding {
  return {
    detector: 'lock-holder',
    cause: 'lock-holder-stuck-in-own-userfaultfd',
    role: 'cause',
    title: prose`${ps} stands still while it holds the lock of directory ${name('/data')}; ${plural(51, 'task')} wait for it`,
    confidence: 'certain',
    weight: 51,
    story: [
      {
        topic: 'what',
        text: prose`${plural(51, 'task')} sleep uninterruptibly for one lock, ${symbol('i_rwsem')} of the inode of directory ${name('/data')} (${ctype('struct rw_semaphore')} ${address(lock)}).`,
      },
      {
        topic: 'why',
        text: prose`${ps} reads that directory (${symbol('getdents64')}). To store the entries it touched a page that is registered with userfaultfd, and sleeps until somebody supplies it. Only ${ps} itself has that userfaultfd open, so nobody ever will: it stands still by structure, whatever its age.`,
      },
      { topic: 'holder', text: prose`${ps} for reading, asleep (interruptible) for ${duration(8_440_000_000n)}.` },
      {
        topic: 'waiters',
        text: prose`1 writer first, ${writer}, for ${duration(7_420_000_000n)}; behind it ${plural(50, 'reader')}, all ${name('top')}, the longest ${top} for ${duration(6_400_000_000n)}.`,
      },
      {
        topic: 'launcher',
        text: prose`${count(50)} ${name('top')} from ${count(50)} ${name('timeout')}, all from ${crond}.`,
      },
      { topic: 'since', text: prose`${wallClock(1_795_424_391)}, ${duration(8_440_000_000n)} before the crash.` },
      { topic: 'clears', text: prose`No. Nothing but the end of ${ps} lets go of the lock.` },
      {
        topic: 'memory',
        text: prose`Not short: ${byteCount(291_000_000)} of ${byteCount(485_000_000)} are free (${ratio(0.6)}).`,
      },
      {
        topic: 'remedy',
        text: prose`Kill ${ps}: it sleeps interruptibly, so ${command('kill -9 96')} should release all ${count(51)}.`,
      },
    ],
    evidence: [
      evidence({ claim: prose`the lock is ${symbol('i_rwsem')} of the inode of directory ${name('/data')}` }),
      evidence(),
      evidence({
        claim: prose`the owner field of the lock names ${ps}`,
        confidence: 'probable',
        because: prose`a lock owned by readers keeps only a hint of its last one`,
      }),
      evidence({ claim: prose`the directory is ${name('/data')}`, address: directory, ctype: 'struct inode' }),
      evidence({
        claim: prose`no process was killed by the OOM killer`,
        address: undefined,
        ctype: undefined,
        show: 'log',
      }),
    ],
    remedies: [
      {
        action: prose`Kill ${ps}`,
        caution: prose`look first at what started it with a userfaultfd`,
      },
    ],
    details: {
      lock: { address: address(lock), type: ctype('struct rw_semaphore'), path: name('/data') },
      holder: ps,
      waiters: { writers: count(1), readers: count(50), longest: duration(7_420_000_000n) },
      tasks: [writer, top],
      nothing: undefined,
    },
    ...part,
  };
}

export const sysrq: Finding = {
  detector: 'crash-trigger',
  cause: 'sysrq-crash',
  role: 'trigger',
  title: prose`the crash was triggered by hand (sysrq) at ${duration(14_300_000_000n)}`,
  confidence: 'certain',
  weight: 0,
  story: [{ topic: 'what', text: prose`the log says ${name('sysrq: Trigger a crash')}` }],
  evidence: [
    evidence({ claim: prose`sysrq in the log`, address: undefined, ctype: undefined, show: 'log | grep sysrq' }),
  ],
  remedies: [],
  details: {},
};

export function report(part: Partial<Report> = {}): Report {
  return {
    system: [
      { key: 'dump', label: 'Dump', value: prose`${name('hung-6.1.vmcore')}`, data: name('hung-6.1.vmcore') },
      { key: 'format', label: 'Format', value: prose`kdump-compressed v6, zstd, dump level 31`, data: 'kdump' },
      {
        key: 'kernel',
        label: 'Kernel',
        value: prose`${name('6.1.0-56-cloud-amd64')}`,
        data: name('6.1.0-56-cloud-amd64'),
      },
      { key: 'machine', label: 'Machine', value: prose`x86_64, ${plural(2, 'CPU')}`, data: 'x86_64' },
      { key: 'uptime', label: 'Up', value: prose`${duration(14_300_000_000n)}`, data: duration(14_300_000_000n) },
      { key: 'crashed', label: 'Crashed', value: prose`${wallClock(1_795_424_400)}`, data: wallClock(1_795_424_400) },
      { key: 'memory', label: 'Memory', value: prose`${byteCount(485_000_000)}`, data: byteCount(485_000_000) },
      { key: 'tasks', label: 'Tasks', value: prose`${count(161)}, ${count(51)} blocked`, data: { all: count(161) } },
    ],
    findings: [stuckHolder(), sysrq],
    stories: [
      { findings: [0], links: [], loop: [] },
      { findings: [1], links: [], loop: [] },
    ],
    summary: [],
    advice: [],
    checks: [
      { detector: 'lock-holder', title: 'locks whose holder cannot go on', status: 'spoke' },
      { detector: 'crash-trigger', title: 'what triggered the crash', status: 'spoke' },
      { detector: 'oom', title: 'memory shortage', status: 'silent' },
      {
        detector: 'hung-nfs',
        title: 'NFS servers that do not answer',
        status: 'skipped',
        reason: 'module nfs is not loaded',
      },
    ],
    coverage: [
      { what: 'tasks', read: 161, total: 161, missing: [] },
      { what: 'stacks of blocked tasks', read: 51, total: 51, missing: [] },
    ],
    unproven: [],
    problems: [],
    stopped: undefined,
    complete: true,
    ...part,
  };
}

/** The same incident in a damaged dump, with a check that failed, stopped by the time limit. */
export function partialReport(): Report {
  return report({
    checks: [
      {
        detector: 'oom',
        title: 'memory shortage',
        status: 'failed',
        reason: 'struct zone at 0xffff888000000000: lost',
      },
      { detector: 'lock-holder', title: 'locks whose holder cannot go on', status: 'spoke' },
      { detector: 'slab', title: 'slab caches that grow', status: 'out-of-time' },
    ],
    coverage: [
      { what: 'tasks', read: 161, total: 163, missing: ['2: task_struct lies in a page that was lost'] },
      { what: 'waiters', read: 12, total: undefined, missing: ['the list ends in a lost page'] },
    ],
    problems: ['the file is truncated: 3 of 9 MiB are there', 'no VMCOREINFO note'],
    stopped: 'time-limit',
    complete: false,
  });
}

export const hostileName = 'x\u001b[31m\u202e\u0007\n\u009b2J\u200b';

/** A report in which every text that may come out of a dump is hostile. */
export function hostileReport(address: VirtAddr = lock): Report {
  const bad = name(hostileName);
  const badTask = task({ pid: 7, comm: hostileName, address });
  return report({
    system: [{ key: 'dump', label: 'Dump', value: prose`${bad}`, data: bad }],
    findings: [
      stuckHolder({
        title: prose`${badTask} holds ${bad} ${hostileName}`,
        story: [{ topic: 'what', text: prose`${badTask} ${bad} ${hostileName}` }],
        evidence: [evidence({ claim: prose`${bad}`, ctype: hostileName, because: prose`${bad}`, show: hostileName })],
        remedies: [{ action: prose`${bad}`, caution: prose`${bad}` }],
        details: { bad, badTask, [hostileName]: [bad], ['__proto__']: bad },
      }),
    ],
    summary: prose`${bad}`,
    advice: [prose`${bad}`],
    checks: [{ detector: 'x', title: hostileName, status: 'failed', reason: hostileName }],
    coverage: [{ what: hostileName, read: 1, total: 2, missing: [hostileName] }],
    problems: [hostileName],
    complete: false,
  });
}
