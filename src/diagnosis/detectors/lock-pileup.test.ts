import { describe, expect, it } from 'vitest';
import { findingsOf } from '../../../test/builders/facts.ts';
import { KernelImage, ref } from '../../../test/builders/image.ts';
import { Incident, type TaskSpec } from '../../../test/builders/incident.ts';
import { setFree } from '../../../test/builders/memory-counters.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { behindMutex, circle, psFaults, tops } from '../../../test/builders/scenes.ts';
import { actionsOf, storyOf, textOf } from '../../../test/builders/text.ts';
import type { Finding } from '../../model/finding.ts';
import lockPileup from './lock-pileup.ts';

const told = (incident: Incident, damage?: (image: KernelImage) => void): readonly Finding[] =>
  findingsOf(lockPileup, incident.program(damage));

/** The one finding that there is. */
function only(incident: Incident, damage?: (image: KernelImage) => void): Finding {
  const [finding, ...others] = told(incident, damage);
  if (finding === undefined || others.length > 0) throw new Error('there is not one finding');
  return finding;
}

describe('lock-pileup: a reader that faults on its own userfaultfd', () => {
  it('tells the incident: what, why, who holds, waits and launched, and what to do', () => {
    const incident = new Incident();
    const ps = psFaults(incident);
    incident.userfault(ps, { descriptors: [[ps, 3]] });
    const crond = incident.task('crond', { pid: 90 });
    incident.task('crond-log', { pid: 101, offCpu: 7.42, parent: crond, waits: [incident.directory, 'write'] });
    incident
      .tasks(50, 'timeout', (i) => ({ pid: 200 + i, parent: crond }))
      .forEach((parent, i) => {
        incident.task('top', { pid: 300 + i, offCpu: 6.4 - 0.01 * i, parent, waits: [incident.directory, 'read'] });
      });
    const finding = only(incident);
    expect(finding).toMatchObject({
      cause: 'lock-holder-stuck-in-own-userfaultfd',
      role: 'cause',
      confidence: 'certain',
      weight: 51,
    });
    expect(finding.because).toBeUndefined();
    expect(textOf(finding.title)).toMatch(
      /^51 tasks .* i_rwsem of the directory \/srv\/data .* ps \(pid 96\) can never/,
    );
    expect(storyOf(finding, 'what')).toMatch(/1 writer first, 50 readers/);
    expect(storyOf(finding, 'why')).toMatch(/getdents64 that only its own userfaultfd \(its fd 3\) could answer/);
    expect(storyOf(finding, 'holder')).toMatch(/^ps \(pid 96\), state S, not run for 8.44 s .*confirmed by its stack/);
    expect(storyOf(finding, 'waiters')).toBe(
      '50 tasks named top to read; longest: top (pid 300), for 6.4 s.\ncrond-log (pid 101) to write, for 7.42 s, first in the queue.',
    );
    expect(storyOf(finding, 'launcher')).toBe(
      '50 tasks named top by 50 processes named timeout, all started by crond (pid 90).',
    );
    expect(storyOf(finding, 'since')).toMatch(/8.44 s .* from 7.42 s to 5.91 s/);
    expect(storyOf(finding, 'clears')).toMatch(/^No/);
    const [kill, mend, keep, ...rest] = actionsOf(finding);
    expect(kill).toMatch(/^Kill ps \(pid 96\).* all 51 waiters should go on/);
    expect(mend).toMatch(/^Mend ps/);
    expect(keep).toMatch(/^Keep crond \(pid 90\) from starting another top/);
    expect(rest).toEqual([]);
    expect(storyOf(finding, 'remedy')).toBe(
      `${kill} First make sure that pid 96 is still ps. But: what it was doing is lost.\n${mend}`,
    );
  });

  it('tells it of one waiter as well: structure needs no crowd', () => {
    const incident = new Incident();
    const ps = psFaults(incident);
    incident.userfault(ps, { descriptors: [[ps, 3]] });
    tops(incident, 1, incident.directory);
    expect(only(incident)).toMatchObject({ role: 'cause', confidence: 'certain', weight: 1 });
  });

  it('only notes the queue while another live process could answer', () => {
    const incident = new Incident();
    const ps = psFaults(incident);
    const monitor = incident.task('monitor', { pid: 97 });
    incident.userfault(ps, {
      descriptors: [
        [ps, 3],
        [monitor, 5],
      ],
    });
    tops(incident, 5, incident.directory);
    const finding = only(incident);
    expect(finding).toMatchObject({ cause: 'lock-queue', role: 'context', confidence: 'possible' });
    expect(textOf(finding.title)).not.toMatch(/never/);
    expect(actionsOf(finding)).toEqual([]);
  });

  it('names the server that has not answered for two minutes', () => {
    const incident = new Incident();
    const ps = psFaults(incident);
    const monitor = incident.task('monitor', { pid: 97 });
    incident.userfault(ps, {
      descriptors: [
        [ps, 3],
        [monitor, 5],
      ],
    });
    tops(incident, 5, incident.directory, { offCpu: 130 });
    const finding = only(incident);
    expect(finding).toMatchObject({
      cause: 'lock-holder-waits-for-userfaultfd',
      role: 'cause',
      confidence: 'probable',
    });
    expect(storyOf(finding, 'why')).toMatch(/monitor \(pid 97\) could answer/);
  });

  it('is still certain when the other one with the descriptor waits behind the lock', () => {
    const incident = new Incident();
    const ps = psFaults(incident);
    const [top] = tops(incident, 3, incident.directory);
    if (top === undefined) throw new Error('there are waiters');
    incident.userfault(ps, {
      descriptors: [
        [ps, 3],
        [top, 4],
      ],
    });
    const finding = only(incident);
    expect(finding).toMatchObject({ cause: 'lock-holder-stuck-in-own-userfaultfd', confidence: 'certain' });
    expect(storyOf(finding, 'why')).toMatch(/also open in 1 task stuck behind it/);
  });

  it.each([
    ['a descriptor may be in flight', { count: 2 }],
    ['a reference to the context is not explained', { references: 3 }],
  ])('does not say never when %s', (_what, counts) => {
    const incident = new Incident();
    const ps = psFaults(incident);
    incident.userfault(ps, { descriptors: [[ps, 3]], ...counts });
    tops(incident, 3, incident.directory);
    const finding = only(incident);
    expect(finding).toMatchObject({ cause: 'lock-holder-stuck-in-own-userfaultfd', confidence: 'probable' });
    expect(textOf(finding.because)).toMatch(/reference/);
    expect(textOf(finding.title)).not.toMatch(/never/);
    expect(storyOf(finding, 'why')).not.toMatch(/nobody is left/);
    expect(storyOf(finding, 'clears')).not.toMatch(/^No/);
  });

  it('does not claim that it holds the only descriptor when none was found', () => {
    const incident = new Incident();
    const ps = psFaults(incident);
    incident.userfault(ps, { descriptors: [], count: 1 });
    tops(incident, 3, incident.directory);
    const finding = only(incident);
    expect(finding.confidence).toBe('probable');
    expect(storyOf(finding, 'why')).not.toMatch(/its own|fd 3/);
  });

  it('is weaker when its stack does not confirm that it still holds the lock, and says so in the advice', () => {
    const incident = new Incident();
    const ps = psFaults(incident, false);
    incident.userfault(ps, { descriptors: [[ps, 3]] });
    tops(incident, 3, incident.directory);
    const finding = only(incident);
    expect(finding).toMatchObject({ cause: 'lock-holder-stuck-in-own-userfaultfd', confidence: 'probable' });
    expect(textOf(finding.because)).toMatch(/does not confirm/);
    expect(storyOf(finding, 'holder')).toMatch(/hint/);
    expect(actionsOf(finding)[0]).toMatch(/if it is the holder/);
  });

  it('does not promise that all go on when other readers hold the lock, too', () => {
    const incident = new Incident();
    const ps = psFaults(incident);
    incident.held(incident.directory, ps, 'read', 3);
    incident.userfault(ps, { descriptors: [[ps, 3]] });
    tops(incident, 3, incident.directory);
    const finding = only(incident);
    expect(storyOf(finding, 'holder')).toMatch(/3 readers hold it in all/);
    expect(actionsOf(finding)[0]).toMatch(/2 more readers hold the lock/);
    expect(actionsOf(finding)[0]).not.toMatch(/should go on/);
  });

  it('blames nobody for a lock that its last reader has let go of', () => {
    const incident = new Incident();
    const ps = psFaults(incident);
    incident.held(incident.directory, ps, 'read', 0);
    incident.userfault(ps, { descriptors: [[ps, 3]] });
    tops(incident, 3, incident.directory);
    incident.task('giver', { pid: 60, state: 'R', stack: ['up_read', 'a_driver_read'] });
    const finding = only(incident);
    expect(finding).toMatchObject({ cause: 'lock-queue', role: 'context' });
    expect(storyOf(finding, 'why')).toMatch(/^Nobody holds the lock/);
  });
});

