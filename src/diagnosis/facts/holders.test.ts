import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import { type KernelImage, ref } from '../../../test/builders/image.ts';
import { getdentsInFault, Incident, type TestLock, type TestTask } from '../../../test/builders/incident.ts';
import { type Holder, holdersFact } from './holders.ts';
import { locksFact } from './locks.ts';

function holderOf(incident: Incident, of: TestLock, damage?: (image: KernelImage) => void): Holder | undefined {
  const context = contextOf(incident.program(damage));
  const lock = context.use(locksFact).locks.find(({ address }) => address === of.address);
  if (lock === undefined) throw new Error(`nobody was found to wait for ${of.label}`);
  return context.use(holdersFact).of(lock);
}

/** `ls` waits for the directory behind the reader `ps`, who stands on `stack`. */
function reader(stack?: Parameters<Incident['task']>[1]['stack'], readers = 1): { incident: Incident; ps: TestTask } {
  const incident = new Incident();
  const ps = incident.task('ps', { pid: 96, ...(stack === undefined ? {} : { stack }) });
  incident.held(incident.directory, ps, 'read', readers);
  incident.task('ls', { pid: 97, waits: [incident.directory, 'write'] });
  return { incident, ps };
}

const GETDENTS = ['dcache_readdir', 'iterate_dir', '__x64_sys_getdents64', 'do_syscall_64'];
const SLEEP = ['__schedule', 'schedule', 'io_schedule'];

describe('holders', () => {
  it('confirms a reader by the lock on its stack, below the function that takes it', () => {
    const { incident } = reader();
    const keeps = [ref(incident.directory.label)];
    const other = reader([...SLEEP, 'folio_wait_bit', { func: 'filldir64', keeps }, ...GETDENTS]).incident;
    expect(holderOf(other, other.directory)).toMatchObject({
      task: { pid: 96 },
      certainty: 'confirmed',
      proof: {
        at: other.image.address('task96 stack filldir64'),
        points: 'lock',
        func: 'filldir64',
        taker: 'iterate_dir',
      },
      stall: { kind: 'sleeping' },
      waitsIn: 'folio_wait_bit',
      syscall: 'getdents64',
      inFault: false,
    });
    expect(holderOf(incident, incident.directory)).toMatchObject({ certainty: 'hint', proof: undefined });
  });

  it('takes the inode around the lock as well, and prefers the lock', () => {
    const inode = { func: 'filldir64', keeps: [ref('data_root_inode')] };
    const { incident } = reader([...SLEEP, inode, ...GETDENTS]);
    expect(holderOf(incident, incident.directory)?.proof).toMatchObject({ points: 'container', func: 'filldir64' });
    const lock = { func: 'dcache_readdir', keeps: [ref('data_root_inode.i_rwsem')] };
    const both = reader([...SLEEP, inode, lock, 'iterate_dir', 'ksys_getdents']).incident;
    expect(holderOf(both, both.directory)?.proof).toMatchObject({ points: 'lock', func: 'dcache_readdir' });
  });

  it('is not convinced by a word further out than the function that takes the lock', () => {
    const outside = { func: 'do_syscall_64', keeps: [ref('data_root_inode.i_rwsem')] };
    const { incident } = reader([...SLEEP, 'filldir64', 'iterate_dir', '__x64_sys_getdents64', outside, 'entry']);
    expect(holderOf(incident, incident.directory)?.certainty).toBe('hint');
  });

  it('names no function that takes the lock where none is known on the stack', () => {
    const left = { func: 'do_nanosleep', keeps: [ref('data_root_inode')] };
    const { incident } = reader([...SLEEP, left, '__x64_sys_nanosleep', 'do_syscall_64']);
    expect(holderOf(incident, incident.directory)?.proof?.taker).toBeUndefined();
  });

  it('does not believe that a waiter is the reader, nor one that runs', () => {
    const incident = new Incident();
    const { directory } = incident;
    const ps = incident.task('ps', { pid: 96, waits: [directory, 'read'] });
    incident.held(directory, ps, 'read');
    expect(holderOf(incident, directory)).toMatchObject({ certainty: 'hint', proof: undefined });
    const other = new Incident();
    const keeps = [ref('data_root_inode.i_rwsem')];
    const stack = [{ func: 'filldir64', keeps }, ...GETDENTS];
    other.held(other.directory, other.task('ps', { pid: 96, running: 1, stack }), 'read');
    other.task('ls', { pid: 97, waits: [other.directory, 'write'] });
    expect(holderOf(other, other.directory)).toMatchObject({ certainty: 'hint', stall: { kind: 'running' } });
  });

  it('names nobody when the lock is free: its last reader has let go', () => {
    const { incident } = reader([...SLEEP, 'do_wait'], 0);
    expect(holderOf(incident, incident.directory)).toBeUndefined();
  });

  it('names nobody for a reader before the writer that holds it now', () => {
    const { incident } = reader();
    const writer = (image: KernelImage): void => image.write('data_root_inode.i_rwsem.count', 1n | 2n);
    expect(holderOf(incident, incident.directory, writer)).toBeUndefined();
  });

  it('names nobody for semaphores and for a mutex without owner', () => {
    const incident = new Incident();
    const locks = [incident.lock('semaphore', 'sem'), incident.lock('mutex', 'mutex')];
    locks.forEach((lock, i) => incident.task('waiter', { pid: 20 + i, waits: [lock] }));
    for (const lock of locks) expect(holderOf(incident, lock)).toBeUndefined();
  });

  it('finds the userfault that the reader sleeps in', () => {
    const keeps = [ref('data_root_inode.i_rwsem')];
    const { incident, ps } = reader(getdentsInFault(['handle_userfault'], { func: 'filldir64', keeps }));
    incident.userfault(ps, { descriptors: [[ps, 3]] });
    expect(holderOf(incident, incident.directory)).toMatchObject({
      certainty: 'confirmed',
      inFault: true,
      waitsIn: 'handle_userfault',
      stall: { kind: 'userfault', userfault: { referencesAccounted: true, fault: { queue: 'pending' } } },
    });
  });

  it('calls it asleep when the userfault cannot be found', () => {
    const keeps = [ref('data_root_inode.i_rwsem')];
    const { incident, ps } = reader(getdentsInFault(['handle_userfault'], { func: 'filldir64', keeps }));
    incident.userfault(ps, { descriptors: [[ps, 3]] });
    const holder = holderOf(incident, incident.directory, (image) => image.write('fault96.ctx', 0x10));
    expect(holder).toMatchObject({ stall: { kind: 'sleeping' }, waitsIn: 'handle_userfault' });
  });
});

