import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import { KernelImage, ref } from '../../../test/builders/image.ts';
import { Incident, type TestLock } from '../../../test/builders/incident.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { Slabs } from '../../../test/builders/slab.ts';
import { textOf } from '../../../test/builders/text.ts';
import { add } from '../../base/address.ts';
import { type LockName, lockNamesFact } from './lock-names.ts';

function nameOf(incident: Incident, lock: TestLock, damage?: (image: KernelImage) => void): LockName {
  return contextOf(incident.program(damage)).use(lockNamesFact).of(lock.address, lock.kind);
}

describe('names of locks', () => {
  it('says of which directory it is, with three witnesses', () => {
    const incident = new Incident();
    const name = nameOf(incident, incident.directory);
    expect(textOf(name.text)).toBe('the i_rwsem of the directory /srv/data (tmpfs)');
    expect(name).toMatchObject({
      what: 'inode',
      member: 'i_rwsem',
      container: { address: incident.image.address('data_root_inode'), ctype: 'struct inode' },
      path: '/srv/data',
      inodeKind: 'directory',
      fsType: 'tmpfs',
    });
    expect(name.witnesses).toHaveLength(3);
  });

  it('knows the i_mutex of old kernels', () => {
    const incident = new Incident('3.10');
    expect(nameOf(incident, incident.directory)).toMatchObject({ what: 'inode', member: 'i_mutex', path: '/srv/data' });
  });

  it('gives the number of an inode that nothing names', () => {
    const incident = new Incident();
    const name = nameOf(incident, incident.directory, (image) => image.write('data_root_inode.i_dentry', 0));
    expect(textOf(name.text)).toBe('the i_rwsem of the directory inode 17 (tmpfs)');
    expect(name.path).toBeUndefined();
    expect(name.witnesses).toHaveLength(2);
  });

  it('takes a path inside of a file system for no more than that', () => {
    const incident = new Incident();
    const name = nameOf(incident, incident.directory, (image) => image.write('data_sb.s_mounts.next', 0));
    expect(textOf(name.text)).toBe(
      'the i_rwsem of the directory / (tmpfs, as seen inside of it: where it is mounted was not found)',
    );
    expect(name).toMatchObject({ path: undefined, pathInFileSystem: '/' });
  });

  it('says that a directory was removed', () => {
    const incident = new Incident();
    const lock: TestLock = { ...incident.directory, address: incident.image.address('gone_inode.i_rwsem') };
    const name = nameOf(incident, lock);
    expect(textOf(name.text)).toMatch(/ of the file \/srv\/data\/\S+ \(tmpfs, deleted\)$/);
  });

  it('does not take for an inode what only has the super block of one', () => {
    const incident = new Incident();
    const name = nameOf(incident, incident.directory, (image) => {
      image.write('data_root_inode.i_dentry', 0);
      image.write('data_root_inode.i_data.host', 0);
    });
    expect(name).toMatchObject({ what: 'unknown', member: undefined, container: undefined });
  });

  it('names the process whose address space a lock protects, by its leader', () => {
    const incident = new Incident();
    const java = incident.task('java', { pid: 50 });
    incident.task('GC', { pid: 51, leader: java });
    const name = nameOf(incident, incident.mmapLock(java));
    expect(textOf(name.text)).toBe('the mmap_lock of java (pid 50)');
    expect(name).toMatchObject({
      what: 'mm',
      member: 'mmap_lock',
      container: { address: incident.image.address('mm50'), ctype: 'struct mm_struct' },
    });
    const old = new Incident('3.10');
    expect(nameOf(old, old.mmapLock(old.task('java', { pid: 50 }))).member).toBe('mmap_sem');
  });

  it('names a file system by the lock in its super block', () => {
    const incident = new Incident();
    const lock: TestLock = {
      kind: 'rw_semaphore',
      label: 'root_sb.s_umount',
      address: incident.image.address('root_sb.s_umount'),
    };
    const name = nameOf(incident, lock);
    expect(textOf(name.text)).toBe('the s_umount of the ext4 file system vda1');
    expect(name).toMatchObject({ what: 'super_block', fsType: 'ext4', member: 's_umount' });
    // One that is not on the list of super blocks is none.
    const other = new Incident();
    const unlinked = nameOf(other, { ...lock, address: other.image.address('root_sb.s_umount') }, (image) =>
      image.list('super_blocks', ['data_sb.s_list']),
    );
    expect(unlinked.what).toBe('unknown');
  });

  it('names the gates that freezing a file system closes', () => {
    const gate = (incident: Incident, index: number, damage?: (image: KernelImage) => void): LockName => {
      const at = incident.image.address(`root_sb.s_writers.rw_sem[${index}]`);
      return contextOf(incident.program(damage)).use(lockNamesFact).of(at, 'percpu_rw_semaphore');
    };
    const open = gate(new Incident(), 1);
    expect(textOf(open.text)).toBe('the gate for writing page faults of the ext4 file system vda1');
    expect(open).toMatchObject({ what: 'super_block', member: 's_writers.rw_sem[1]' });
    const frozen = gate(new Incident(), 0, (image) => image.write('root_sb.s_writers.frozen', 4));
    expect(textOf(frozen.text)).toMatch(/^the gate for writes .* which is frozen$/);
    expect(frozen.witnesses[1]).toMatch(/must thaw it/);
    const unlinked = gate(new Incident(), 0, (image) => image.list('super_blocks', ['data_sb.s_list']));
    expect(unlinked.what).toBe('unknown');
  });

  it('names variables, and locks inside of larger ones by their place', () => {
    const incident = new Incident();
    const rtnl = incident.lock('mutex', 'rtnl_mutex', { global: true });
    expect(textOf(nameOf(incident, rtnl).text)).toBe('the global rtnl_mutex');
    expect(nameOf(incident, rtnl)).toMatchObject({ what: 'symbol', member: 'rtnl_mutex' });
    // An empty lock class key has the address of what follows it.
    incident.image.symbol('__key.13', 'rtnl_mutex', 0);
    expect(nameOf(incident, rtnl).member).toBe('rtnl_mutex');
    const inner: TestLock = { ...rtnl, address: incident.image.address('rtnl_mutex.wait_list') };
    expect(nameOf(incident, inner).member).toMatch(/^rtnl_mutex\+\d+$/);
  });

  it('names a static variable of a function by whoever waits for it there: others have the same symbol', () => {
    const named = (callers: readonly string[]): string => {
      const incident = new Incident();
      const lock = incident.lock('mutex', 'drain_mutex');
      incident.image.symbol('lock.1', 'drain_mutex', 64);
      callers.forEach((caller, i) => {
        incident.task('kubelet', { pid: 50 + i, offCpu: 9, waits: [lock], stack: ['__mutex_lock', caller] });
      });
      return textOf(nameOf(incident, lock).text);
    };
    const drain = 'lru_add_drain_all';
    expect(named([drain, drain])).toBe(`the static lock that ${drain} takes (symbol lock.1)`);
    expect(named([drain, 'another_caller'])).toBe('a static lock (symbol lock.1)');
    expect(named([])).toBe('a static lock (symbol lock.1)');
  });

  it('names at least the slab cache that a lock lies in', () => {
    const slabs = new Slabs(new KernelImage(), '6.1');
    slabs.cache('devices', { name: 'kmalloc-512', size: 512, objects: 8 });
    const object = add(slabs.slab('devices', 1), 512);
    const name = contextOf(programOfImage(slabs.image)).use(lockNamesFact).of(add(object, 64), 'mutex');
    expect(textOf(name.text)).toBe('a mutex in a kmalloc-512 object');
    expect(name).toMatchObject({ what: 'slab', container: { address: object } });
  });

  it('claims nothing of a lock that nothing names', () => {
    const incident = new Incident();
    const name = nameOf(incident, incident.lock('semaphore', 'somewhere'));
    expect(textOf(name.text)).toBe('a semaphore that nothing names');
    expect(name).toMatchObject({ what: 'unknown', witnesses: [], path: undefined });
  });

  it('keeps a hostile name of a directory as data', () => {
    const incident = new Incident();
    const hostile = '\u001b[2Jdata\n';
    const { image } = incident;
    image.place('hostile name', 'char[16]', hostile);
    const name = nameOf(incident, incident.directory, () => {
      image.write('data_dentry.d_name.name', ref('hostile name'));
      image.write('data_dentry.d_name.len', hostile.length);
    });
    expect(name.path).toContain('\u001b');
    expect(name.text.filter((part) => typeof part === 'string').join('')).not.toContain('\u001b');
  });
});