describe('lock-pileup: locks in a circle', () => {
  it.each([2, 3])('tells a deadlock of %i, with those behind it that are no part of it', (size) => {
    const incident = new Incident();
    const [first] = circle(incident, size);
    if (first === undefined) throw new Error('a circle has locks');
    const tail = incident.lock('rw_semaphore', 'tail');
    incident.held(tail, incident.task('outsider', { pid: 30, waits: [first] }), 'write');
    tops(incident, 4, tail);
    const finding = only(incident);
    expect(finding).toMatchObject({ cause: 'lock-cycle', role: 'cause', confidence: 'certain', weight: size + 5 });
    expect(finding.details['cycle']).toHaveLength(size);
    const who =
      size === 2
        ? "philosopher (pid 10) and philosopher (pid 11) wait for each other's locks"
        : '3 tasks wait for each other in a circle of locks';
    expect(textOf(finding.title)).toBe(`Deadlock: ${who}; ${size + 5} tasks are stuck in or behind it.`);
    const link = String.raw`philosopher \(pid \d+\) holds the mutex 0x\w+ and waits for the mutex 0x\w+`;
    expect(storyOf(finding, 'why')).toMatch(new RegExp(`^(${link}(; |\\.$)){${size}}$`));
    // Killing one of those that sleep uninterruptibly frees nobody.
    const [restart, mend] = actionsOf(finding);
    expect(restart).toMatch(/^Restart the machine/);
    expect(mend).toMatch(/^Mend the code that takes them in different orders: the mutex 0x\w+ and the mutex 0x/);
  });

  it('tells of a task that waits for what it holds itself', () => {
    const incident = new Incident();
    const lock = incident.lock('mutex', 'twice', { global: true });
    incident.held(lock, incident.task('driver', { pid: 10, waits: [lock] }));
    const finding = only(incident);
    expect(finding).toMatchObject({ cause: 'lock-cycle', confidence: 'certain', weight: 1 });
    expect(textOf(finding.title)).toMatch(
      /^Deadlock: driver \(pid 10\) waits for the global twice, which it holds itself/,
    );
    expect(storyOf(finding, 'why')).toMatch(/asks for it again/);
  });

  it.each([
    ['certain', 'iterate_dir', undefined],
    ['probable', 'a_module_of_somebody', /reader whose stack shows the lock/],
  ] as const)('is %s of a circle through a reader that works in %s', (confidence, taker, because) => {
    const incident = new Incident();
    const mutex = incident.lock('mutex', 'mutex');
    const keeps = [ref(incident.directory.label)];
    const stack = ['__schedule', 'schedule', '__mutex_lock', { func: 'filldir64', keeps }, taker, 'do_syscall_64'];
    incident.held(mutex, incident.task('one', { pid: 10, waits: [incident.directory, 'write'] }));
    incident.held(incident.directory, incident.task('two', { pid: 11, stack, waits: [mutex] }), 'read');
    const finding = only(incident);
    expect(finding).toMatchObject({ cause: 'lock-cycle', confidence });
    expect(textOf(finding.because)).toMatch(because ?? /^$/);
  });

  it('sees no circle where a reader only passed by', () => {
    const incident = new Incident();
    const mutex = incident.lock('mutex', 'mutex');
    incident.held(mutex, incident.task('one', { pid: 10, offCpu: 2, waits: [incident.directory, 'write'] }));
    incident.held(incident.directory, incident.task('two', { pid: 11, offCpu: 2, waits: [mutex] }), 'read');
    expect(told(incident)).toEqual([]);
  });
});

