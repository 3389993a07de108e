import { describe, expect, it } from 'vitest';
import { ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { Vfs } from '../../test/builders/vfs.ts';
import { LookupError, ValidationError } from '../base/errors.ts';
import {
  fsTypeName,
  mountOfVfsmount,
  mountType,
  superBlockMounts,
  superBlocks,
  vfsmountOfMount,
} from './super-block.ts';

describe('super blocks', () => {
  it('are listed with the names of their types', () => {
    const { image } = new Vfs('6.1');
    const program = programOfImage(image);
    const found = [...superBlocks(program)];
    expect(found).toEqual([image.address('root_sb'), image.address('data_sb')]);
    expect(found.map((superBlock) => fsTypeName(program, superBlock))).toEqual(['ext4', 'tmpfs']);
  });

  it('carry the subtype, where there is one', () => {
    const { image } = new Vfs('6.1');
    image.place('fuse_type', 'struct file_system_type', { name: 'fuse' });
    image.place('fuse', 'struct super_block', { s_type: ref('fuse_type'), s_subtype: 'sshfs' });
    image.place('plain', 'struct super_block', { s_type: ref('fuse_type') });
    const program = programOfImage(image);
    expect(fsTypeName(program, image.address('fuse'))).toBe('fuse.sshfs');
    expect(fsTypeName(program, image.address('plain'))).toBe('fuse');
  });

  it.each(['', 'ext\u0001', 'x'.repeat(100)])('whose type is called %j are none', (name) => {
    const { image } = new Vfs('6.1');
    image.place('bad_type', 'struct file_system_type', { name });
    image.write('root_sb.s_type', ref('bad_type'));
    const program = programOfImage(image);
    expect(() => fsTypeName(program, image.address('root_sb'))).toThrow(ValidationError);
  });

  it('know their mounts since 3.3', () => {
    for (const era of ['3.10', '6.19'] as const) {
      const { image } = new Vfs(era);
      const mounts = [...superBlockMounts(programOfImage(image), image.address('data_sb'))];
      expect(mounts).toEqual(['old_mount', 'bound_mount', 'data_mount'].map((label) => image.address(label)));
    }
    const { image } = new Vfs('2.6.32');
    const old = programOfImage(image);
    expect(() => [...superBlockMounts(old, image.address('data_sb'))]).toThrow(LookupError);
  });
});

describe('struct mount', () => {
  it('is around struct vfsmount since 3.3 and the same before', () => {
    const now = new Vfs('6.1').image;
    const program = programOfImage(now);
    expect(mountType(program)).toBe('struct mount');
    expect(vfsmountOfMount(program, now.address('data_mount'))).toBe(now.address('data_mount.mnt'));
    expect(mountOfVfsmount(program, now.address('data_mount.mnt'))).toBe(now.address('data_mount'));
    const then = new Vfs('2.6.32').image;
    const old = programOfImage(then);
    expect(mountType(old)).toBe('struct vfsmount');
    expect(vfsmountOfMount(old, then.address('data_mount'))).toBe(then.address('data_mount'));
    expect(mountOfVfsmount(old, then.address('data_mount'))).toBe(then.address('data_mount'));
  });
});
