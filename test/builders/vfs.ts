/**
 * A small world of files in a KernelImage, in the layouts of several eras: an ext4 root file system, a tmpfs mounted on
 * /srv/data, the same tmpfs bound to a directory of another namespace, and an unmounted mount of it.
 *
 *   const { image } = new Vfs('6.1');                    // declares the types, places the objects
 *   image.address('report_inode');                       // the inode of /srv/data/report
 *   image.write('report_dentry.d_parent', ref('...'));   // damage
 *
 * Labels: super blocks `root_sb`, `data_sb`; mounts `root_mount`, `data_mount`, `bound_mount`, `old_mount`; namespaces
 * `ns`, `other_ns`; for each entry `X_dentry` and, unless negative, `X_inode`: root, srv, data (the mountpoint),
 * data_root, report, gone (removed), ghost (negative).
 */
import { KernelImage, type Ref, ref, struct, union, type Value } from './image.ts';
import type { Members } from './types.ts';

/**
 * `2.6.32`: no struct mount, list_head aliases; `3.10`: struct mount, hlist aliases, i_mutex; `6.1`: d_u.d_alias, i_rwsem;
 * `6.12`: mounts in a tree; `6.19`: s_mounts a chain, file_ref_t.
 */
export type VfsEra = '2.6.32' | '3.10' | '6.1' | '6.12' | '6.19';
export const VFS_ERAS: readonly VfsEra[] = ['2.6.32', '3.10', '6.1', '6.12', '6.19'];

const at = (era: VfsEra, since: VfsEra): boolean => VFS_ERAS.indexOf(era) >= VFS_ERAS.indexOf(since);

function declareVfs(image: KernelImage, era: VfsEra, task: Members): void {
  const since = (first: VfsEra): boolean => at(era, first);
  const alias = since('3.10') ? 'struct hlist_node' : 'struct list_head';
  image.struct('rb_root', { rb_node: 'struct rb_node *' });
  image.struct('rb_node', {
    __rb_parent_color: 'unsigned long',
    rb_right: 'struct rb_node *',
    rb_left: 'struct rb_node *',
  });
  // The layouts of today since 5.3 and 4.10.
  const queue: Members = { wait_lock: 'raw_spinlock_t', wait_list: 'struct list_head' };
  image.struct(
    'rw_semaphore',
    since('6.1') ? { count: 'atomic_long_t', owner: 'atomic_long_t', ...queue } : { count: 'long', ...queue },
  );
  image.struct(
    'mutex',
    since('6.1')
      ? { owner: 'atomic_long_t', ...queue }
      : { count: 'atomic_t', ...queue, owner: 'struct task_struct *' },
  );
  image.struct('file_system_type', { name: 'const char *' });
  image.struct('percpu_rw_semaphore', { read_count: 'unsigned int *', block: 'atomic_t' });
  image.struct('super_block', {
    s_list: 'struct list_head',
    s_type: 'struct file_system_type *',
    s_subtype: 'const char *',
    s_umount: 'struct rw_semaphore',
    s_root: 'struct dentry *',
    s_id: 'char[32]',
    s_inodes: 'struct list_head',
    ...(since('6.1') ? { s_writers: struct({ frozen: 'int', rw_sem: 'struct percpu_rw_semaphore[3]' }) } : {}),
    ...(since('6.19')
      ? { s_mounts: 'struct mount *' }
      : since('3.10')
        ? { s_mounts: 'struct list_head' }
        : ({} as Members)),
  });
  image.struct('qstr', { hash: 'u32', len: 'u32', name: 'const unsigned char *' });
  image.struct('dentry_operations', { d_hash: 'void *', d_dname: 'void *' });
  image.struct('dentry', {
    d_flags: 'unsigned int',
    d_hash: struct({ next: 'void *', pprev: 'void **' }),
    d_parent: 'struct dentry *',
    d_name: 'struct qstr',
    d_inode: 'struct inode *',
    d_op: 'const struct dentry_operations *',
    d_sb: 'struct super_block *',
    ...(since('6.1') ? { d_u: union({ d_alias: alias, d_rcu: 'void *[2]' }) } : { d_alias: alias }),
  });
  image.struct('address_space', { host: 'struct inode *', nrpages: 'unsigned long' });
  image.struct('inode', {
    i_mode: 'unsigned short',
    i_sb: 'struct super_block *',
    i_ino: 'unsigned long',
    $1: union({ i_nlink: 'const unsigned int', __i_nlink: 'unsigned int' }),
    ...(since('6.1') ? { i_rwsem: 'struct rw_semaphore' } : { i_mutex: 'struct mutex' }),
    i_dentry: since('3.10') ? 'struct hlist_head' : 'struct list_head',
    i_data: 'struct address_space',
    i_sb_list: 'struct list_head',
    i_private: 'void *',
  });
  image.struct('mnt_namespace', {
    count: 'atomic_t',
    root: 'void *',
    ...(since('6.12')
      ? { mounts: 'struct rb_root', nr_mounts: 'unsigned int' }
      : { list: 'struct list_head', mounts: 'unsigned int' }),
  });
  const tree: Members = {
    mnt_devname: 'const char *',
    mnt_ns: 'struct mnt_namespace *',
    ...(since('6.12') ? { mnt_node: 'struct rb_node' } : { mnt_list: 'struct list_head' }),
  };
  const seen: Members = { mnt_root: 'struct dentry *', mnt_sb: 'struct super_block *', mnt_flags: 'int' };
  if (since('3.10')) {
    image.struct('vfsmount', seen);
    image.struct('mount', {
      mnt_hash: 'struct list_head',
      mnt_parent: 'struct mount *',
      mnt_mountpoint: 'struct dentry *',
      mnt: 'struct vfsmount',
      ...(since('6.19') ? { mnt_next_for_sb: 'struct mount *' } : { mnt_instance: 'struct list_head' }),
      ...tree,
    });
  } else {
    image.struct('vfsmount', {
      mnt_hash: 'struct list_head',
      mnt_parent: 'struct vfsmount *',
      mnt_mountpoint: 'struct dentry *',
      ...seen,
      ...tree,
    });
  }
  image.struct('path', { mnt: 'struct vfsmount *', dentry: 'struct dentry *' });
  image.struct('nsproxy', { mnt_ns: 'struct mnt_namespace *' });
  image.struct('task_struct', {
    pid: 'pid_t',
    comm: 'char[16]',
    stack: 'void *',
    mm: 'struct mm_struct *',
    fs: 'struct fs_struct *',
    files: 'struct files_struct *',
    nsproxy: 'struct nsproxy *',
    ...task,
  });
}