describe('lock-pileup: queues by their size and age', () => {
  it('is silent without locks, and about short and young queues', () => {
    expect([...told(new Incident()), ...told(behindMutex(2, 2, {}))]).toEqual([]);
  });

  it('only notes five that wait for two seconds', () => {
    const finding = only(behindMutex(5, 2, {}));
    expect(finding).toMatchObject({ cause: 'lock-queue', role: 'context', confidence: 'possible', weight: 5 });
    expect(textOf(finding.title)).toBe(
      '5 tasks wait for the global a_mutex, for 2 s at most, which owner (pid 10) holds.',
    );
    expect(storyOf(finding, 'clears')).toMatch(/^Probably: nobody has waited for longer than 2 s/);
    expect(finding.remedies).toEqual([]);
  });

  it('only notes a queue of readers of a terminal, who may wait for days', () => {
    const incident = new Incident();
    const lock = incident.lock('mutex', 'atomic_read_lock');
    incident.held(lock, incident.task('bash', { pid: 10, offCpu: 150_000 }));
    tops(incident, 3, lock, { state: 'S', offCpu: 100_000 });
    const finding = only(incident);
    expect(finding.role).toBe('context');
    expect(storyOf(finding, 'clears')).toMatch(/^Perhaps/);
  });

  it('argues from age, as probable, that an old queue is stuck', () => {
    const finding = only(behindMutex(1, 125, { state: 'K' }));
    expect(finding).toMatchObject({ cause: 'lock-holder-stuck', role: 'cause', confidence: 'probable' });
    expect(textOf(finding.because)).toMatch(/age/);
    expect(storyOf(finding, 'clears')).toMatch(/125 s/);
  });

  it('says what a holder in reclaim needs, when memory is short, as probable', () => {
    const stack = ['__schedule', 'schedule', 'try_to_free_pages', '__x64_sys_ioctl'];
    const finding = only(behindMutex(5, 4, { offCpu: 0.1, stack }), (image) => setFree(image, 30 * 2 ** 20));
    expect(finding).toMatchObject({ cause: 'lock-holder-in-reclaim', role: 'cause', confidence: 'probable' });
    expect(finding.details).toMatchObject({ memory: 'short', standstill: 'reclaim', provedByStructure: false });
    expect(storyOf(finding, 'why')).toContain('needs a page');
  });

  it('says that a still holder may go on yet', () => {
    const finding = only(behindMutex(5, 6, { offCpu: 7 }));
    expect(finding).toMatchObject({ cause: 'lock-holder-stuck', confidence: 'possible' });
    expect(storyOf(finding, 'clears')).toContain('it may yet');
  });

  it('tells only the root of a chain and counts those behind', () => {
    const incident = new Incident();
    const root = incident.lock('mutex', 'root', { global: true });
    incident.held(root, incident.task('culprit', { pid: 10, state: 'D', offCpu: 300 }));
    incident.held(incident.directory, incident.task('between', { pid: 11, offCpu: 250, waits: [root] }), 'write');
    tops(incident, 4, incident.directory, { offCpu: 200 });
    const finding = only(incident);
    expect(finding).toMatchObject({ cause: 'lock-holder-stuck', weight: 5 });
    expect(textOf(finding.title)).toMatch(/^5 tasks wait for the global root; its holder culprit/);
    expect(storyOf(finding, 'what')).toMatch(/^1 task waits .*; 4 more behind 1 lock that leads to it/);
  });

  it('tells each of two independent queues', () => {
    const incident = behindMutex(3, 200, { state: 'D' });
    const other = incident.lock('mutex', 'other', { global: true });
    incident.held(other, incident.task('second', { pid: 11, state: 'D' }));
    incident.tasks(4, 'cat', (i) => ({ pid: 300 + i, offCpu: 150, waits: [other] }));
    expect(told(incident).map(({ weight, role }) => [weight, role])).toEqual([
      [4, 'cause'],
      [3, 'cause'],
    ]);
  });
});

