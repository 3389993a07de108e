import { describe, expect, it } from 'vitest';
import { type KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { Vfs, VFS_ERAS, type VfsEra } from '../../test/builders/vfs.ts';
import { ValidationError } from '../base/errors.ts';
import { pathAt, type PathText } from './path.ts';

function pathThrough(vfs: Vfs, mount: string, entry: string): PathText {
  const { image } = vfs;
  image.place('path', 'struct path', { mnt: vfs.vfsmount(mount), dentry: ref(`${entry}_dentry`) });
  return pathAt(programOfImage(image), image.address('path'));
}

/** A file of a file system that nobody mounts, which names its files itself. */
function specialFile(era: VfsEra, type: string, name: string, more = (_image: KernelImage): void => {}): PathText {
  const vfs = new Vfs(era);
  const { image } = vfs;
  image.place('type', 'struct file_system_type', { name: type });
  image.place('sb', 'struct super_block', { s_type: ref('type') });
  vfs.entry('special', { name, sb: 'sb', mode: 0o10600 });
  image.function('some_dname');
  image.place('operations', 'struct dentry_operations', { d_dname: ref('some_dname') });
  image.write('special_dentry.d_op', ref('operations'));
  more(image);
  return pathThrough(vfs, 'old_mount', 'special');
}

describe.each(VFS_ERAS)('paths as in %s', (era) => {
  it('go on above the root of a mount at its mountpoint', () => {
    expect(pathThrough(new Vfs(era), 'data_mount', 'report')).toEqual({
      text: '/srv/data/report',
      deleted: false,
      reachable: true,
    });
    expect(pathThrough(new Vfs(era), 'data_mount', 'data_root').text).toBe('/srv/data');
    expect(pathThrough(new Vfs(era), 'root_mount', 'data').text).toBe('/srv/data');
    expect(pathThrough(new Vfs(era), 'root_mount', 'root').text).toBe('/');
  });

  it('are those of the mount they were opened through', () => {
    expect(pathThrough(new Vfs(era), 'bound_mount', 'report').text).toBe('/report');
  });

  it('mark removed files and unmounted file systems', () => {
    expect(pathThrough(new Vfs(era), 'data_mount', 'gone')).toEqual({
      text: '/srv/data/gone',
      deleted: true,
      reachable: true,
    });
    expect(pathThrough(new Vfs(era), 'old_mount', 'report')).toEqual({
      text: '/report',
      deleted: false,
      reachable: false,
    });
  });
});

describe('paths', () => {
  it('of a directory outside its mount are not reachable', () => {
    const path = pathThrough(new Vfs('6.1'), 'data_mount', 'srv');
    expect(path).toEqual({ text: '/srv', deleted: false, reachable: false });
  });

  it('do not take an error pointer for a namespace', () => {
    const vfs = new Vfs('6.1');
    vfs.image.write('old_mount.mnt_ns', -22n);
    expect(pathThrough(vfs, 'old_mount', 'report').reachable).toBe(false);
  });

  it('of files that have no name say what they are', () => {
    expect(specialFile('6.1', 'pipefs', '').text).toBe('pipe:[17]');
    expect(specialFile('3.10', 'sockfs', 'TCP').text).toBe('socket:[17]');
    expect(specialFile('6.1', 'anon_inodefs', '[userfaultfd]').text).toBe('anon_inode:[userfaultfd]');
    expect(specialFile('6.1', 'dmabuf', 'x').text).toBe('dmabuf:[17]');
    expect(specialFile('6.1', 'tmpfs', 'memfd:a')).toEqual({ text: '/memfd:a', deleted: true, reachable: false });
  });

  it('of namespaces carry the kind, where it can be read', () => {
    expect(specialFile('6.1', 'nsfs', '').text).toBe('nsfs:[17]');
    const named = specialFile('6.1', 'nsfs', '', (image) => {
      image.struct('proc_ns_operations', { name: 'const char *' });
      image.struct('ns_common', { stashed: 'void *', ops: 'const struct proc_ns_operations *' });
      image.place('net_operations', 'struct proc_ns_operations', { name: 'net' });
      image.place('net', 'struct ns_common', { ops: ref('net_operations') });
      image.write('special_inode.i_private', ref('net'));
    });
    expect(named.text).toBe('net:[17]');
  });

  it('end with an error where mounts run in a circle or are no pointers', () => {
    const circle = (damage: (image: KernelImage) => void): (() => PathText) => {
      const vfs = new Vfs('6.1');
      damage(vfs.image);
      return () => pathThrough(vfs, 'data_mount', 'report');
    };
    // Each mounted on the root of the other: there is no namespace root to reach.
    expect(
      circle((image) => {
        image.write('root_mount.mnt_parent', ref('data_mount'));
        image.write('root_mount.mnt_mountpoint', ref('data_root_dentry'));
      }),
    ).toThrow(ValidationError);
    expect(circle((image) => image.write('data_mount.mnt_parent', 8))).toThrow(ValidationError);
  });
});
