/**
 * A sleeper that waits for another process: pipes, AF_UNIX sockets and FUSE, with descriptor tables of the tasks that have the
 * ends open, in the layouts of 6.1.
 *
 *   const world = new Channels();
 *   world.task('server', { 3: world.file('device', 'fuse_dev_operations', ref('dev')) });
 */
import { Sleeper } from './sleepers.ts';
import { ref, type Value } from './image.ts';
import type { Members } from './types.ts';

export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;

export class Channels extends Sleeper {
  readonly #operations = new Set<string>();
  #pids = 200;

  /** @param extra, signal - as those of `Sleeper` */
  constructor(extra: Members = {}, signal: Members = {}) {
    super(extra, signal);
    const { image } = this;
    image.struct('file_operations', { owner: 'void *' });
    image.struct('file', {
      f_op: 'const struct file_operations *',
      f_count: 'atomic_long_t',
      f_flags: 'unsigned int',
      f_pos: 's64',
      f_inode: 'void *',
      private_data: 'void *',
    });
    image.struct('fdtable', { max_fds: 'unsigned int', fd: 'struct file **', open_fds: 'unsigned long *' });
    image.struct('files_struct', { count: 'atomic_t', fdt: 'struct fdtable *' });
  }

  /** An open file; its label. */
  file(label: string, operations: string, data: Value, flags = O_RDWR, count = 1): string {
    const { image } = this;
    if (!this.#operations.has(operations)) image.global(operations, 'struct file_operations');
    this.#operations.add(operations);
    image.place(label, 'struct file', {
      f_op: ref(operations),
      f_count: count,
      f_flags: flags,
      private_data: data,
    });
    return label;
  }

  /** Descriptors 0 and on of a task, each a label of a file. */
  table(task: string, files: readonly string[]): void {
    const { image } = this;
    image.place(`${task} open`, 'unsigned long[1]', [2 ** files.length - 1]);
    image.place(
      `${task} fds`,
      'u64[64]',
      files.map((label) => ref(label)),
    );
    image.place(`${task} fdt`, 'struct fdtable', {
      max_fds: 64,
      fd: ref(`${task} fds`),
      open_fds: ref(`${task} open`),
    });
    image.place(`${task} files`, 'struct files_struct', { count: 1, fdt: ref(`${task} fdt`) });
    image.write(`${task}.files`, ref(`${task} files`));
  }

  /** Another process, asleep, with these files open. */
  process(label: string, files: readonly string[]): void {
    this.tasks.add(label, { pid: this.#pids++, __state: 1 });
    this.table(label, files);
  }

  /** The sleeper stands in this queue, as a `struct wait_queue_entry` on its stack. */
  standsIn(queue: string): void {
    const { image } = this;
    image.function('autoremove_wake_function');
    this.on('wait', 'struct wait_queue_entry', { private: ref('sleeper'), func: ref('autoremove_wake_function') });
    image.list(`${queue}.head`, ['wait.entry']);
  }
}
