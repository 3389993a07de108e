import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import { type KernelImage, ref } from '../../../test/builders/image.ts';
import { FAULT_ADDRESS, getdentsInFault, Incident, type TestTask } from '../../../test/builders/incident.ts';
import { textOf } from '../../../test/builders/text.ts';
import type { Evidence } from '../../model/finding.ts';
import type { Data } from '../../model/value.ts';
import { pileUpDetails, pileUpEvidence } from './pileup-evidence.ts';
import { pileUpsFact } from './pileups.ts';
import { standstillFact } from './standstill.ts';

function told(
  incident: Incident,
  damage?: (image: KernelImage) => void,
): { readonly evidence: readonly Evidence[]; readonly details: { readonly [key: string]: Data } } {
  const context = contextOf(incident.program(damage));
  const [pileUp] = context.use(pileUpsFact);
  if (pileUp === undefined) throw new Error('nobody waits');
  const standstill = context.use(standstillFact).of(pileUp);
  return { evidence: pileUpEvidence(pileUp, standstill), details: pileUpDetails(pileUp, standstill) };
}

const about = (evidence: readonly Evidence[], claim: RegExp): Evidence | undefined =>
  evidence.find((each) => claim.test(textOf(each.claim)));

/** 1 writer and 3 readers behind `ps`, who faults in its own memory. */
function incidentOfPs(keeps = true): { readonly incident: Incident; readonly ps: TestTask } {
  const incident = new Incident();
  const { directory } = incident;
  const filldir = { func: 'filldir64', keeps: keeps ? [ref(directory.label)] : [] };
  const ps = incident.task('ps', { pid: 96, offCpu: 8.44, stack: getdentsInFault(['handle_userfault'], filldir) });
  incident.held(directory, ps, 'read');
  incident.userfault(ps, { descriptors: [[ps, 3]] });
  const crond = incident.task('crond', { pid: 90 });
  incident.task('crond-log', { pid: 101, offCpu: 7.42, parent: crond, waits: [directory, 'write'] });
  incident.tasks(3, 'top', (i) => ({ pid: 106 + i, offCpu: 6.4 - i, parent: crond, waits: [directory, 'read'] }));
  return { incident, ps };
}

describe('evidence of a pile-up', () => {
  it('has an address, a C type and a command for each claim', () => {
    const { incident } = incidentOfPs();
    const { image, directory } = incident;
    const { evidence } = told(incident);
    expect(evidence).toHaveLength(8);
    // What is claimed lies where the image put it: the lock thrice, tasks, a word of a stack, the waiter, the userfaultfd.
    const places = [
      directory.label,
      directory.label,
      directory.label,
      'task96',
      'task96 stack filldir64',
      'fault96',
      'ctx96',
      'task101',
    ];
    expect(evidence.map(({ address }) => address)).toEqual(places.map((place) => image.address(place)));
    for (const { ctype, confidence, show, because } of evidence) {
      expect(ctype).toMatch(/^(struct \w+|unsigned long)$/);
      expect(show).not.toBe('');
      expect(confidence === 'certain').toBe(because === undefined);
    }
    const hex = (label: string): string => image.address(label).toString(16);
    expect(about(evidence, /^It is the i_rwsem of the directory \/srv\/data/)).toMatchObject({
      address: directory.address,
      ctype: 'struct rw_semaphore',
      show: `struct inode 0x${hex('data_root_inode')}`,
    });
    expect(about(evidence, /^4 waiters on its list, each found/)?.confidence).toBe('certain');
    expect(about(evidence, /count 0x102 says: held by 1 reader/)?.confidence).toBe('certain');
    expect(about(evidence, /owner word names ps \(pid 96\)/)).toMatchObject({ confidence: 'possible', show: 'bt 96' });
    expect(about(evidence, /saved by filldir64, called by iterate_dir/)).toMatchObject({
      address: image.address('task96 stack filldir64'),
      confidence: 'certain',
    });
    expect(about(evidence, /write at 0x00007f0000001000 \(missing page\), in a mapping registered/)).toMatchObject({
      address: image.address('fault96'),
      ctype: 'struct userfaultfd_wait_queue',
    });
    expect(about(evidence, /fd 3 of ps .*no further references/)).toMatchObject({
      address: image.address('ctx96'),
      confidence: 'certain',
    });
    expect(about(evidence, /longest wait: crond-log \(pid 101\), 7.42 s/)?.address).toBe(image.address('task101'));
  });

  it('tells the queue as weaker when its list is broken, or not all were found on their stacks', () => {
    const broken = told(incidentOfPs().incident, (image) => image.write('waiter107.list.next', 0x1000)).evidence;
    expect(about(broken, /waiters on its list/)).toMatchObject({ confidence: 'probable' });
    expect(textOf(about(broken, /waiters on its list/)?.because)).toMatch(/does not/);
    const awake = told(incidentOfPs().incident, (image) => image.write('task106.__state', 0)).evidence;
    expect(textOf(about(awake, /waiters on its list/)?.claim)).toMatch(/^4 waiters on its list, 3 of them found/);
    expect(about(awake, /waiters on its list/)?.confidence).toBe('probable');
  });

  it('does not call a mapping registered that is not, and says when descriptors are missing', () => {
    const { incident } = incidentOfPs();
    const { evidence } = told(incident, (image) => {
      image.write('vma96.vm_userfaultfd_ctx.ctx', 0);
      image.write('uffd96.f_count', 2);
    });
    expect(textOf(about(evidence, /waits for an answer/)?.claim)).not.toMatch(/registered/);
    const descriptors = about(evidence, /Open descriptors/);
    expect(descriptors).toMatchObject({ confidence: 'probable' });
    expect(textOf(descriptors?.claim)).toBe('Open descriptors of it: fd 3 of ps (pid 96).');
  });

  it('takes the owner of a mutex for certain', () => {
    const incident = new Incident();
    const lock = incident.lock('mutex', 'a_lock');
    incident.held(lock, incident.task('owner', { pid: 10 }));
    incident.task('waiter', { pid: 20, waits: [lock] });
    const owner = about(told(incident).evidence, /owner word/);
    expect(textOf(owner?.claim)).toBe('The owner word names owner (pid 10).');
    expect(owner).toMatchObject({ address: incident.image.address('task10'), confidence: 'certain' });
    expect(owner).not.toHaveProperty('because');
  });

  it('shows each link of a circle', () => {
    const incident = new Incident();
    const [a, b] = [incident.lock('mutex', 'a'), incident.lock('mutex', 'b')];
    incident.held(a, incident.task('one', { pid: 10, waits: [b] }));
    incident.held(b, incident.task('two', { pid: 11, waits: [a] }));
    const { evidence, details } = told(incident);
    expect(textOf(about(evidence, /^one \(pid 10\) holds/)?.claim)).toBe(
      `one (pid 10) holds the mutex 0x${a.address.toString(16)} and waits for the mutex 0x${b.address.toString(16)}.`,
    );
    expect(about(evidence, /^one \(pid 10\) holds/)).toMatchObject({
      address: a.address,
      ctype: 'struct mutex',
      confidence: 'certain',
    });
    expect(about(evidence, /^two \(pid 11\) holds the mutex/)?.address).toBe(b.address);
    expect(details).toMatchObject({
      standstill: 'lock-cycle',
      provedByStructure: true,
      cycle: [
        { lock: { value: a.address }, holder: { pid: 10 } },
        { lock: { value: b.address }, holder: { pid: 11 } },
      ],
    });
  });
});