describe('lock-pileup: what becomes of the holder', () => {
  const remedyFor = (owner: Partial<TaskSpec>): string | undefined => actionsOf(only(behindMutex(1, 300, owner)))[0];

  it('advises to kill only who dies of it', () => {
    expect(remedyFor({ state: 'S' })).toMatch(/^Kill owner \(pid 10\)/);
    expect(remedyFor({ state: 'K' })).toMatch(/^Kill owner/);
    expect(remedyFor({ state: 'D' })).toMatch(/^Killing owner \(pid 10\) does not help/);
    expect(remedyFor({ kthread: true, state: 'S' })).toMatch(/kernel thread .* reboot/);
    expect(remedyFor({ state: 'R' })).toBeUndefined();
    expect(remedyFor({ running: 0 })).toBeUndefined();
  });

  it.each([
    [{ running: 1 }, /was running on a CPU/],
    [{ state: 'R' }, /runnable but has no CPU/],
    [{ state: 'T' }, /is stopped/],
    [
      { state: 'D' },
      /^owner \(pid 10\), in nanosleep, sleeps in do_nanosleep; it waits for a timer, as the functions on its stack say/,
    ],
  ] as const)('says what an owner like %j does', (owner, text) => {
    expect(storyOf(only(behindMutex(3, 5, owner)), 'why')).toMatch(text);
  });

  it('tells of an owner that exited with the lock', () => {
    const finding = only(behindMutex(1, 1, { state: 'Z' }));
    expect(finding).toMatchObject({ cause: 'lock-owner-exited', role: 'cause', confidence: 'probable' });
    expect(storyOf(finding, 'why')).toMatch(/has exited without letting go/);
    expect(actionsOf(finding).join()).not.toMatch(/Kill/);
  });

  it('tells of an owner whose task_struct is gone as well', () => {
    const incident = new Incident();
    const lock = incident.lock('mutex', 'a_lock');
    tops(incident, 3, lock);
    const gone = (image: KernelImage): void => image.write('a_lock.owner', 0xffff888099999041n);
    const finding = only(incident, gone);
    expect(finding).toMatchObject({ cause: 'lock-owner-exited', role: 'cause', confidence: 'probable' });
    expect(textOf(finding.title)).toMatch(/whose owner has exited without letting go/);
    expect(storyOf(finding, 'why')).toMatch(
      /^The lock names as its owner struct task_struct 0xffff888099999040, which is no task/,
    );
  });

  it('does not say so of a last reader, who may have let go', () => {
    const incident = new Incident();
    incident.held(incident.directory, incident.task('ls', { pid: 10, state: 'Z' }), 'read');
    tops(incident, 3, incident.directory);
    const finding = only(incident);
    expect(finding).toMatchObject({ cause: 'lock-queue', role: 'context' });
    expect(storyOf(finding, 'why')).toMatch(/took it last and has exited/);
  });

  it('tells of a writer', () => {
    const incident = new Incident();
    incident.held(incident.directory, incident.task('mv', { pid: 10, state: 'D', offCpu: 140 }), 'write');
    tops(incident, 3, incident.directory, { offCpu: 130 });
    const finding = only(incident);
    expect(finding).toMatchObject({ cause: 'lock-holder-stuck', details: { lock: { heldBy: 'writer' } } });
    expect(storyOf(finding, 'holder')).toMatch(/\(named by the lock\)/);
    expect(storyOf(finding, 'what')).toMatch(/all to read/);
  });

  it.each([
    ['a free mutex', 'mutex', /^Nobody holds the lock/],
    ['a free rw_semaphore', 'rw_semaphore', /^Nobody holds the lock/],
    ['a semaphore', 'semaphore', /^A semaphore does not say/],
  ] as const)('names nobody for %s', (_what, kind, text) => {
    const incident = new Incident();
    tops(incident, 3, incident.lock(kind, 'a_lock'), { offCpu: 200 });
    // Else a wake-up was lost, which has a detector of its own.
    incident.task('giver', { pid: 60, state: 'R', stack: ['__mutex_unlock_slowpath', 'a_driver_write'] });
    const finding = only(incident);
    expect(finding).toMatchObject({ cause: 'lock-stuck-holder-unknown', role: 'cause', confidence: 'probable' });
    expect(textOf(finding.title)).toMatch(/nobody is named/);
    expect(storyOf(finding, 'why')).toMatch(text);
    expect(storyOf(finding, 'holder')).toMatch(kind === 'semaphore' ? /has no owner/ : /^nobody that the lock names/);
    expect(actionsOf(finding).join()).not.toMatch(/Kill/);
  });

  it('says that readers hold it when their last one is gone', () => {
    const incident = new Incident();
    incident.held(incident.directory, incident.task('ls', { pid: 10 }), 'read', 2);
    tops(incident, 3, incident.directory);
    const finding = only(incident, (image) => image.write(`${incident.directory.label}.owner`, 0xffff8880deadbe41n));
    expect(storyOf(finding, 'why')).toMatch(/^2 readers hold it, and the lock names none .* is gone/);
  });
});

