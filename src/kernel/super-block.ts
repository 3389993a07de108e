/**
 * Mounted file systems: `struct super_block`, its type and its mounts (include/linux/fs.h, fs/mount.h).
 */
import { isAligned, isKernel, type VirtAddr } from '../base/address.ts';
import { ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { listEntries } from './list.ts';

const MAX_SUPER_BLOCKS = 1 << 18;
const MAX_MOUNTS = 1 << 18;
const TYPE_NAME = /^[\x21-\x7e]{1,64}$/;

/**
 * All super blocks.
 * @returns `struct super_block *` of each, in the order of `super_blocks`
 * @throws FaultError, LookupError, ValidationError when the list is broken
 */
export function superBlocks(program: Program): Generator<VirtAddr> {
  const head = program.symbol('super_blocks').address;
  return listEntries(program, head, 'struct super_block', 's_list', MAX_SUPER_BLOCKS);
}

/**
 * Name of a file system's type, `s_type->name`, with the subtype where it has one: 'ext4', 'tmpfs', 'fuse.sshfs'.
 * @param superBlock - `struct super_block *`
 * @throws FaultError, LookupError, ValidationError when the name is none
 */
export function fsTypeName(program: Program, superBlock: VirtAddr): string {
  const type = program.field('struct super_block', 's_type').pointer(superBlock);
  const name = program.field('struct file_system_type', 'name').string(type, 65) ?? '';
  if (!TYPE_NAME.test(name)) throw new ValidationError('struct super_block', superBlock, 'its type has no name');
  const subtype = program.tryField('struct super_block', 's_subtype')?.string(superBlock, 65) ?? '';
  return subtype === '' ? name : `${name}.${subtype}`;
}

/**
 * The type that holds `mnt_parent`, `mnt_mountpoint` and so on: `struct mount` since 3.3 (commit 7d6fec45a5131), before
 * `struct vfsmount` itself. Reads no memory.
 * @throws nothing
 */
export function mountType(program: Program): 'struct mount' | 'struct vfsmount' {
  return program.tryField('struct mount', 'mnt_parent') === undefined ? 'struct vfsmount' : 'struct mount';
}

/**
 * The mount around what the rest of the kernel sees of it.
 * @param vfsmount - `struct vfsmount *`
 * @returns `struct mount *`; before 3.3 the same address
 * @throws LookupError
 */
export function mountOfVfsmount(program: Program, vfsmount: VirtAddr): VirtAddr {
  return program.tryField('struct mount', 'mnt')?.container(vfsmount) ?? vfsmount;
}

/**
 * What the rest of the kernel sees of a mount.
 * @param mount - `struct mount *`
 * @returns `struct vfsmount *`
 * @throws LookupError
 */
export function vfsmountOfMount(program: Program, mount: VirtAddr): VirtAddr {
  return program.tryField('struct mount', 'mnt')?.address(mount) ?? mount;
}

/**
 * Where a file system is mounted, in every namespace; also internal mounts.
 * @param superBlock - `struct super_block *`
 * @returns `struct mount *` of each
 * @throws FaultError, LookupError (before 3.3 there is no such list), ValidationError when the list is broken
 */
export function* superBlockMounts(program: Program, superBlock: VirtAddr): Generator<VirtAddr> {
  const mounts = program.field('struct super_block', 's_mounts');
  // Since 6.18 a chain of pointers through mnt_next_for_sb.
  const next = program.tryField('struct mount', 'mnt_next_for_sb');
  if (next === undefined) {
    yield* listEntries(program, mounts.address(superBlock), 'struct mount', 'mnt_instance', MAX_MOUNTS);
    return;
  }
  let mount = mounts.pointer(superBlock);
  for (let n = 0; mount !== 0n; mount = next.pointer(mount), n++) {
    if (!isKernel(mount) || !isAligned(mount, 8))
      throw new ValidationError('struct mount', mount, 'is no pointer, on s_mounts');
    if (n >= MAX_MOUNTS) throw new ValidationError('struct super_block', superBlock, 's_mounts does not end');
    yield mount;
  }
}
