/**
 * Who has the two ends of a channel open: descriptors of all tasks on pipes, sockets, terminals, the device of FUSE and other
 * files through which processes wait for each other, each found by the `private_data` of its `struct file`. A file may also be held by what has no descriptor (a message in flight,
 * io_uring): its own count of references tells whether all were found. Files of other kinds are not looked at.
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { type DescriptorTables, descriptorTables, readFile } from './files.ts';
import { internetSockets, type InternetSockets } from './socket-ends.ts';
import { nameOfFunction } from './wait-shapes.ts';

/**
 * `fuse_dev_operations` since 2.6.14; `pipefifo_fops` since 3.9, one of three for each way of opening before;
 * `pipeanon_fops` for pipes without a name since 6.15 or so, seen in 7.2.
 */
const CHANNELS: ReadonlySet<string> = new Set([
  'pipefifo_fops',
  'pipeanon_fops',
  'read_pipefifo_fops',
  'write_pipefifo_fops',
  'rdwr_pipefifo_fops',
  'socket_file_ops',
  'fuse_dev_operations',
  'eventfd_fops',
  'fanotify_fops',
  'mqueue_file_operations',
  'seccomp_notify_ops',
  'console_fops',
  'tty_fops',
  'ptmx_fops',
]);
/** Whether a `struct file_operations` of this name is that of a pipe or a fifo. @throws nothing */
export const isPipe = (operations: string): boolean => /^(\w+_)?pipe(fifo|anon)_fops$/.test(operations);

const TERMINALS: ReadonlySet<string> = new Set(['console_fops', 'tty_fops', 'ptmx_fops']);
/** A message queue is its inode. */
const BY_INODE: ReadonlySet<string> = new Set(['mqueue_file_operations']);

/** O_ACCMODE and its values, include/uapi/asm-generic/fcntl.h. */
const ACCESS = 3;
const READ_ONLY = 0;
const WRITE_ONLY = 1;

/** One open file of a channel, and who has a descriptor of it. */
export interface OpenEnd {
  /** `struct file *`. */
  readonly file: VirtAddr;
  /** Symbol of its operations. */
  readonly operations: string;
  /** `void *private_data`: a `struct pipe_inode_info`, `struct socket`, `struct fuse_dev`; of a message queue its `struct inode`. */
  readonly data: VirtAddr;
  readonly reads: boolean;
  readonly writes: boolean;
  /** `struct task_struct *` of each that shares a table with a descriptor of it. */
  readonly tasks: readonly VirtAddr[];
  /** The lowest descriptor. */
  readonly fd: number;
  /** True when no more refer to the file than the descriptors found; undefined when its count cannot be read. */
  readonly complete: boolean | undefined;
}

export interface OpenEnds {
  /** By `private_data`. */
  readonly byData: ReadonlyMap<VirtAddr, readonly OpenEnd[]>;
  /** By `struct file *`. */
  readonly byFile: ReadonlyMap<VirtAddr, OpenEnd>;
  /** False when the table of a task could not be read: it may have any of them. */
  readonly whole: boolean;
  readonly tables: DescriptorTables;
  /** Sockets of IP by their addresses, read when they are first asked for. */
  readonly internet: () => InternetSockets;
  /** Terminals by their `struct tty_struct *`, likewise. */
  readonly terminals: () => ReadonlyMap<VirtAddr, readonly OpenEnd[]>;
}

/**
 * All of them.
 * @param tasks - `struct task_struct *` of all tasks, or their tables read before
 * @throws LookupError for a layout that is not known
 */
export function openEnds(program: Program, tasks: readonly VirtAddr[] | DescriptorTables): OpenEnds {
  const tables = 'tables' in tasks ? tasks : descriptorTables(program, tasks);
  const operations = program.field('struct file', 'f_op');
  const names = new Map<VirtAddr, string | undefined>();
  const found = new Map<VirtAddr, { readonly fd: number; readonly tasks: Set<VirtAddr>; descriptors: number }>();
  const others = new Set<VirtAddr>();
  for (const table of tables.tables) {
    for (const { fd, file } of table.descriptors) {
      if (others.has(file)) continue;
      const known = found.get(file);
      if (known !== undefined) {
        for (const task of table.tasks) known.tasks.add(task);
        known.descriptors++;
        continue;
      }
      const at = attempt(() => operations.pointer(file));
      if (at !== undefined && !names.has(at)) names.set(at, nameOfFunction(program, at));
      const name = at === undefined ? undefined : names.get(at);
      if (name !== undefined && CHANNELS.has(name))
        found.set(file, { fd, tasks: new Set(table.tasks), descriptors: 1 });
      else others.add(file);
    }
  }
  const byFile = new Map<VirtAddr, OpenEnd>();
  for (const [file, { fd, tasks: sharers, descriptors }] of found) {
    const end = attempt(() => endOf(program, file, fd, [...sharers], descriptors));
    if (end !== undefined) byFile.set(file, end);
  }
  const whole = tables.unread.length === 0 && tables.tables.every(({ undecodable }) => undecodable.length === 0);
  let sockets: InternetSockets | undefined;
  let ttys: ReadonlyMap<VirtAddr, readonly OpenEnd[]> | undefined;
  return {
    byFile,
    byData: Map.groupBy(byFile.values(), ({ data }) => data),
    whole,
    tables,
    internet: () => (sockets ??= internetSockets(program, byFile.values())),
    terminals: () => (ttys ??= terminalsOf(program, byFile.values())),
  };
}

/** `struct tty_file_private.tty` since 2.6.36 (commit d996b62a8df1). */
function terminalsOf(program: Program, ends: Iterable<OpenEnd>): ReadonlyMap<VirtAddr, readonly OpenEnd[]> {
  const found = new Map<VirtAddr, OpenEnd[]>();
  for (const end of ends) {
    if (!TERMINALS.has(end.operations)) continue;
    const tty = attempt(() => program.field('struct tty_file_private', 'tty').pointer(end.data));
    if (tty !== undefined) found.set(tty, [...(found.get(tty) ?? []), end]);
  }
  return found;
}

function endOf(
  program: Program,
  file: VirtAddr,
  fd: number,
  tasks: readonly VirtAddr[],
  descriptors: number,
): OpenEnd | undefined {
  const { operationsName, privateData, inode, flags, count } = readFile(program, file);
  const data = BY_INODE.has(operationsName ?? '') ? inode : privateData;
  if (operationsName === undefined || data === undefined || !isKernel(data)) return undefined;
  const access = flags & ACCESS;
  return {
    file,
    operations: operationsName,
    data,
    reads: access !== WRITE_ONLY,
    writes: access !== READ_ONLY,
    tasks,
    fd,
    complete: count < BigInt(descriptors) ? undefined : count === BigInt(descriptors),
  };
}