describe('lock-pileup: old kernels and damaged dumps', () => {
  it('tells the case of a 3.10 machine: hundreds of top behind a ps that is starved of CPU', () => {
    const incident = new Incident('3.10');
    const reclaim = ['schedule', '_cond_resched', '__alloc_pages_nodemask', 'asm_exc_page_fault', 'filldir'];
    const ps = incident.task('ps', {
      pid: 24156,
      state: 'R',
      offCpu: 0.003,
      stack: [...reclaim, 'proc_pid_readdir', 'vfs_readdir', 'sys_getdents', 'system_call_fastpath'],
    });
    incident.held(incident.directory, ps);
    tops(incident, 60, incident.directory, { session: 4000, offCpu: 50_433 });
    const finding = only(incident);
    expect(finding).toMatchObject({ cause: 'lock-holder-stuck', confidence: 'probable', weight: 60 });
    expect(textOf(finding.title)).toMatch(/i_mutex of the directory \/srv\/data .* ps \(pid 24156\)/);
    expect(storyOf(finding, 'why')).toMatch(
      /^ps \(pid 24156\), in getdents, is runnable but has no CPU\. It got one 10 times and/,
    );
    expect(storyOf(finding, 'launcher')).toMatch(/session 4000/);
    expect(actionsOf(finding).join()).not.toMatch(/Kill/);
  });

  it('does not say that an old rw_semaphore was let go, whose count alone tells of it', () => {
    const incident = new Incident('3.10');
    const java = incident.task('java', { pid: 50 });
    const lock = incident.mmapLock(java);
    incident.held(lock, java, 'write');
    tops(incident, 3, lock, { offCpu: 130 });
    expect(storyOf(only(incident), 'why')).toMatch(/^(Somebody holds it|\d readers? holds? it)/);
  });

  it('goes on with a broken queue, and calls its length less than certain', () => {
    const incident = behindMutex(6, 130, { state: 'D' });
    const finding = only(incident, (image) => image.write('waiter112.list.next', 0x1000));
    expect(finding.weight).toBe(5);
    const queue = finding.evidence.find(({ claim }) => textOf(claim).includes('on its list'));
    expect(queue).toMatchObject({ confidence: 'probable' });
  });

  it('goes on when the list of tasks is broken', () => {
    const finding = only(behindMutex(6, 130, { state: 'D' }), (image) => image.write('task112.tasks.next', 8));
    expect(finding.weight).toBe(6);
  });

  it('goes on without the name of the lock when its inode cannot be told', () => {
    const incident = new Incident();
    const ps = psFaults(incident);
    incident.userfault(ps, { descriptors: [[ps, 3]] });
    tops(incident, 3, incident.directory);
    const finding = only(incident, (image) => image.write('data_root_inode.i_sb', 0));
    expect(finding).toMatchObject({ cause: 'lock-holder-stuck-in-own-userfaultfd', role: 'cause' });
    expect(textOf(finding.title)).toMatch(/a rw_semaphore that nothing names/);
  });

  it('goes on without waits when no clock can be read', () => {
    const incident = new Incident();
    const ps = psFaults(incident);
    incident.userfault(ps, { descriptors: [[ps, 3]] });
    tops(incident, 3, incident.directory);
    const finding = only(incident, (image) => {
      for (const cpu of [0, 1]) image.states.set(Number(image.address(`runqueues@${cpu}`) >> 12n), 'lost');
    });
    expect(finding.confidence).toBe('certain');
    expect(storyOf(finding, 'since')).toBe('waiters: not known.');
  });

  it('keeps hostile names of tasks as data', () => {
    const hostile = '\u001b]0;x\u0007\u202e';
    const incident = new Incident();
    const parent = incident.task(hostile, { pid: 9 });
    const ps = incident.task(hostile, { pid: 10, state: 'K', offCpu: 300 });
    const lock = incident.lock('mutex', 'a_lock');
    incident.held(lock, ps);
    incident.tasks(4, hostile, (i) => ({ pid: 20 + i, parent, offCpu: 200, waits: [lock] }));
    const finding = only(incident);
    expect(textOf(finding.title)).toContain('\u001b');
    const words = [
      finding.title,
      ...finding.story.map(({ text }) => text),
      ...finding.evidence.flatMap(({ claim, because, show }) => [claim, because ?? [], [show]]),
      ...finding.remedies.flatMap(({ action, caution }) => [action, caution ?? []]),
    ].flatMap((prose) => prose.filter((part) => typeof part === 'string'));
    expect(words.length).toBeGreaterThan(20);
    expect(words.filter((word) => ['\u001b', '\u0007', '\u202e'].some((each) => word.includes(each)))).toEqual([]);
  });

  it('says that it cannot ask a dump without types', () => {
    const program = programOfImage(new KernelImage(), { types: false });
    expect(lockPileup.appliesTo(program)).toMatch(/no types/);
    expect(lockPileup.appliesTo(new Incident().program())).toBe(true);
  });
});
