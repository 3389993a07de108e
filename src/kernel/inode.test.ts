import { describe, expect, it } from 'vitest';
import { ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { Slabs } from '../../test/builders/slab.ts';
import { Vfs, VFS_ERAS } from '../../test/builders/vfs.ts';
import { add, sub } from '../base/address.ts';
import { ValidationError } from '../base/errors.ts';
import { inodeDentries, inodeLetter, inodeOfLock, pathOfInode, readInode } from './inode.ts';

describe.each(VFS_ERAS)('inodes as in %s', (era) => {
  const member = era === '2.6.32' || era === '3.10' ? 'i_mutex' : 'i_rwsem';

  it('tell type, mode, number and file system', () => {
    const { image } = new Vfs(era);
    expect(readInode(programOfImage(image), image.address('gone_inode'))).toEqual({
      inode: image.address('gone_inode'),
      superBlock: image.address('data_sb'),
      fsType: 'tmpfs',
      kind: 'file',
      mode: 0o100644,
      number: 17n,
      links: 0,
    });
  });

  it('have a path through the mount of the first namespace', () => {
    const { image } = new Vfs(era);
    const program = programOfImage(image);
    const path = (label: string) => pathOfInode(program, image.address(`${label}_inode`));
    expect(path('report')).toEqual({ text: '/srv/data/report', deleted: false, reachable: true });
    expect(path('data_root')?.text).toBe('/srv/data');
    expect(path('data')?.text).toBe('/srv/data');
    expect(path('gone')?.deleted).toBe(true);
  });

  it('are found around their lock', () => {
    const { image } = new Vfs(era);
    const program = programOfImage(image);
    expect(inodeOfLock(program, image.address(`data_root_inode.${member}`))).toMatchObject({
      inode: image.address('data_root_inode'),
      kind: 'directory',
      fsType: 'tmpfs',
      path: { text: '/srv/data' },
      evidence: [
        'i_sb is a super block of the machine (tmpfs)',
        'i_data.host points back to it',
        'an entry on i_dentry points back to it',
      ],
    });
  });
});

describe('the path of an inode', () => {
  it('is that of a name still there, when one of two hard links was removed', () => {
    const vfs = new Vfs('6.1');
    const { image } = vfs;
    vfs.entry('twin', { name: 'twin', parent: 'data_root', sb: 'data_sb', mode: 0o100644 });
    image.write('twin_dentry.d_inode', ref('gone_inode'));
    image.hlist('gone_inode.i_dentry', ['gone_dentry.d_u.d_alias', 'twin_dentry.d_u.d_alias']);
    const path = pathOfInode(programOfImage(image), image.address('gone_inode'));
    expect(path).toEqual({ text: '/srv/data/twin', deleted: false, reachable: true });
  });

  it('is not known when no entry in memory names it', () => {
    const { image } = new Vfs('6.1');
    image.hlist('report_inode.i_dentry', []);
    expect(pathOfInode(programOfImage(image), image.address('report_inode'))).toBeUndefined();
  });

  it('is not chosen between those of several namespaces when the first is not known', () => {
    const { image } = new Vfs('6.1');
    image.write('init_task.nsproxy', 0);
    const inode = image.address('report_inode');
    const path = pathOfInode(programOfImage(image), inode);
    expect(path?.reachable).toBe(false);
    const program = programOfImage(image);
    expect(pathOfInode(program, inode, image.address('ns'))).toMatchObject({
      text: '/srv/data/report',
      reachable: true,
    });
    image.list('data_sb.s_mounts', ['data_mount.mnt_instance', 'old_mount.mnt_instance']);
    expect(pathOfInode(programOfImage(image), inode)).toMatchObject({ text: '/srv/data/report', reachable: true });
  });

  it('is that inside its file system when no mount can be read', () => {
    const { image } = new Vfs('6.1');
    image.write('data_sb.s_mounts.next', 0);
    const path = pathOfInode(programOfImage(image), image.address('report_inode'));
    expect(path).toEqual({ text: '/report', deleted: false, reachable: false });
  });

  it('ends with an error when its entries run in a circle', () => {
    const { image } = new Vfs('6.1');
    image.write('report_dentry.d_u.d_alias.next', ref('report_dentry.d_u.d_alias'));
    const program = programOfImage(image);
    expect(() => [...inodeDentries(program, image.address('report_inode'))]).toThrow(ValidationError);
  });
});

describe('the inode of a lock', () => {
  it('is none when its super block is not one of the machine', () => {
    const { image } = new Vfs('6.1');
    image.list('super_blocks', ['root_sb.s_list']);
    expect(inodeOfLock(programOfImage(image), image.address('report_inode.i_rwsem'))).toBeUndefined();
  });

  it('is none when nothing but the super block says so', () => {
    const { image } = new Vfs('6.1');
    image.write('report_inode.i_data.host', 0);
    image.write('report_dentry.d_inode', ref('gone_inode'));
    expect(inodeOfLock(programOfImage(image), image.address('report_inode.i_rwsem'))).toBeUndefined();
  });

  it('is none around other memory, user addresses and NULL', () => {
    const { image } = new Vfs('6.1');
    const program = programOfImage(image);
    const lock = image.address('report_inode.i_rwsem');
    for (const address of [add(lock, 8), image.address('root_sb'), sub(lock, lock)]) {
      expect(inodeOfLock(program, address)).toBeUndefined();
    }
    expect(inodeOfLock(program, lock, 'i_nonesuch')).toBeUndefined();
  });

  it('must fit into the slab object that the lock lies in', () => {
    const around = (cacheSize: number) => {
      const { image } = new Vfs('6.1');
      const slabs = new Slabs(image, '6.1');
      slabs.cache('cache', { name: 'shmem_inode_cache', size: cacheSize, objects: 4096 / cacheSize });
      const slab = slabs.slab('cache', 1);
      image.place(
        'inode',
        'struct inode',
        {
          i_mode: 0o40755,
          i_sb: ref('data_sb'),
          'i_data.host': ref('inode'),
        },
        { at: add(slab, 512 + 64) },
      );
      const program = programOfImage(image);
      return { start: add(slab, 512), found: inodeOfLock(program, image.address('inode.i_rwsem')) };
    };
    const { start, found } = around(512);
    expect(found?.slab).toMatchObject({ cacheName: 'shmem_inode_cache', start });
    expect(found?.evidence).toContain('lies in an object of the slab cache shmem_inode_cache');
    // With objects of 64 bytes the inode would lie across several.
    expect(around(64).found).toBeUndefined();
  });
});

describe('readInode', () => {
  it('rejects what has no file type', () => {
    const { image } = new Vfs('6.1');
    image.write('report_inode.i_mode', 0o170000);
    const program = programOfImage(image);
    expect(() => readInode(program, image.address('report_inode'))).toThrow(ValidationError);
  });

  it('knows each type by its letter', () => {
    const types = [0o010000, 0o020000, 0o040000, 0o060000, 0o100000, 0o120000, 0o140000, 0o600];
    const letters = types.map((mode) => {
      const { image } = new Vfs('6.1');
      image.write('report_inode.i_mode', mode);
      return inodeLetter(readInode(programOfImage(image), image.address('report_inode')).kind);
    });
    expect(letters.join('')).toBe('pcdb-ls?');
  });

  it('takes no zeros for an anonymous inode', () => {
    const { image } = new Vfs('6.1');
    image.write('report_inode.i_mode', 0);
    expect(() => readInode(programOfImage(image), image.address('report_inode'))).toThrow(ValidationError);
  });
});