describe('details of a pile-up', () => {
  it('gives the same as numbers', () => {
    const { incident } = incidentOfPs();
    expect(told(incident).details).toMatchObject({
      lock: {
        address: { kind: 'address', value: incident.directory.address },
        ctype: 'struct rw_semaphore',
        member: 'i_rwsem',
        containerType: 'struct inode',
        path: '/srv/data',
        inodeKind: 'directory',
        fsType: 'tmpfs',
        count: '0x102',
        heldBy: 'readers',
        readersHolding: 1,
      },
      holder: {
        task: { kind: 'task', pid: 96, comm: 'ps' },
        state: 'S',
        certainty: 'confirmed',
        offCpu: { ns: 8_440_000_000n },
        stall: 'userfault',
        inPageFault: true,
        syscall: 'getdents64',
        waitsIn: 'handle_userfault',
        userfault: { address: { value: FAULT_ADDRESS }, access: 'write' },
      },
      standstill: 'own-userfault',
      provedByStructure: true,
      cycle: [],
      waiters: {
        total: 4,
        writers: 1,
        readers: 3,
        first: { task: { pid: 101 }, mode: 'write', wait: { ns: 7_420_000_000n } },
        longest: { task: { pid: 101 } },
      },
      victims: 4,
      locksBehind: [],
      groups: [
        {
          comm: 'top',
          count: 3,
          longest: { task: { pid: 106 }, wait: { ns: 6_400_000_000n } },
          launchers: { levels: [{ comm: 'crond', processes: 1, started: 3, first: 90 }] },
        },
        { comm: 'crond-log', count: 1 },
      ],
      killingHolderHelps: true,
    });
  });

  it('claims no proof when only a hint leads to the holder', () => {
    const { details } = told(incidentOfPs(false).incident);
    expect(details).toMatchObject({ standstill: 'own-userfault', provedByStructure: false });
  });

  it('does not know whether killing helps a holder that does not sleep', () => {
    const helps = (state: 'R' | 'D' | 'K' | 'T'): Data => {
      const incident = new Incident();
      const lock = incident.lock('mutex', 'a_lock');
      incident.held(lock, incident.task('holder', { pid: 10, state }));
      incident.task('waiter', { pid: 20, waits: [lock] });
      return told(incident).details['killingHolderHelps'];
    };
    expect([helps('R'), helps('T'), helps('D'), helps('K')]).toEqual([undefined, undefined, false, true]);
  });

  it('tells how one without a CPU gets on', () => {
    const incident = new Incident();
    const lock = incident.lock('mutex', 'a_lock');
    incident.held(lock, incident.task('holder', { pid: 10, state: 'R', offCpu: 3 }));
    incident.task('waiter', { pid: 20, waits: [lock] });
    const { evidence, details } = told(incident, (image) =>
      image.write('task10.sched_info', { pcount: 225_134, run_delay: 150_000n * 1_000_000_000n }),
    );
    expect(details['holder']).toMatchObject({ runs: { value: 225_134 }, waitedForCpu: { ns: 150_000_000_000_000n } });
    expect(details['holder']).toMatchObject({ starved: true });
    expect(evidence.find(({ show }) => show === 'task -R sched_info 10')).toMatchObject({
      address: incident.image.address('task10'),
      confidence: 'certain',
    });
  });

  it('leaves out what does not apply', () => {
    const incident = new Incident();
    const semaphore = incident.lock('semaphore', 'sem');
    incident.tasks(2, 'downer', (i) => ({ pid: 20 + i, waits: [semaphore] }));
    const { details } = told(incident);
    expect(details).toMatchObject({ holder: undefined, killingHolderHelps: undefined, waiters: { total: 2 } });
    expect(details['waiters']).toMatchObject({ writers: undefined, readers: undefined });
  });
});
