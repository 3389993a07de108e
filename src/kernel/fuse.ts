/**
 * FUSE (fs/fuse/fuse_i.h, dev.c): a request that a task waits for, its connection, and which open /dev/fuse has taken it
 * over and not answered. Requests of virtio-fs and of io_uring (since 6.14) go other ways and are not followed.
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Field } from '../program/field.ts';
import type { Program } from '../program/program.ts';
import { listEntries } from './list.ts';
import { mountsOfSuperBlock, readMount } from './mount.ts';
import type { OpenEnd, OpenEnds } from './open-ends.ts';
import { slabObjectAt } from './slab.ts';
import { fsTypeName } from './super-block.ts';
import { offsetWithin } from './wait-shapes.ts';

/** Devices of one connection, and requests on one list. */
const MAX_DEVICES = 1 << 12;
const MAX_REQUESTS = 1 << 16;

/** enum fuse_opcode, include/uapi/linux/fuse.h: part of the protocol, the same in all kernels. */
const OPCODES: readonly (string | undefined)[] = [
  undefined,
  'LOOKUP',
  'FORGET',
  'GETATTR',
  'SETATTR',
  'READLINK',
  'SYMLINK',
  undefined,
  'MKNOD',
  'MKDIR',
  'UNLINK',
  'RMDIR',
  'RENAME',
  'LINK',
  'OPEN',
  'READ',
  'WRITE',
  'STATFS',
  'RELEASE',
  undefined,
  'FSYNC',
  'SETXATTR',
  'GETXATTR',
  'LISTXATTR',
  'REMOVEXATTR',
  'FLUSH',
  'INIT',
  'OPENDIR',
  'READDIR',
  'RELEASEDIR',
  'FSYNCDIR',
  'GETLK',
  'SETLK',
  'SETLKW',
  'ACCESS',
  'CREATE',
  'INTERRUPT',
  'BMAP',
  'DESTROY',
  'IOCTL',
  'POLL',
  'NOTIFY_REPLY',
  'BATCH_FORGET',
  'FALLOCATE',
  'READDIRPLUS',
  'RENAME2',
  'LSEEK',
  'COPY_FILE_RANGE',
  'SETUPMAPPING',
  'REMOVEMAPPING',
  'SYNCFS',
  'TMPFILE',
  'STATX',
];

export interface FuseRequest {
  /** `struct fuse_req *`. */
  readonly request: VirtAddr;
  /** `struct fuse_conn *`. */
  readonly connection: VirtAddr;
  /** What is asked, 'LOOKUP'; undefined for one that is not known. */
  readonly opcode: string | undefined;
  /** `pending`: no server has read it yet; `sent`: one has, and has not answered; `finished`: it is answered. */
  readonly state: 'pending' | 'sent' | 'finished' | 'other';
  /** `struct fuse_dev *` whose server has read it; undefined when it stands on the list of none. */
  readonly device: VirtAddr | undefined;
}

/**
 * The request that a wait queue belongs to.
 * @param queue - `struct wait_queue_head *`, of a task that sleeps on it
 * @returns undefined when it lies in none
 * @throws FaultError, LookupError where this kernel has no FUSE or its types are not known
 */
export function fuseRequestAround(program: Program, queue: VirtAddr): FuseRequest | undefined {
  program.addModuleTypes();
  const field = (path: string) => program.field('struct fuse_req', path);
  const request = field('waitq').container(queue);
  const slab = attempt(() => slabObjectAt(program, request));
  if (slab !== undefined && (slab.cacheName !== 'fuse_request' || slab.start !== request)) return undefined;
  const connection = connectionOf(program, request);
  if (connection === undefined) return undefined;
  const flags = field('flags').u64(request);
  const has = (flag: string): boolean => {
    const bit = program.enumerator(flag);
    return bit !== undefined && (flags & (1n << bit)) !== 0n;
  };
  return {
    request,
    connection,
    opcode: OPCODES[field('in.h.opcode').number(request)],
    state: has('FR_FINISHED') ? 'finished' : has('FR_SENT') ? 'sent' : has('FR_PENDING') ? 'pending' : 'other',
    device: attempt(() => deviceWith(program, connection, request)),
  };
}