export class Vfs {
  readonly image = new KernelImage();
  readonly era: VfsEra;

  /**
   * @param task - further members of task_struct, for tests of more than files
   * @param declare - the types that these need
   */
  constructor(era: VfsEra, task: Members = {}, declare: (image: KernelImage) => void = () => {}) {
    this.era = era;
    declareVfs(this.image, era, task);
    declare(this.image);
    this.#fileSystems();
    this.#entries();
    this.#mounts();
    this.image.place('nsproxy', 'struct nsproxy', { mnt_ns: ref('ns') });
    this.image.global('init_task', 'struct task_struct', { nsproxy: ref('nsproxy'), comm: 'swapper/0' });
  }

  /** What other structures point to: `mnt` inside struct mount, or the mount itself. */
  vfsmount(mount: string): Ref {
    return ref(this.#vfsmount(mount));
  }

  #vfsmount(mount: string): string {
    return this.era === '2.6.32' ? mount : `${mount}.mnt`;
  }

  /** An entry and its inode; `mode` 0 makes a negative entry, no parent a root. */
  entry(
    label: string,
    entry: { readonly name: string; readonly parent?: string; readonly sb: string; readonly mode: number },
  ): void {
    const { image, era } = this;
    image.place(`${label}_dentry`, 'struct dentry', {
      'd_hash.pprev': ref(`${entry.sb}.s_id`),
      d_parent: ref(`${entry.parent ?? label}_dentry`),
      'd_name.len': Buffer.byteLength(entry.name),
      'd_name.name': entry.name,
      d_sb: ref(entry.sb),
      d_inode: entry.mode === 0 ? 0 : ref(`${label}_inode`),
    });
    if (entry.mode === 0) return;
    image.place(`${label}_inode`, 'struct inode', {
      i_mode: entry.mode,
      i_sb: ref(entry.sb),
      i_ino: 17,
      i_nlink: 1,
      'i_data.host': ref(`${label}_inode`),
    });
    const alias = `${label}_dentry.${at(era, '6.1') ? 'd_u.d_alias' : 'd_alias'}`;
    if (era === '2.6.32') image.list(`${label}_inode.i_dentry`, [alias]);
    else image.hlist(`${label}_inode.i_dentry`, [alias]);
  }

