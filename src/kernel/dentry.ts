/**
 * Directory entries, `struct dentry` (include/linux/dcache.h): names, and the way up to a root. Walks are bounded and
 * end at entries that are their own parent; a loop through damaged parents ends with ValidationError.
 */
import { isAligned, isKernel, type VirtAddr } from '../base/address.ts';
import { textString } from '../base/bytes.ts';
import { ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';

/** More levels than any real path has: PATH_MAX is 4096 bytes, but a path may grow longer by renaming directories. */
const MAX_DEPTH = 8192;
/** Names of files have at most 255 bytes; those of anonymous files (memfd, sockets) may be somewhat longer. */
const MAX_NAME = 4096;

/**
 * The last component of a path, `struct qstr d_name`; '/' for a root.
 * @param dentry - `struct dentry *`
 * @throws FaultError, LookupError, ValidationError when the name has no plausible length
 */
export function dentryName(program: Program, dentry: VirtAddr): string {
  const length = program.field('struct dentry', 'd_name.len').number(dentry);
  if (length > MAX_NAME) throw new ValidationError('struct dentry', dentry, `its name has ${length} bytes`);
  if (length === 0) return '';
  const name = program.field('struct dentry', 'd_name.name').pointer(dentry);
  return textString(program.memory.readBytes(name, length));
}

/**
 * The inode that an entry names.
 * @param dentry - `struct dentry *`
 * @returns `struct inode *`; undefined for a negative entry
 * @throws FaultError, LookupError
 */
export function dentryInode(program: Program, dentry: VirtAddr): VirtAddr | undefined {
  const inode = program.field('struct dentry', 'd_inode').pointer(dentry);
  return isKernel(inode) ? inode : undefined;
}

/**
 * True when an entry was removed from its directory (d_unlinked): unhashed, and no root.
 * @param dentry - `struct dentry *`
 * @throws FaultError, LookupError
 */
export function isUnlinked(program: Program, dentry: VirtAddr): boolean {
  if (program.field('struct dentry', 'd_parent').pointer(dentry) === dentry) return false;
  return program.field('struct dentry', 'd_hash.pprev').pointer(dentry) === 0n;
}

export interface WayUp {
  /** Names from the top down, without the top's own. */
  readonly names: readonly string[];
  /** `struct dentry *` where the way ended: `stop`, or an entry that is its own parent. */
  readonly top: VirtAddr;
}

/**
 * Climbs from an entry to `stop` or to the root of its file system.
 * @param dentry - `struct dentry *`
 * @param stop - `struct dentry *`, the root of a mount
 * @throws FaultError, LookupError, ValidationError when a parent is no pointer or the way does not end
 */
export function wayUp(program: Program, dentry: VirtAddr, stop?: VirtAddr): WayUp {
  const parent = program.field('struct dentry', 'd_parent');
  const names: string[] = [];
  let at = dentry;
  for (let n = 0; at !== stop; n++) {
    const up = parent.pointer(at);
    if (up === at) break;
    if (!isKernel(up) || !isAligned(up, 8)) throw new ValidationError('struct dentry', at, 'd_parent is no pointer');
    if (n >= MAX_DEPTH) throw new ValidationError('struct dentry', dentry, 'its parents do not end');
    names.push(dentryName(program, at));
    at = up;
  }
  return { names: names.reverse(), top: at };
}

/**
 * The path of an entry inside its file system, from the file system's root: '/' for the root.
 * @param dentry - `struct dentry *`
 * @throws FaultError, LookupError, ValidationError as `wayUp`
 */
export function dentryPath(program: Program, dentry: VirtAddr): string {
  return `/${wayUp(program, dentry).names.join('/')}`;
}
