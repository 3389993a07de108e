/** What is said of a pile-up, whole and of a dump that is not; lock-pileup.test.ts is about what is found. */
import { describe, expect, it } from 'vitest';
import { contextOf, findingsOf } from '../../../test/builders/facts.ts';
import type { KernelImage } from '../../../test/builders/image.ts';
import { Incident } from '../../../test/builders/incident.ts';
import { behindMutex, circle, psFaults, tops } from '../../../test/builders/scenes.ts';
import { actionsOf, storyOf, textOf } from '../../../test/builders/text.ts';
import type { Finding } from '../../model/finding.ts';
import type { Holder } from '../facts/holders.ts';
import { memoryFact } from '../facts/memory.ts';
import { pileUpStory } from '../facts/pileup-story.ts';
import { pileUpsFact } from '../facts/pileups.ts';
import { standstillFact } from '../facts/standstill.ts';
import lockPileup from './lock-pileup.ts';

const given = new WeakSet<Incident>();

/** What the detector tells first. */
function first(incident: Incident, damage?: (image: KernelImage) => void): Finding {
  // On its way to wake somebody: else a free lock is a wake-up that was lost, which has a detector of its own.
  if (!given.has(incident))
    incident.task('giver', { pid: 60_000, state: 'R', stack: ['__mutex_unlock_slowpath', 'a_driver_write'] });
  given.add(incident);
  const [finding] = findingsOf(lockPileup, incident.program(damage));
  if (finding === undefined) throw new Error('nobody waits');
  return finding;
}

describe('what proves that it stands still', () => {
  it('is told of a circle whose locks name their owners', () => {
    const incident = new Incident();
    circle(incident, 3);
    expect(storyOf(first(incident), 'proof')).toMatch(
      /^Each lock names its owner, and lists who waits for it; by hand: struct mutex 0x\w+, struct mutex 0x\w+, struct mutex 0x\w+\.$/,
    );
  });

  it('is told of a fault that nobody else can answer, and not where somebody unknown may', () => {
    const proof = (counts: { readonly count?: number }): string => {
      const incident = new Incident();
      const ps = psFaults(incident);
      incident.userfault(ps, { descriptors: [[ps, 3]], ...counts });
      tops(incident, 3, incident.directory);
      return storyOf(first(incident), 'proof');
    };
    expect(proof({})).toBe('The userfaultfd has no further holder; by hand: foreach files -R userfaultfd.');
    expect(proof({ count: 2 })).toBe('');
  });
});

describe('who launched them', () => {
  it('is told by what orphans share', () => {
    const incident = new Incident();
    tops(incident, 5, incident.directory, { session: 77, offCpu: 130 });
    expect(storyOf(first(incident), 'launcher')).toBe(
      '5 processes named top have init as their parent, which adopts those whose own is gone; 5 of them are in session 77.',
    );
  });

  it('says how many of the launchers the next level started, and blames the nearest single one', () => {
    const incident = new Incident();
    const supervisor = incident.task('supervisor', { pid: 80 });
    const crond = incident.task('crond', { pid: 90, parent: supervisor });
    const shells = incident.tasks(5, 'sh', (i) => ({ pid: 200 + i, parent: i < 4 ? crond : supervisor }));
    const lock = incident.lock('mutex', 'a_lock');
    shells.forEach((parent, i) => incident.task('top', { pid: 300 + i, parent, offCpu: 130, waits: [lock] }));
    const finding = first(incident);
    expect(storyOf(finding, 'launcher')).toBe(
      '5 tasks named top by 5 processes named sh, 4 of them started by crond (pid 90), itself started by supervisor (pid 80).',
    );
    expect(actionsOf(finding)).toEqual(['Keep crond (pid 90) from starting another top while earlier ones wait.']);
  });

  it('is told of each crowd, and of nobody else', () => {
    const incident = new Incident();
    const crond = incident.task('crond', { pid: 90 });
    tops(incident, 5, incident.directory, { parent: crond });
    incident.tasks(3, 'ls', (i) => ({ pid: 200 + i, parent: crond, waits: [incident.directory, 'read'] }));
    incident.tasks(2, 'du', (i) => ({ pid: 300 + i, parent: crond, waits: [incident.directory, 'read'] }));
    expect(storyOf(first(incident), 'launcher')).toBe(
      '5 tasks named top by one crond (pid 90).\n3 tasks named ls by one crond (pid 90).',
    );
  });

  it('counts threads of one process as one', () => {
    const incident = new Incident();
    const crond = incident.task('crond', { pid: 90 });
    const pool = incident.task('pool', { pid: 300, parent: crond, offCpu: 6, waits: [incident.directory, 'read'] });
    incident.tasks(4, 'pool', (i) => ({ pid: 301 + i, leader: pool, offCpu: 5, waits: [incident.directory, 'read'] }));
    expect(storyOf(first(incident), 'launcher')).toBe('the process of the tasks named pool by one crond (pid 90).');
  });

  it('is not told of init where a parent could not be read', () => {
    const incident = new Incident();
    const crond = incident.task('crond', { pid: 90 });
    tops(incident, 5, incident.directory, { parent: crond });
    const unread = first(incident, (image) => image.write('task110.real_parent', 0xffff888000000040n));
    expect(storyOf(unread, 'launcher')).toBe(
      '4 tasks named top by one crond (pid 90); the parent of 1 could not be read.',
    );
    expect(unread.details['groups']).toMatchObject([{ launchers: { unread: 1, orphans: undefined } }]);
  });
});

