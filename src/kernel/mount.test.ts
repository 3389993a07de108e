import { describe, expect, it } from 'vitest';
import { ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { Vfs, VFS_ERAS } from '../../test/builders/vfs.ts';
import { FaultError } from '../base/errors.ts';
import { initMountNamespace, mountsOf, mountsOfSuperBlock, taskMountNamespace } from './mount.ts';

describe.each(VFS_ERAS)('mounts as in %s', (era) => {
  it('of the first namespace, with device, type and directory', () => {
    const { image } = new Vfs(era);
    const program = programOfImage(image);
    expect(initMountNamespace(program)).toBe(image.address('ns'));
    expect(mountsOf(program)).toEqual({
      mounts: [
        {
          mount: image.address('root_mount'),
          superBlock: image.address('root_sb'),
          device: '/dev/vda1',
          fsType: 'ext4',
          directory: '/',
        },
        {
          mount: image.address('data_mount'),
          superBlock: image.address('data_sb'),
          device: 'scratch',
          fsType: 'tmpfs',
          directory: '/srv/data',
        },
      ],
      problems: [],
    });
  });

  it('of a file system, those of the wanted namespace first', () => {
    const { image } = new Vfs(era);
    const program = programOfImage(image);
    const of = (namespace?: string) =>
      mountsOfSuperBlock(
        program,
        image.address('data_sb'),
        namespace === undefined ? undefined : image.address(namespace),
      );
    // Before 3.3 only the mounts of the namespace are known.
    const others = era === '2.6.32' ? [] : ['bound_mount', 'old_mount'];
    expect(of()).toEqual(['data_mount', ...others].map((label) => image.address(label)));
    expect(of('other_ns')[0]).toBe(image.address('bound_mount'));
  });

  it('that cannot be read are told, and the others found', () => {
    const { image } = new Vfs(era);
    image.write('root_sb.s_type', 0);
    const { mounts, problems } = mountsOf(programOfImage(image));
    expect(mounts.map((mount) => mount.directory)).toEqual(['/srv/data']);
    expect(problems).toHaveLength(1);
  });
});

describe('mounts', () => {
  it('of a file system are found without the first namespace, unmounted ones last', () => {
    const { image } = new Vfs('6.1');
    image.write('init_task.nsproxy', 0);
    const found = mountsOfSuperBlock(programOfImage(image), image.address('data_sb'));
    const labelled = (label: string): bigint => image.address(label);
    expect(new Set(found.slice(0, 2))).toEqual(new Set(['data_mount', 'bound_mount'].map(labelled)));
    expect(found.slice(2)).toEqual([labelled('old_mount')]);
    // Before 3.3 only the mounts of the namespace are known.
    const old = new Vfs('2.6.32').image;
    old.write('init_task.nsproxy', 0);
    expect(() => mountsOfSuperBlock(programOfImage(old), old.address('data_sb'))).toThrow(FaultError);
  });

  it('leave out the cursors of readers of /proc/mounts', () => {
    const { image } = new Vfs('6.1');
    image.place('cursor', 'struct mount', { 'mnt.mnt_flags': 0x10000000 });
    image.list('ns.list', ['root_mount.mnt_list', 'cursor.mnt_list', 'data_mount.mnt_list']);
    const { mounts, problems } = mountsOf(programOfImage(image));
    expect(mounts.map((mount) => mount.directory)).toEqual(['/', '/srv/data']);
    expect(problems).toEqual([]);
  });

  it('of a broken list are told up to the break', () => {
    const { image } = new Vfs('6.1');
    image.write('data_mount.mnt_list.prev', ref('ns.list'));
    const { mounts, problems } = mountsOf(programOfImage(image));
    expect(mounts.map((mount) => mount.directory)).toEqual(['/']);
    expect(problems[0]).toContain('prev does not point back');
  });

  it('of a chain that runs in a circle or breaks off end with an error', () => {
    const { image } = new Vfs('6.19');
    image.write('data_mount.mnt_next_for_sb', ref('old_mount'));
    const circle = programOfImage(image);
    expect(() => mountsOfSuperBlock(circle, image.address('data_sb'))).toThrow(/does not end/);
    image.write('data_mount.mnt_next_for_sb', ref('old_mount', 4));
    const broken = programOfImage(image);
    expect(() => mountsOfSuperBlock(broken, image.address('data_sb'))).toThrow(/no pointer, on s_mounts/);
  });

  it('prefer the whole file system to a bind mount of a part of it', () => {
    const { image } = new Vfs('6.1');
    image.write('bound_mount.mnt_ns', ref('ns'));
    image.write('bound_mount.mnt.mnt_root', ref('report_dentry'));
    const first = mountsOfSuperBlock(programOfImage(image), image.address('data_sb'))[0];
    expect(first).toBe(image.address('data_mount'));
  });

  it('of a task are those of its namespace; an exited task has none', () => {
    const { image } = new Vfs('6.1');
    image.place('exited', 'struct task_struct', {});
    const program = programOfImage(image);
    expect(taskMountNamespace(program, image.address('init_task'))).toBe(image.address('ns'));
    expect(taskMountNamespace(program, image.address('exited'))).toBeUndefined();
  });
});
