import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import { type KernelImage, ref } from '../../../test/builders/image.ts';
import { Incident, type TestLock, type TestTask } from '../../../test/builders/incident.ts';
import { type Holder, holdersFact } from './holders.ts';
import { locksFact } from './locks.ts';
import { readerByStack } from './reader-proof.ts';

const SLEEP = ['__schedule', 'schedule', 'io_schedule'];
const GETDENTS = ['dcache_readdir', 'iterate_dir', '__x64_sys_getdents64', 'do_syscall_64'];
const LISTING = [
  ...SLEEP,
  'folio_wait_bit',
  { func: 'filldir64', keeps: [ref('data_root_inode.i_rwsem')] },
  ...GETDENTS,
];

function holderOf(incident: Incident, of: TestLock, damage?: (image: KernelImage) => void): Holder | undefined {
  const context = contextOf(incident.program(damage));
  const lock = context.use(locksFact).locks.find(({ address }) => address === of.address);
  if (lock === undefined) throw new Error(`nobody was found to wait for ${of.label}`);
  return context.use(holdersFact).of(lock);
}

/** Held by readers, of which the lock names none: the owner word of `last` is taken away. */
function nameless(readers = 1): { readonly incident: Incident; readonly forget: (image: KernelImage) => void } {
  const incident = new Incident();
  const last = incident.task('last', { pid: 90 });
  incident.held(incident.directory, last, 'read', readers);
  incident.task('ls', { pid: 97, waits: [incident.directory, 'write'] });
  return { incident, forget: (image) => image.write('data_root_inode.i_rwsem.owner', 1) };
}

describe('a reader that the lock does not name', () => {
  it('is found by its stack', () => {
    const { incident, forget } = nameless();
    incident.task('ps', { pid: 96, stack: LISTING });
    expect(holderOf(incident, incident.directory, forget)).toMatchObject({
      task: { pid: 96 },
      certainty: 'confirmed',
      named: false,
      proof: { points: 'lock', func: 'filldir64', taker: 'iterate_dir' },
    });
  });

  it('is believed more than one that the lock names and whose stack does not show it', () => {
    const { incident } = nameless();
    incident.task('ps', { pid: 96, stack: LISTING });
    expect(holderOf(incident, incident.directory)).toMatchObject({ task: { pid: 96 }, named: false });
    const alone = nameless().incident;
    expect(holderOf(alone, alone.directory)).toMatchObject({ task: { pid: 90 }, certainty: 'hint', named: true });
  });

  it('is one of several, as long as there are not more than the lock counts', () => {
    for (const [readers, found] of [
      [2, 95],
      [1, undefined],
    ] as const) {
      const { incident, forget } = nameless(readers);
      incident.task('ps', { pid: 95, stack: LISTING });
      incident.task('ps', { pid: 96, stack: LISTING });
      expect(holderOf(incident, incident.directory, forget)?.task.pid).toBe(found);
    }
  });

  it.each([
    [
      'waits for the lock',
      (incident: Incident): TestTask =>
        incident.task('ps', { pid: 96, stack: LISTING_AND_WAITS, waits: [incident.directory, 'read'] }),
    ],
    ['runs', (incident: Incident): TestTask => incident.task('ps', { pid: 96, stack: LISTING, running: 1 })],
    [
      'lists another directory',
      (incident: Incident): TestTask =>
        incident.task('ps', { pid: 96, stack: [...SLEEP, 'folio_wait_bit', 'filldir64', ...GETDENTS] }),
    ],
    [
      'has the lock only further out',
      (incident: Incident): TestTask =>
        incident.task('ps', { pid: 96, stack: [...SLEEP, ...GETDENTS, { func: 'entry', keeps: KEEPS }] }),
    ],
    [
      'stands in no function that takes it',
      (incident: Incident): TestTask =>
        incident.task('ps', { pid: 96, stack: [...SLEEP, { func: 'do_nanosleep', keeps: KEEPS }, 'do_syscall_64'] }),
    ],
  ])('is not one that %s', (_what, add) => {
    const { incident, forget } = nameless();
    add(incident);
    expect(holderOf(incident, incident.directory, forget)).toBeUndefined();
  });

  it('is the one whose stack shows it, where the lock itself cannot be read', () => {
    for (const [readers, found] of [
      [1, 96],
      // How many readers there are is not known: of two, none is believed.
      [2, undefined],
    ] as const) {
      const { incident } = nameless();
      for (let i = 0; i < readers; i++) incident.task('ps', { pid: 96 + 10 * i, stack: LISTING });
      const context = contextOf(incident.program());
      const [lock] = context.use(locksFact).locks;
      if (lock === undefined) throw new Error('nobody waits');
      const nobody = { owner: undefined, ownerIs: undefined, rwsem: undefined, unread: 'excluded' };
      expect(readerByStack(context, { ...lock, ...nobody })?.task.pid).toBe(found);
    }
  });

  it('is not looked for when a writer has the lock', () => {
    const { incident } = nameless();
    incident.task('ps', { pid: 96, stack: LISTING });
    const written = (image: KernelImage): void => {
      image.write('data_root_inode.i_rwsem.owner', 0);
      image.write('data_root_inode.i_rwsem.count', 3);
    };
    expect(holderOf(incident, incident.directory, written)).toBeUndefined();
  });
});

const KEEPS = [ref('data_root_inode.i_rwsem')];
const LISTING_AND_WAITS = [
  ...SLEEP,
  'rwsem_down_read_slowpath',
  'down_read',
  { func: 'filldir64', keeps: KEEPS },
  ...GETDENTS,
];

describe('a reader of an mmap_lock', () => {
  function reading(func: string, ownLocks: boolean): Holder | undefined {
    const incident = new Incident();
    const big = incident.task('java', { pid: 50 });
    const lock = incident.mmapLock(big);
    if (ownLocks) incident.image.struct('vm_area_struct', { vm_start: 'unsigned long', vm_lock_seq: 'unsigned int' });
    incident.held(lock, incident.task('last', { pid: 90 }), 'read');
    incident.task('gdb', {
      pid: 60,
      stack: [...SLEEP, { func: 'down_work', keeps: [ref(lock.label)] }, func, 'do_syscall_64'],
    });
    incident.task('java', { pid: 51, leader: big, waits: [lock, 'write'] });
    return holderOf(incident, lock, (image) => image.write(`${lock.label}.owner`, 1));
  }

  it('is found under a function that takes it for a memory of others', () => {
    expect(reading('__access_remote_vm', false)?.proof?.taker).toBe('__access_remote_vm');
    expect(reading('vfs_read', false)).toBeUndefined();
  });

  it('is found in a page fault, unless that may do with the lock of the VMA', () => {
    expect(reading('do_user_addr_fault', false)?.task.pid).toBe(60);
    expect(reading('do_user_addr_fault', true)).toBeUndefined();
    expect(reading('__access_remote_vm', true)?.task.pid).toBe(60);
  });
});