describe('who waits', () => {
  it('is left to lost-wake-up where nobody holds the lock, and nobody is about to wake them', () => {
    expect(findingsOf(lockPileup, behindMutex(5, 30, undefined).program())).toEqual([]);
  });

  it('adds up: the largest group, all others together, who is first in the queue', () => {
    const incident = new Incident();
    incident.task('crond-log', { pid: 101, offCpu: 7.42, waits: [incident.directory, 'write'] });
    tops(incident, 5, incident.directory);
    const pool = incident.task('pool', { pid: 300, offCpu: 6, waits: [incident.directory, 'read'] });
    incident.tasks(2, 'pool', (i) => ({ pid: 301 + i, leader: pool, offCpu: 5, waits: [incident.directory, 'read'] }));
    incident.task('du', { pid: 400, offCpu: 1, waits: [incident.directory, 'read'] });
    const finding = first(incident);
    expect(textOf(finding.title)).toMatch(/^10 tasks wait/);
    expect(storyOf(finding, 'waiters')).toBe(
      [
        '5 tasks named top to read; longest: top (pid 110), for 6.4 s.',
        'Also 3 tasks named pool and du (pid 400); longest: pool (pid 300), for 6 s.',
        'crond-log (pid 101) to write, for 7.42 s, first in the queue.',
      ].join('\n'),
    );
  });

  it('is not said for which end when they want different things', () => {
    const incident = new Incident();
    tops(incident, 2, incident.directory);
    incident.task('top', { pid: 200, offCpu: 3, waits: [incident.directory, 'write'] });
    expect(storyOf(first(incident), 'waiters')).toMatch(/^3 tasks named top; longest/);
  });

  it('counts those on the list whose tasks could not be read, and puts nobody in their place', () => {
    const incident = new Incident();
    incident.task('crond-log', { pid: 101, offCpu: 7.42, waits: [incident.directory, 'write'] });
    tops(incident, 5, incident.directory);
    const whole = first(incident);
    expect(textOf(whole.title)).toMatch(/^6 tasks wait/);
    expect(storyOf(whole, 'waiters')).toMatch(/crond-log \(pid 101\) to write, for 7.42 s, first in the queue/);
    const part = first(incident, (image) => image.write('waiter101.task', 0xffff888000000040n));
    expect(textOf(part.title)).toMatch(/^6 tasks wait/);
    expect(storyOf(part, 'what')).toMatch(/^6 tasks wait .*: 1 writer first, 5 readers\.$/);
    expect(storyOf(part, 'waiters')).toBe(
      '5 tasks named top to read that could be read; longest: top (pid 110), for 6.4 s.\n1 more task that could not be read.',
    );
    expect(part.details).toMatchObject({
      victims: 6,
      victimsRead: 5,
      waiters: { total: 6, read: 5, writers: 1, readers: 5, first: undefined, longest: { task: { pid: 110 } } },
    });
    expect(part.evidence.map(({ claim }) => textOf(claim)).join('\n')).toMatch(
      /6 waiters on its list, 5 of them found .*\n.*\n?The longest wait of those that could be read: top \(pid 110\)/s,
    );
  });

  it('are at least so many when their list breaks off', () => {
    const incident = behindMutex(6, 130, { state: 'D' });
    const finding = first(incident, (image) => image.write('waiter112.list.next', 0x1000));
    expect(textOf(finding.title)).toMatch(/^At least 5 tasks wait/);
    expect(storyOf(finding, 'what')).toMatch(/^At least 5 tasks wait/);
    expect(finding.details).toMatchObject({
      victims: undefined,
      victimsRead: 5,
      waiters: { total: undefined, read: 5 },
    });
  });
});