/**
 * By its `struct fuse_mount`, since 5.10 (commit fcee216beb9c); before, a request did not say whose it was. 7.2 has a `struct
 * fuse_chan` in between, which has the devices of the connection as well.
 */
function connectionOf(program: Program, request: VirtAddr): VirtAddr | undefined {
  const mount = program.tryField('struct fuse_req', 'fm');
  if (mount === undefined) {
    const channel = program.field('struct fuse_req', 'chan').pointer(request);
    return isKernel(channel) ? pointerTo(program.field('struct fuse_chan', 'conn'), channel) : undefined;
  }
  const at = mount.pointer(request);
  return isKernel(at) ? pointerTo(program.field('struct fuse_mount', 'fc'), at) : undefined;
}

function pointerTo(field: Field, at: VirtAddr): VirtAddr | undefined {
  const found = field.pointer(at);
  return isKernel(found) ? found : undefined;
}

/** `fuse_dev.pq.processing`: an array of lists since 4.20, of requests that were read and not yet answered. */
function deviceWith(program: Program, connection: VirtAddr, request: VirtAddr): VirtAddr | undefined {
  const lists = program.field('struct fuse_dev', 'pq.processing');
  const first = program.field('struct fuse_req', 'list').address(request);
  const next = program.field('struct list_head', 'next');
  const heads = devicesOf(program, connection).map((device) => ({ device, at: lists.pointer(device) }));
  let node = next.pointer(first);
  for (let n = 0; n < MAX_REQUESTS && node !== first && isKernel(node); n++, node = next.pointer(node)) {
    const at = node;
    const found = heads.find(({ at: array }) => offsetWithin(array, HASH_BYTES, at) !== undefined);
    if (found !== undefined) return found.device;
  }
  return undefined;
}

/** FUSE_PQ_HASH_SIZE, 256 lists. */
const HASH_BYTES = 256 * 16;

/** `struct fuse_dev *` of each open /dev/fuse of a connection. */
function devicesOf(program: Program, connection: VirtAddr): readonly VirtAddr[] {
  const devices = program.tryField('struct fuse_conn', 'devices');
  const head =
    devices === undefined
      ? program
          .field('struct fuse_chan', 'devices')
          .address(program.field('struct fuse_conn', 'chan').pointer(connection))
      : devices.address(connection);
  return [...listEntries(program, head, 'struct fuse_dev', 'entry', MAX_DEVICES)];
}

/**
 * The open files through which a `struct fuse_req` can be answered: that of the server that has read it, else all of its
 * connection.
 * @throws FaultError, LookupError
 */
export function fuseServers(program: Program, { connection, device }: FuseRequest, ends: OpenEnds): readonly OpenEnd[] {
  const devices = device === undefined ? devicesOf(program, connection) : [device];
  return devices.flatMap((each) =>
    (ends.byData.get(each) ?? []).filter(({ operations }) => operations === 'fuse_dev_operations'),
  );
}

export interface FuseFileSystem {
  /** `struct super_block *`. */
  readonly superBlock: VirtAddr;
  /** 'fuse.sshfs'. */
  readonly type: string;
  /** Where it is mounted; undefined when it is nowhere or cannot be told. */
  readonly path: string | undefined;
}

/**
 * The file system of a connection.
 * @param connection - `struct fuse_conn *`
 * @returns undefined when it cannot be read
 * @throws nothing for what the dump holds
 */
export function fuseFileSystem(program: Program, connection: VirtAddr): FuseFileSystem | undefined {
  return attempt(() => {
    // `mounts` since 5.10; one connection may have several, of submounts.
    const head = program.field('struct fuse_conn', 'mounts').address(connection);
    for (const mount of listEntries(program, head, 'struct fuse_mount', 'fc_entry', MAX_DEVICES)) {
      const superBlock = program.field('struct fuse_mount', 'sb').pointer(mount);
      if (!isKernel(superBlock)) continue;
      const [first] = attempt(() => mountsOfSuperBlock(program, superBlock)) ?? [];
      const path = first === undefined ? undefined : attempt(() => readMount(program, first).directory);
      return { superBlock, type: fsTypeName(program, superBlock), path };
    }
    return undefined;
  });
}
