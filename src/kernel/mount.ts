/**
 * The mounts of a mount namespace (fs/mount.h), what /proc/mounts shows.
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt, isDataError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { strip } from '../program/types.ts';
import { listEntries } from './list.ts';
import { namespaceOfMount, pathOf } from './path.ts';
import { rbNodes } from './rbtree.ts';
import { fsTypeName, mountType, superBlockMounts, vfsmountOfMount } from './super-block.ts';

/** Far more than sysctl fs.mount-max, 100,000 by default, allows. */
const MAX_MOUNTS = 1 << 20;

export interface Mount {
  /** `struct mount *`. */
  readonly mount: VirtAddr;
  /** `struct super_block *`. */
  readonly superBlock: VirtAddr;
  /** What was mounted, `mnt_devname`: '/dev/vda1', 'tmpfs'; undefined when it has no name. */
  readonly device: string | undefined;
  /** 'ext4', 'fuse.sshfs'. */
  readonly fsType: string;
  /** Where it is mounted. */
  readonly directory: string;
}

export interface MountList {
  /** In the kernel's order. */
  readonly mounts: readonly Mount[];
  /** What could not be read, one line each. */
  readonly problems: readonly string[];
}

/**
 * The mount namespace of the kernel's first task: that of the host, not of a container.
 * @returns `struct mnt_namespace *`
 * @throws FaultError, LookupError
 */
export function initMountNamespace(program: Program): VirtAddr {
  const nsproxy = program.field('struct task_struct', 'nsproxy').pointer(program.symbol('init_task').address);
  return program.field('struct nsproxy', 'mnt_ns').pointer(nsproxy);
}

/**
 * The mount namespace that a task sees.
 * @param task - `struct task_struct *`
 * @returns `struct mnt_namespace *`; undefined for an exited task
 * @throws FaultError, LookupError
 */
export function taskMountNamespace(program: Program, task: VirtAddr): VirtAddr | undefined {
  const nsproxy = program.field('struct task_struct', 'nsproxy').pointer(task);
  return isKernel(nsproxy) ? program.field('struct nsproxy', 'mnt_ns').pointer(nsproxy) : undefined;
}

/**
 * Addresses of the mounts of a namespace, without the cursors that readers of /proc/mounts leave on the list (5.8-6.7).
 * @param namespace - `struct mnt_namespace *`
 * @returns `struct mount *` of each
 * @throws FaultError, LookupError, ValidationError when the list or tree is broken
 */
export function* mountAddresses(program: Program, namespace: VirtAddr): Generator<VirtAddr> {
  const type = mountType(program);
  const superBlock = program.field('struct vfsmount', 'mnt_sb');
  for (const mount of rawMounts(program, type, namespace)) {
    // MNT_CURSOR (commit 9f6c61f96f2d) has no super block.
    if (superBlock.pointer(vfsmountOfMount(program, mount)) !== 0n) yield mount;
  }
}

function* rawMounts(program: Program, type: string, namespace: VirtAddr): Generator<VirtAddr> {
  // Since 6.8 a tree `mounts` (commit 2eea9ce4310d); before, a list beside a counter of that name.
  const tree = program.tryField('struct mnt_namespace', 'mounts');
  if (tree !== undefined && strip(tree.type).kind === 'struct') {
    const node = program.field(type, 'mnt_node');
    for (const at of rbNodes(program, tree.address(namespace), MAX_MOUNTS)) yield node.container(at);
    return;
  }
  const head = program.field('struct mnt_namespace', 'list').address(namespace);
  yield* listEntries(program, head, type, 'mnt_list', MAX_MOUNTS);
}

/**
 * The mounts of a namespace. A mount that cannot be read is told and passed over.
 * @param namespace - `struct mnt_namespace *`
 * @throws FaultError, LookupError when the namespace itself or its layout is not known
 */
export function mountsOf(program: Program, namespace: VirtAddr = initMountNamespace(program)): MountList {
  const mounts: Mount[] = [];
  const problems: string[] = [];
  const tell = (error: unknown): void => {
    if (!isDataError(error)) throw error;
    problems.push(error.message);
  };
  try {
    for (const mount of mountAddresses(program, namespace)) {
      try {
        mounts.push(readMount(program, mount));
      } catch (error) {
        tell(error);
      }
    }
  } catch (error) {
    tell(error);
  }
  return { mounts, problems };
}

/**
 * One mount.
 * @param mount - `struct mount *`
 * @throws FaultError, LookupError, ValidationError
 */
export function readMount(program: Program, mount: VirtAddr): Mount {
  const vfsmount = vfsmountOfMount(program, mount);
  const superBlock = program.field('struct vfsmount', 'mnt_sb').pointer(vfsmount);
  const root = program.field('struct vfsmount', 'mnt_root').pointer(vfsmount);
  return {
    mount,
    superBlock,
    device: program.field(mountType(program), 'mnt_devname').string(mount, 4096),
    fsType: fsTypeName(program, superBlock),
    directory: pathOf(program, vfsmount, root).text,
  };
}

/**
 * Where a file system is mounted: through its own list of mounts, or, before 3.3, through the namespace's.
 * @param superBlock - `struct super_block *`
 * @param namespace - `struct mnt_namespace *`, the one whose mounts are preferred; undefined when it is not known
 * @returns `struct mount *`, those of the namespace first, then those of others, unmounted ones last; in each of these
 *   groups mounts of the whole file system before bind mounts of a part of it
 * @throws FaultError, LookupError, ValidationError
 */
export function mountsOfSuperBlock(
  program: Program,
  superBlock: VirtAddr,
  namespace: VirtAddr | undefined = attempt(() => initMountNamespace(program)),
): readonly VirtAddr[] {
  const all =
    program.tryField('struct super_block', 's_mounts') === undefined
      ? mountAddresses(program, namespace ?? initMountNamespace(program))
      : superBlockMounts(program, superBlock);
  const sb = program.field('struct vfsmount', 'mnt_sb');
  const rootOf = program.field('struct vfsmount', 'mnt_root');
  const fsRoot = program.field('struct super_block', 's_root').pointer(superBlock);
  const rank = (mount: VirtAddr): number => {
    const of = namespaceOfMount(program, mount);
    const partial = rootOf.pointer(vfsmountOfMount(program, mount)) === fsRoot ? 0 : 1;
    return (of === undefined ? 4 : of === namespace ? 0 : 2) + partial;
  };
  return [...all]
    .filter((mount) => sb.pointer(vfsmountOfMount(program, mount)) === superBlock)
    .map((mount) => ({ mount, rank: rank(mount) }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ mount }) => mount);
}