  #fileSystems(): void {
    const { image } = this;
    image.place('ext4_type', 'struct file_system_type', { name: 'ext4' });
    image.place('tmpfs_type', 'struct file_system_type', { name: 'tmpfs' });
    image.global('super_blocks', 'struct list_head');
    image.place('root_sb', 'struct super_block', {
      s_type: ref('ext4_type'),
      s_root: ref('root_dentry'),
      s_id: 'vda1',
    });
    image.place('data_sb', 'struct super_block', { s_type: ref('tmpfs_type'), s_root: ref('data_root_dentry') });
    image.list('super_blocks', ['root_sb.s_list', 'data_sb.s_list']);
  }

  #entries(): void {
    this.entry('root', { name: '/', sb: 'root_sb', mode: 0o40755 });
    this.entry('srv', { name: 'srv', parent: 'root', sb: 'root_sb', mode: 0o40755 });
    this.entry('data', { name: 'data', parent: 'srv', sb: 'root_sb', mode: 0o40755 });
    this.entry('data_root', { name: '/', sb: 'data_sb', mode: 0o41777 });
    this.entry('report', { name: 'report', parent: 'data_root', sb: 'data_sb', mode: 0o100644 });
    this.entry('gone', { name: 'gone', parent: 'data_root', sb: 'data_sb', mode: 0o100644 });
    this.entry('ghost', { name: 'ghost', parent: 'data_root', sb: 'data_sb', mode: 0 });
    this.image.write('gone_dentry.d_hash.pprev', 0);
    this.image.write('gone_inode.i_nlink', 0);
    this.image.list('root_sb.s_inodes', ['root_inode.i_sb_list', 'srv_inode.i_sb_list', 'data_inode.i_sb_list']);
    this.image.list('data_sb.s_inodes', [
      'data_root_inode.i_sb_list',
      'report_inode.i_sb_list',
      'gone_inode.i_sb_list',
    ]);
  }

  #mounts(): void {
    const { image } = this;
    image.place('ns', 'struct mnt_namespace');
    image.place('other_ns', 'struct mnt_namespace');
    this.#mount('root_mount', { mnt_devname: '/dev/vda1', mnt_ns: ref('ns') }, 'root');
    this.#mount('data_mount', { mnt_devname: 'scratch', mnt_ns: ref('ns') }, 'data_root');
    image.write('data_mount.mnt_parent', ref('root_mount'));
    image.write('data_mount.mnt_mountpoint', ref('data_dentry'));
    this.#mount('bound_mount', { mnt_ns: ref('other_ns') }, 'data_root');
    this.#mount('old_mount', {}, 'data_root');
    this.#linkNamespaces();
    this.#linkSuperBlocks();
  }

  /** A mount that is its own parent, of the file system of entry `root`. */
  #mount(label: string, members: { readonly [path: string]: Value }, root: string): void {
    const { image } = this;
    image.place(label, this.era === '2.6.32' ? 'struct vfsmount' : 'struct mount', {
      ...members,
      mnt_parent: ref(label),
      mnt_mountpoint: ref(`${root}_dentry`),
    });
    image.write(`${this.#vfsmount(label)}.mnt_root`, ref(`${root}_dentry`));
    image.write(`${this.#vfsmount(label)}.mnt_sb`, ref(root === 'root' ? 'root_sb' : 'data_sb'));
  }

  #linkNamespaces(): void {
    const { image } = this;
    if (at(this.era, '6.12')) {
      image.write('ns.mounts.rb_node', ref('root_mount.mnt_node'));
      image.write('root_mount.mnt_node.__rb_parent_color', 1);
      image.write('root_mount.mnt_node.rb_right', ref('data_mount.mnt_node'));
      image.write('data_mount.mnt_node.__rb_parent_color', ref('root_mount.mnt_node'));
    } else {
      image.write('ns.mounts', 2);
      image.list('ns.list', ['root_mount.mnt_list', 'data_mount.mnt_list']);
      image.list('other_ns.list', ['bound_mount.mnt_list']);
    }
  }

  /** The list of the tmpfs begins with the mounts that a careless reader would take. */
  #linkSuperBlocks(): void {
    const { image } = this;
    if (this.era === '6.19') {
      image.write('root_sb.s_mounts', ref('root_mount'));
      image.write('data_sb.s_mounts', ref('old_mount'));
      image.write('old_mount.mnt_next_for_sb', ref('bound_mount'));
      image.write('bound_mount.mnt_next_for_sb', ref('data_mount'));
    } else if (this.era !== '2.6.32') {
      image.list('root_sb.s_mounts', ['root_mount.mnt_instance']);
      image.list('data_sb.s_mounts', ['old_mount.mnt_instance', 'bound_mount.mnt_instance', 'data_mount.mnt_instance']);
    }
  }
}
