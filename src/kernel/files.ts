/**
 * Open files: `struct files_struct`, `struct fdtable` and `struct file` (include/linux/fdtable.h, fs.h), and who holds a
 * file open. A file may also be held by what has no descriptor: a mapping, a message in flight, io_uring, a system call
 * at work; that is why the file's own count stands beside the descriptors found.
 */
import { add, hex, isAligned, isKernel, type VirtAddr } from '../base/address.ts';
import { attempt, isDataError, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { type PathText, pathAt } from './path.ts';

/** Far above sysctl fs.nr_open, 2^20 by default. */
const MAX_FDS = 1 << 24;
const PAGE_SHIFT = 12n;
/** file_ref_t: values from here on mean that the file is gone. */
const FILE_REF_RELEASED = 0xc000000000000000n;

export interface Descriptor {
  readonly fd: number;
  /** `struct file *`. */
  readonly file: VirtAddr;
}

export interface DescriptorTable {
  /** `struct files_struct *`; threads share one. */
  readonly files: VirtAddr;
  /** In ascending order. */
  readonly descriptors: readonly Descriptor[];
  /** Descriptors that are taken but have no file yet: an open(2) that has not returned. */
  readonly reserved: readonly number[];
  /** Descriptors whose pointer cannot be read or is none. */
  readonly undecodable: readonly number[];
}

/**
 * The descriptors of a task.
 * @param task - `struct task_struct *`
 * @returns undefined when it has none: a task that exited
 * @throws FaultError, LookupError, ValidationError when the table has an absurd size
 */
export function descriptorTable(program: Program, task: VirtAddr): DescriptorTable | undefined {
  const files = program.field('struct task_struct', 'files').pointer(task);
  return isKernel(files) ? readTable(program, files) : undefined;
}

function readTable(program: Program, files: VirtAddr): DescriptorTable {
  const fdt = program.field('struct files_struct', 'fdt').pointer(files);
  const maxFds = program.field('struct fdtable', 'max_fds').number(fdt);
  if (maxFds > MAX_FDS) throw new ValidationError('struct fdtable', fdt, `max_fds is ${maxFds}`);
  const array = program.field('struct fdtable', 'fd').pointer(fdt);
  // `fd_set *` until 3.4, `unsigned long *` since (commit 1fd36adcd98c): the same bits.
  const open = program.memory.readBytes(program.field('struct fdtable', 'open_fds').pointer(fdt), (maxFds + 7) >> 3);
  const descriptors: Descriptor[] = [];
  const reserved: number[] = [];
  const undecodable: number[] = [];
  let lost: bigint | undefined;
  for (let fd = 0; fd < maxFds; fd++) {
    if (((open[fd >> 3] ?? 0) & (1 << (fd & 7))) === 0) continue;
    const at = add(array, 8 * fd);
    // A page that cannot be read is asked once: a damaged table may have millions of descriptors.
    const page = at >> PAGE_SHIFT;
    const file = page === lost ? undefined : attempt(() => program.memory.readPointer(at));
    if (file === undefined) lost = page;
    if (file === 0n) reserved.push(fd);
    else if (file === undefined || !isKernel(file) || !isAligned(file, 8)) undecodable.push(fd);
    else descriptors.push({ fd, file });
  }
  return { files, descriptors, reserved, undecodable };
}

export interface File {
  /** `struct file *`. */
  readonly file: VirtAddr;
  /** Undefined when it cannot be followed. */
  readonly path: PathText | undefined;
  /** `struct inode *`. */
  readonly inode: VirtAddr | undefined;
  /** `struct file_operations *`. */
  readonly operations: VirtAddr;
  /** Symbol of the operations, 'userfaultfd_fops'; undefined when they have none. */
  readonly operationsName: string | undefined;
  /** `void *private_data`. */
  readonly privateData: VirtAddr;
  /** O_* flags. */
  readonly flags: number;
  /** Bytes, `loff_t`. */
  readonly position: bigint;
  /** References; a descriptor holds one, and others may. */
  readonly count: bigint;
}

/**
 * One open file.
 * @param file - `struct file *`
 * @throws FaultError, LookupError, ValidationError when it has no operations
 */
export function readFile(program: Program, file: VirtAddr): File {
  const field = (path: string) => program.field('struct file', path);
  const operations = field('f_op').pointer(file);
  if (!isKernel(operations)) throw new ValidationError('struct file', file, `f_op is ${hex(operations)}`);
  return {
    file,
    path: attempt(() => pathAt(program, field('f_path').address(file))),
    inode: attempt(() => fileInode(program, file)),
    operations,
    operationsName: symbolOf(program, operations),
    privateData: field('private_data').pointer(file),
    flags: field('f_flags').number(file),
    position: field('f_pos').value(file),
    count: fileCount(program, file),
  };
}

/**
 * The inode of an open file.
 * @param file - `struct file *`
 * @returns `struct inode *`; undefined when there is none
 * @throws FaultError, LookupError
 */
export function fileInode(program: Program, file: VirtAddr): VirtAddr | undefined {
  // f_inode since 3.9 (commit dd37978c50bc).
  const direct = program.tryField('struct file', 'f_inode');
  const inode =
    direct !== undefined
      ? direct.pointer(file)
      : program.field('struct dentry', 'd_inode').pointer(program.field('struct file', 'f_path.dentry').pointer(file));
  return isKernel(inode) ? inode : undefined;
}

/** References of a `struct file`. */
function fileCount(program: Program, file: VirtAddr): bigint {
  const count = program.tryField('struct file', 'f_count.counter');
  if (count !== undefined) {
    program.layouts.chose('references of files', 'f_count (until 6.12)', ['5.10', '6.1', '6.1-rt', '6.12']);
    return count.value(file);
  }
  program.layouts.chose('references of files', 'file_ref_t (since 6.13)', ['7.2']);
  // file_ref_t since 6.13 (commit 90ee6ed776c0): 0 means one reference.
  const raw = program.field('struct file', 'f_ref.refcnt.counter').u64(file);
  return raw >= FILE_REF_RELEASED ? 0n : raw + 1n;
}

function symbolOf(program: Program, address: VirtAddr): string | undefined {
  const symbol = program.symbols.at(address);
  return symbol?.offset === 0 ? symbol.name : undefined;
}

export interface OpenFile extends File {
  readonly fd: number;
}

export interface OpenFiles extends Omit<DescriptorTable, 'descriptors'> {
  readonly open: readonly OpenFile[];
}

/**
 * The open files of a task. A file that cannot be read counts among the undecodable ones.
 * @param task - `struct task_struct *`
 * @returns undefined when it has no table: a task that exited
 * @throws FaultError, LookupError, ValidationError as `descriptorTable`
 */
export function openFiles(program: Program, task: VirtAddr): OpenFiles | undefined {
  const table = descriptorTable(program, task);
  if (table === undefined) return undefined;
  const open: OpenFile[] = [];
  const undecodable = [...table.undecodable];
  for (const { fd, file } of table.descriptors) {
    const read = attempt(() => readFile(program, file));
    if (read === undefined) undecodable.push(fd);
    else open.push({ fd, ...read });
  }
  undecodable.sort((a, b) => a - b);
  return { files: table.files, reserved: table.reserved, undecodable, open };
}

export interface Directories {
  readonly working: PathText;
  /** '/' unless it was changed by chroot(2). */
  readonly root: PathText;
}

/**
 * Working and root directory of a task, `struct fs_struct`.
 * @param task - `struct task_struct *`
 * @returns undefined when it has none: a task that exited
 * @throws FaultError, LookupError, ValidationError as `pathAt`
 */
export function taskDirectories(program: Program, task: VirtAddr): Directories | undefined {
  const fs = program.field('struct task_struct', 'fs').pointer(task);
  if (!isKernel(fs)) return undefined;
  return {
    working: pathAt(program, program.field('struct fs_struct', 'pwd').address(fs)),
    root: pathAt(program, program.field('struct fs_struct', 'root').address(fs)),
  };
}

/** A table of descriptors and the tasks that share it. */
export interface SharedTable extends DescriptorTable {
  /** `struct task_struct *` of each. */
  readonly tasks: readonly VirtAddr[];
  /**
   * The table's own count of references: each task that shares it has one, and for a moment whoever looks into it;
   * undefined when it cannot be read.
   */
  readonly references: number | undefined;
}

export interface DescriptorTables {
  readonly tables: readonly SharedTable[];
  /** Tasks whose table cannot be read: what they hold is not known. */
  readonly unread: readonly VirtAddr[];
}

/**
 * The descriptor tables of many tasks, each read once.
 * @param tasks - `struct task_struct *` of each
 * @throws LookupError for a layout that is not known
 */
export function descriptorTables(program: Program, tasks: readonly VirtAddr[]): DescriptorTables {
  const filesOf = program.field('struct task_struct', 'files');
  const byFiles = new Map<VirtAddr, VirtAddr[]>();
  const unread: VirtAddr[] = [];
  for (const task of tasks) {
    const files = attempt(() => filesOf.pointer(task));
    if (files === undefined) unread.push(task);
    if (files === undefined || !isKernel(files)) continue;
    const sharers = byFiles.get(files);
    if (sharers === undefined) byFiles.set(files, [task]);
    else sharers.push(task);
  }
  const tables: SharedTable[] = [];
  for (const [files, sharers] of byFiles) {
    try {
      const references = attempt(() => program.field('struct files_struct', 'count.counter').number(files));
      tables.push({ ...readTable(program, files), tasks: sharers, references });
    } catch (error) {
      if (!isDataError(error)) throw error;
      unread.push(...sharers);
    }
  }
  return { tables, unread };
}

export interface FileHolder {
  readonly fd: number;
  /** `struct files_struct *`. */
  readonly files: VirtAddr;
  /** `struct task_struct *` of the tasks that share the table. */
  readonly tasks: readonly VirtAddr[];
  /** As in `SharedTable`: more than `tasks` when others share it, too. */
  readonly references: number | undefined;
}

export interface FileHolders {
  /** `struct file *`. */
  readonly file: VirtAddr;
  readonly holders: readonly FileHolder[];
  /** The file's own count of references; undefined when it cannot be read. */
  readonly count: bigint | undefined;
  /**
   * True when the descriptors found are as many as the references, so that nobody else holds the file; false when there
   * are more references; undefined when the count cannot be read or contradicts what was found.
   */
  readonly complete: boolean | undefined;
  /** Tasks whose table could not be read. */
  readonly unread: readonly VirtAddr[];
}

/**
 * Who holds a file open.
 * @param tasks - `struct task_struct *` of all tasks, or the tables read before
 * @param file - `struct file *`
 * @throws LookupError for a layout that is not known
 */
export function holdersOfFile(
  program: Program,
  tasks: readonly VirtAddr[] | DescriptorTables,
  file: VirtAddr,
): FileHolders {
  const { tables, unread } = 'tables' in tasks ? tasks : descriptorTables(program, tasks);
  const holders: FileHolder[] = [];
  for (const table of tables) {
    for (const descriptor of table.descriptors) {
      if (descriptor.file !== file) continue;
      const { files, tasks: sharers, references } = table;
      holders.push({ fd: descriptor.fd, files, tasks: sharers, references });
    }
  }
  const count = attempt(() => fileCount(program, file));
  const missing = count === undefined ? undefined : count - BigInt(holders.length);
  const complete = missing === undefined || missing < 0n ? undefined : missing === 0n;
  return { file, holders, count, complete, unread };
}