describe('the one who holds it', () => {
  it('is not called gone when it may be one of the tasks that could not be read', () => {
    const incident = new Incident();
    incident.held(incident.directory, incident.task('ls', { pid: 10 }), 'read', 1);
    tops(incident, 3, incident.directory);
    const owner = 0xffff8880deadbe40n;
    const finding = first(incident, (image) => {
      image.write(`${incident.directory.label}.owner`, owner | 1n);
      image.write('nr_threads', 99);
    });
    expect(textOf(finding.title)).toMatch(/; its holder could not be read\.$/);
    expect(storyOf(finding, 'why')).toBe(
      `1 reader holds it, and the lock names one; the task that it names, struct task_struct 0x${owner.toString(16)}, could not be read.`,
    );
    expect(storyOf(finding, 'holder')).toBe('a task that could not be read.');
    expect(storyOf(finding, 'since')).toMatch(/^waiters: all about \d+\.\d s before the crash\.$/);
  });

  it('is said to sleep in the code of a module that called', () => {
    const context = contextOf(behindMutex(3, 2, { state: 'D' }).program());
    const [pileUp] = context.use(pileUpsFact);
    const owner = pileUp?.holder;
    if (owner === undefined) throw new Error('somebody holds it');
    const place = { waitsIn: '__wait_for_common', driver: { func: 'fb_mmap', module: 'framegrab' } };
    const standstill = context.use(standstillFact).of(pileUp);
    const told = (wait: Holder['wait']): string => {
      const holder: Holder = { ...owner, ...place, wait };
      const story = pileUpStory({ ...pileUp, holder }, standstill, context.use(memoryFact), {
        resident: 0,
        anon: 0,
        closes: false,
      });
      return story.map(({ text }) => textOf(text)).join('\n');
    };
    const sleeps = 'owner (pid 10), in nanosleep, sleeps in __wait_for_common, called by fb_mmap of module framegrab; ';
    expect(told(undefined)).toContain(`${sleeps}what it waits for is not known here.`);
    const { wait } = owner;
    if (wait === undefined) throw new Error('it sleeps');
    expect(
      told({
        ...wait,
        kind: 'completion',
        what: 'for a completion in module framegrab:',
        name: 'done',
        proof: 'structure',
      }),
    ).toContain(`${sleeps}it waits for a completion in module framegrab: done.`);
    expect(told({ ...wait, kind: 'unknown' })).toContain('what it waits for is not known here.');
  });

  it('is not proved to stand still for ever while a thread that could not be read may share its descriptors', () => {
    const incident = new Incident();
    const ps = psFaults(incident);
    incident.userfault(ps, { descriptors: [[ps, 3]] });
    tops(incident, 3, incident.directory);
    const told = (sharers: number): Finding =>
      first(incident, (image) => {
        image.write('nr_threads', 99);
        image.write('task96_files.count', sharers);
      });
    expect(told(1).confidence).toBe('certain');
    expect(told(2)).toMatchObject({ cause: 'lock-holder-stuck-in-own-userfaultfd', confidence: 'probable' });
    expect(textOf(told(2).title)).toMatch(/can hardly go on/);
  });
});

describe('a circle of locks', () => {
  it('is told by their names, with what to mend', () => {
    const incident = new Incident();
    const [config, queue] = ['config_lock', 'queue_lock'].map((label) =>
      incident.lock('mutex', label, { global: true }),
    );
    if (config === undefined || queue === undefined) throw new Error('there are two locks');
    incident.held(config, incident.task('agent-a', { pid: 10, waits: [queue] }));
    incident.held(queue, incident.task('agent-b', { pid: 11, state: 'K', waits: [config] }));
    const finding = first(incident);
    expect(textOf(finding.title)).toMatch(
      /^Deadlock: agent-\w \(pid 1\d\) and agent-\w \(pid 1\d\) wait for each other's locks; 2 /,
    );
    expect(storyOf(finding, 'why')).toContain(
      'agent-a (pid 10) holds the global config_lock and waits for the global queue_lock',
    );
    const [kill, mend] = actionsOf(finding);
    expect(kill).toMatch(/^Kill agent-b \(pid 11\): its sleep \(state D\) ends on SIGKILL/);
    expect(mend).toMatch(/in different orders: the global \w+_lock and the global \w+_lock\.$/);
    const link = finding.evidence.find(({ claim }) => textOf(claim).startsWith('agent-a'));
    expect(textOf(link?.claim)).toBe(
      `agent-a (pid 10) holds the global config_lock, at 0x${config.address.toString(16)}, and waits for the global queue_lock.`,
    );
  });
});
