/**
 * Segments of System V shared memory, ipc/shm.c (`struct shmid_kernel`), of the IPC namespaces that are given: who is
 * attached to each and what it holds. Their files lie on the kernel's own tmpfs, where no listing shows them.
 */
import { add, isKernel, type VirtAddr } from '../base/address.ts';
import { attempt, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { idrEntries } from './idr.ts';

/** IPC_SHM_IDS of ipc/util.h. */
const SHM_IDS = 2;
/** IPCMNI with ipcmni_extend (5.1); 32768 without. */
const MAX_SEGMENTS = 1 << 24;

export interface ShmSegment {
  /** `struct shmid_kernel *`. */
  readonly address: VirtAddr;
  /** As `ipcs -m` shows them. */
  readonly id: number;
  readonly key: number;
  readonly uid: number | undefined;
  /** Mappings of it. */
  readonly attached: number;
  /** Bytes that were asked for. */
  readonly size: number;
  /** Bytes of its pages in memory. */
  readonly bytes: number;
  /** Pid of who made it; undefined when that is gone and cannot be read. */
  readonly creator: number | undefined;
}

/** `struct ipc_namespace *` of some tasks and of the machine, each once. @throws FaultError, LookupError */
export function ipcNamespaces(program: Program, tasks: readonly VirtAddr[]): readonly VirtAddr[] {
  const found = new Set([program.symbol('init_ipc_ns').address]);
  const proxy = program.field('struct task_struct', 'nsproxy');
  const ipc = program.field('struct nsproxy', 'ipc_ns');
  const proxies = new Set(tasks.flatMap((task) => attempt(() => proxy.pointer(task)) ?? []));
  for (const at of proxies) {
    // A task that has ended has none.
    const namespace = isKernel(at) ? attempt(() => ipc.pointer(at)) : undefined;
    if (namespace !== undefined && isKernel(namespace)) found.add(namespace);
  }
  return [...found];
}

/**
 * The segments of a namespace.
 * @param namespace - `struct ipc_namespace *`
 * @throws FaultError, LookupError, ValidationError when the table breaks off; what came before was returned
 */
export function* shmSegments(program: Program, namespace: VirtAddr): Generator<ShmSegment> {
  const field = (path: string) => program.field('struct shmid_kernel', path);
  const ids = program.field('struct ipc_namespace', 'ids').address(namespace);
  const table = add(ids, SHM_IDS * program.sizeOf('struct ipc_ids'));
  const members = {
    // The entries are `struct kern_ipc_perm *`, the first member since 4.13 (commit dba4cdd39e69), in its place before.
    perm: field('shm_perm'),
    id: field('shm_perm.id'),
    key: field('shm_perm.key'),
    uid: program.tryField('struct shmid_kernel', 'shm_perm.uid.val'),
    attached: field('shm_nattch'),
    size: field('shm_segsz'),
    file: field('shm_file'),
    // A `struct pid *` since 4.17 (commit 98f929b1bd4d), a number before.
    creator: program.tryField('struct shmid_kernel', 'shm_cprid'),
  };
  const inode = program.field('struct file', 'f_inode');
  const pages = program.field('struct inode', 'i_data.nrpages');
  let count = 0;
  for (const { value } of idrEntries(program, program.field('struct ipc_ids', 'ipcs_idr').address(table))) {
    if (++count > MAX_SEGMENTS) return;
    const segment = members.perm.container(value);
    const file = members.file.pointer(segment);
    const at = isKernel(file) ? inode.pointer(file) : undefined;
    yield {
      address: segment,
      id: members.id.number(segment),
      key: members.key.number(segment),
      uid: members.uid?.number(segment),
      attached: members.attached.number(segment),
      size: members.size.number(segment),
      bytes: at === undefined ? 0 : pages.number(at) * program.pageSize,
      creator: members.creator === undefined ? undefined : creatorOf(program, members.creator.pointer(segment)),
    };
  }
}

export interface ShmContents {
  /** `struct inode *` of the file on the kernel's own tmpfs, or of hugetlbfs. */
  readonly inode: VirtAddr;
  /** Pages that the segment may have, by its size. */
  readonly allocated: number;
  /** Pages in memory; undefined for a segment of huge pages, which kernels count each in its own way. */
  readonly resident: number | undefined;
  /** Pages in swap, `shmem_inode_info.swapped`; undefined for a segment of huge pages, which is never swapped. */
  readonly swapped: number | undefined;
}

/**
 * What a segment takes.
 * @param segment - `struct shmid_kernel *`
 * @throws FaultError, LookupError, ValidationError when it has no file
 */
export function shmContents(program: Program, segment: VirtAddr): ShmContents {
  const file = program.field('struct shmid_kernel', 'shm_file').pointer(segment);
  const inode = isKernel(file) ? program.field('struct file', 'f_inode').pointer(file) : file;
  if (!isKernel(inode)) throw new ValidationError('struct shmid_kernel', segment, 'has no file');
  // An anonymous segment of huge pages is a file of hugetlbfs, which has no `struct shmem_inode_info` around its inode.
  const operations = program.tryField('struct file', 'f_op')?.pointer(file);
  const isHuge = operations !== undefined && program.symbols.at(operations)?.name.includes('hugetlb') === true;
  const size = program.field('struct shmid_kernel', 'shm_segsz').number(segment);
  return {
    inode,
    allocated: Math.ceil(size / program.pageSize),
    resident: isHuge ? undefined : program.field('struct inode', 'i_data.nrpages').number(inode),
    swapped: isHuge
      ? undefined
      : program
          .field('struct shmem_inode_info', 'swapped')
          .number(program.field('struct shmem_inode_info', 'vfs_inode').container(inode)),
  };
}

/** @param pid - `struct pid *` */
function creatorOf(program: Program, pid: VirtAddr): number | undefined {
  if (!isKernel(pid)) return undefined;
  const number = attempt(() => program.field('struct pid', 'numbers[0].nr').number(pid));
  return number === undefined || number <= 0 ? undefined : number;
}
