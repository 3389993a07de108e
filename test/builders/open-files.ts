/**
 * Open files of tasks in the world of vfs.ts, in the layouts of that world's era.
 *
 *   const vfs = new Vfs('6.1');
 *   const files = new OpenFilesBuilder(vfs);
 *   files.file('log', { entry: 'report', count: 2 });    // labels: log; its operations are a symbol
 *   files.table('ps', { 0: 'log', 5: 'log', 7: 0 });     // labels: ps (task), ps_files, ps_fdt, ps_fd; 7 is reserved
 *   files.descriptors('ps', { 0: 'log' });               // the same without the task
 */
import { ref, struct, type Value } from './image.ts';
import type { Members } from './types.ts';
import type { Vfs } from './vfs.ts';

export class OpenFilesBuilder {
  readonly #vfs: Vfs;
  readonly #operations = new Set<string>();

  constructor(vfs: Vfs) {
    this.#vfs = vfs;
    const { image, era } = vfs;
    const counted: Members = era === '6.19' ? { f_ref: 'file_ref_t' } : { f_count: 'atomic_long_t' };
    image.typedef('file_ref_t', struct({ refcnt: 'atomic64_t' }));
    image.struct('file', {
      f_path: 'struct path',
      ...(era === '2.6.32' ? {} : { f_inode: 'struct inode *' }),
      f_op: 'const struct file_operations *',
      ...counted,
      f_flags: 'unsigned int',
      f_pos: 's64',
      private_data: 'void *',
    });
    image.struct('file_operations', { owner: 'void *', read: 'void *' });
    image.struct('fdtable', { max_fds: 'unsigned int', fd: 'struct file **', open_fds: 'unsigned long *' });
    image.struct('files_struct', { count: 'atomic_t', fdt: 'struct fdtable *', fdtab: 'struct fdtable' });
    image.struct('fs_struct', { users: 'int', root: 'struct path', pwd: 'struct path' });
  }

  /** An open file of an entry, by default through `data_mount`. */
  file(
    label: string,
    file: {
      readonly entry: string;
      readonly count: number;
      readonly mount?: string;
      readonly operations?: string;
      readonly private?: Value;
    },
  ): void {
    const { image, era } = this.#vfs;
    const operations = file.operations ?? 'shmem_file_operations';
    if (!this.#operations.has(operations)) image.global(operations, 'struct file_operations');
    this.#operations.add(operations);
    image.place(label, 'struct file', {
      'f_path.mnt': this.#vfs.vfsmount(file.mount ?? 'data_mount'),
      'f_path.dentry': ref(`${file.entry}_dentry`),
      ...(era === '2.6.32' ? {} : { f_inode: ref(`${file.entry}_inode`) }),
      f_op: ref(operations),
      ...(era === '6.19' ? { 'f_ref.refcnt.counter': file.count - 1 } : { f_count: file.count }),
      f_flags: 0o100002,
      f_pos: 7,
      private_data: file.private ?? 0,
    });
  }

  /** A task and its table: label of a file by descriptor; 0 reserves the descriptor. */
  table(task: string, descriptors: { readonly [fd: number]: string | 0 }, maxFds = 64): void {
    this.descriptors(task, descriptors, maxFds);
    this.#vfs.image.place(task, 'struct task_struct', { files: ref(`${task}_files`), comm: task });
  }

  /** A table for a task that is placed elsewhere. */
  descriptors(task: string, descriptors: { readonly [fd: number]: string | 0 }, maxFds = 64): void {
    const { image } = this.#vfs;
    let bits = 0n;
    for (const fd of Object.keys(descriptors)) bits |= 1n << BigInt(fd);
    const words = Math.ceil(maxFds / 64);
    image.place(
      `${task}_open`,
      `unsigned long[${words}]`,
      Array.from({ length: words }, (_, i) => BigInt.asUintN(64, bits >> BigInt(64 * i))),
    );
    image.place(`${task}_fd`, `struct file *[${maxFds}]`);
    for (const [fd, file] of Object.entries(descriptors)) {
      if (file !== 0) image.write(`${task}_fd[${fd}]`, ref(file));
    }
    image.place(`${task}_fdt`, 'struct fdtable', {
      max_fds: maxFds,
      fd: ref(`${task}_fd`),
      open_fds: ref(`${task}_open`),
    });
    image.place(`${task}_files`, 'struct files_struct', { count: 1, fdt: ref(`${task}_fdt`) });
  }
}
