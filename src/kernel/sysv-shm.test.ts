import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { FaultError } from '../base/errors.ts';
import { ipcNamespaces, shmContents, shmSegments } from './sysv-shm.ts';

/** Segments 1, that nobody is attached to, and 3. */
function image(): KernelImage {
  const made = new KernelImage();
  made.struct('xarray', { xa_flags: 'unsigned int', xa_head: 'void *' });
  made.struct('xa_node', { shift: 'unsigned char', parent: 'struct xa_node *', slots: 'void *[64]' });
  made.struct('idr', { idr_rt: 'struct xarray', idr_base: 'unsigned int' });
  made.struct('ipc_ids', { in_use: 'int', ipcs_idr: 'struct idr' });
  made.struct('ipc_namespace', { count: 'int', ids: 'struct ipc_ids[3]' });
  made.struct('kern_ipc_perm', { deleted: 'int', id: 'int', key: 'int', uid: 'struct kuid' });
  made.struct('kuid', { val: 'unsigned int' });
  made.struct('upid', { nr: 'int' });
  made.struct('pid', { count: 'int', numbers: 'struct upid[1]' });
  made.struct('address_space', { nrpages: 'unsigned long' });
  made.struct('inode', { i_data: 'struct address_space' });
  made.struct('file', { f_inode: 'struct inode *', f_op: 'void *' });
  made.struct('shmid_kernel', {
    shm_perm: 'struct kern_ipc_perm',
    shm_file: 'struct file *',
    shm_nattch: 'unsigned long',
    shm_segsz: 'unsigned long',
    shm_cprid: 'struct pid *',
  });
  made.struct('nsproxy', { ipc_ns: 'struct ipc_namespace *' });
  made.struct('task_struct', { nsproxy: 'struct nsproxy *' });
  made.global('init_ipc_ns', 'struct ipc_namespace', { 'ids[2].ipcs_idr.idr_rt.xa_head': ref('node', 2) });
  made.place('node', 'struct xa_node', { 'slots[1]': ref('idle'), 'slots[3]': ref('used') });
  made.place('creator', 'struct pid', { 'numbers[0].nr': 812 });
  made.place('inode', 'struct inode', { 'i_data.nrpages': 256 });
  made.place('file', 'struct file', { f_inode: ref('inode') });
  made.place('idle', 'struct shmid_kernel', {
    'shm_perm.id': 1,
    'shm_perm.key': 0x5eed,
    'shm_perm.uid.val': 54321,
    shm_file: ref('file'),
    shm_segsz: 2 ** 21,
    shm_cprid: ref('creator'),
  });
  made.place('used', 'struct shmid_kernel', { 'shm_perm.id': 3, shm_nattch: 2, shm_segsz: 4096 });
  return made;
}

describe('shmSegments', () => {
  it('tells who is attached, what is in memory, and who made it', () => {
    const made = image();
    const program = programOfImage(made);
    const [idle, used, ...more] = shmSegments(program, made.address('init_ipc_ns'));
    expect(more).toEqual([]);
    expect(idle).toEqual({
      address: made.address('idle'),
      id: 1,
      key: 0x5eed,
      uid: 54321,
      attached: 0,
      size: 2 ** 21,
      bytes: 256 * 4096,
      creator: 812,
    });
    expect(used).toMatchObject({ id: 3, attached: 2, bytes: 0, creator: undefined });
  });

  it('breaks off where a segment cannot be read', () => {
    const made = image();
    made.write('node.slots[3]', 0xffff8880deadb000n);
    const program = programOfImage(made);
    expect(() => [...shmSegments(program, made.address('init_ipc_ns'))]).toThrow(FaultError);
  });
});

describe('ipcNamespaces', () => {
  it('are that of the machine and those of tasks, each once', () => {
    const made = image();
    made.place('box', 'struct ipc_namespace', {});
    made.place('proxy', 'struct nsproxy', { ipc_ns: ref('box') });
    made.place('own', 'struct nsproxy', { ipc_ns: ref('init_ipc_ns') });
    made.place('task', 'struct task_struct', { nsproxy: ref('proxy') });
    made.place('other', 'struct task_struct', { nsproxy: ref('own') });
    made.place('ended', 'struct task_struct', {});
    const program = programOfImage(made);
    const tasks = ['task', 'other', 'task', 'ended'].map((label) => made.address(label));
    expect(ipcNamespaces(program, tasks)).toEqual([made.address('init_ipc_ns'), made.address('box')]);
  });
});

describe('shmContents', () => {
  it('tells pages in memory and in swap', () => {
    const made = image();
    made.struct('shmem_inode_info', { swapped: 'unsigned long', vfs_inode: 'struct inode' });
    made.place('shmem', 'struct shmem_inode_info', { swapped: 40, vfs_inode: { 'i_data.nrpages': 9 } });
    made.write('file.f_inode', ref('shmem.vfs_inode'));
    expect(shmContents(programOfImage(made), made.address('idle'))).toEqual({
      inode: made.address('shmem.vfs_inode'),
      allocated: 512,
      resident: 9,
      swapped: 40,
    });
  });

  it('of huge pages nothing is made up, nor of a segment without a file', () => {
    const made = image();
    made.struct('shmem_inode_info', { swapped: 'unsigned long', vfs_inode: 'struct inode' });
    made.symbol('hugetlbfs_file_operations', 0xffffffff81a00000n);
    made.place('huge', 'struct file', { f_inode: ref('inode'), f_op: 0xffffffff81a00000n });
    made.write('idle.shm_file', ref('huge'));
    const program = programOfImage(made);
    expect(shmContents(program, made.address('idle'))).toEqual({
      inode: made.address('inode'),
      allocated: 512,
      resident: undefined,
      swapped: undefined,
    });
    expect(() => shmContents(program, made.address('used'))).toThrow(/has no file/);
  });
});