describe('what keeps the owner of a mutex', () => {
  function ownerWith(spec: Partial<Parameters<Incident['task']>[1]>): Holder | undefined {
    const incident = new Incident();
    const lock = incident.lock('mutex', 'a_lock');
    incident.held(lock, incident.task('owner', { pid: 10, ...spec }));
    incident.task('waiter', { pid: 20, waits: [lock] });
    return holderOf(incident, lock);
  }

  it.each([
    ['running', { running: 0 }],
    ['runnable', { state: 'R' }],
    ['stopped', { state: 'T' }],
    ['exited', { state: 'Z' }],
    ['sleeping', { state: 'S' }],
    ['sleeping', { state: 'D' }],
  ] as const)('is that it is %s', (kind, spec) => {
    expect(ownerWith(spec)).toMatchObject({ certainty: 'exact', stall: { kind } });
  });

  it('is another lock, or its own when it takes it twice', () => {
    const incident = new Incident();
    const outer = incident.lock('mutex', 'outer');
    const inner = incident.lock('mutex', 'inner');
    const owner = incident.task('owner', { pid: 10, waits: [inner] });
    incident.held(outer, owner);
    incident.held(inner, owner);
    incident.task('waiter', { pid: 20, waits: [outer] });
    const stall = { kind: 'lock', lock: { address: inner.address } };
    expect(holderOf(incident, outer)?.stall).toMatchObject(stall);
    expect(holderOf(incident, inner)?.stall).toMatchObject(stall);
  });

  it('is another lock for a reader, too, but not the one that it read before', () => {
    const incident = new Incident();
    const { directory } = incident;
    const inner = incident.lock('mutex', 'inner');
    incident.held(directory, incident.task('reader', { pid: 10, waits: [inner] }), 'read');
    incident.task('ls', { pid: 11, waits: [directory, 'write'] });
    expect(holderOf(incident, directory)?.stall).toMatchObject({ kind: 'lock', lock: { address: inner.address } });
    const again = new Incident();
    again.held(again.directory, again.task('reader', { pid: 10, waits: [again.directory, 'read'] }), 'read');
    expect(holderOf(again, again.directory)?.stall).toEqual({ kind: 'sleeping' });
  });

  it.each([
    ['getdents', ['vfs_work', '__x64_sys_getdents', 'do_syscall_64']],
    ['getdents', ['vfs_work', 'sys_getdents', 'system_call_fastpath']],
    ['getdents', ['vfs_work', 'SyS_getdents', 'system_call_fastpath']],
    ['newstat', ['vfs_work', '__do_sys_newstat', 'do_syscall_64']],
    ['openat', ['vfs_work', '__ia32_compat_sys_openat', 'do_int80']],
    [undefined, ['worker_thread', 'kthread', 'ret_from_fork']],
  ])('names the system call %s', (syscall, stack) => {
    expect(ownerWith({ stack: [...SLEEP, ...stack] })?.syscall).toBe(syscall);
  });
});
