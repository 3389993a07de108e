/**
 * What a wait queue or a completion belongs to: an open file of the sleeper itself (pipe, epoll, eventfd, terminal,
 * socket), a variable of the kernel or a module, or at least the slab cache whose object it lies in.
 */
import { type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { descriptorTable, readFile } from './files.ts';
import { slabObjectAt } from './slab.ts';
import { offsetWithin } from './wait-shapes.ts';
import type { WaitEdge } from './wait-edges.ts';
import type { WaitKind } from './wait-kinds.ts';

const GROUP = 'struct fsnotify_group';

/** The `private_data` of an open file, by the symbol of its operations. */
const FILE_OBJECTS: {
  readonly [operations: string]: {
    readonly type: string;
    readonly kind: WaitKind;
    readonly edge: WaitEdge;
    readonly what: string;
  };
} = {
  pipefifo_fops: { type: 'struct pipe_inode_info', kind: 'pipe', edge: 'pipe', what: 'the pipe' },
  pipeanon_fops: { type: 'struct pipe_inode_info', kind: 'pipe', edge: 'pipe', what: 'the pipe' },
  eventpoll_fops: { type: 'struct eventpoll', kind: 'events', edge: 'epoll', what: 'events of the epoll instance' },
  eventfd_fops: { type: 'struct eventfd_ctx', kind: 'events', edge: 'eventfd', what: 'the eventfd' },
  timerfd_fops: { type: 'struct timerfd_ctx', kind: 'timer', edge: 'timerfd', what: 'the timerfd' },
  inotify_fops: { type: GROUP, kind: 'events', edge: 'inotify, fanotify', what: 'events of the inotify instance' },
  fanotify_fops: { type: GROUP, kind: 'events', edge: 'inotify, fanotify', what: 'events of the fanotify instance' },
  userfaultfd_fops: {
    type: 'struct userfaultfd_ctx',
    kind: 'events',
    edge: 'user fault',
    what: 'events of the userfaultfd',
  },
  io_uring_fops: { type: 'struct io_ring_ctx', kind: 'events', edge: 'io_uring', what: 'completions of the io_uring' },
  socket_file_ops: { type: 'struct socket', kind: 'socket', edge: 'other socket', what: 'the socket' },
};

/** That of the masters of pseudoterminals is a copy with an open(2) of its own. */
const TERMINALS: ReadonlySet<string> = new Set(['tty_fops', 'ptmx_fops', 'console_fops', 'hung_up_tty_fops']);

export interface QueueOwner {
  readonly kind: WaitKind;
  readonly edge: WaitEdge;
  readonly address: VirtAddr;
  readonly ctype: string;
  /** 'the pipe that is its descriptor 4,', 'the global'. */
  readonly what: string;
  /** Belongs behind it: 'pipe:[4711]', 'oom_reaper_wait'. */
  readonly name: string | undefined;
}

/**
 * The open file of a task around a wait queue.
 * @param task - `struct task_struct *`
 * @param queue - `struct wait_queue_head *`
 * @returns undefined when it lies in none of those that are known
 * @throws nothing for what the dump holds
 */
export function fileAround(program: Program, task: VirtAddr, queue: VirtAddr): QueueOwner | undefined {
  const table = attempt(() => descriptorTable(program, task));
  for (const { fd, file } of table?.descriptors ?? []) {
    const { operationsName, privateData, path } = attempt(() => readFile(program, file)) ?? {};
    if (operationsName === undefined || privateData === undefined) continue;
    const which = `that is its descriptor ${fd}`;
    const spelled = (what: string): Pick<QueueOwner, 'what' | 'name'> =>
      path === undefined
        ? { what: `${what} ${which}`, name: undefined }
        : { what: `${what} ${which},`, name: path.text };
    const known = FILE_OBJECTS[operationsName];
    if (known !== undefined && isInside(program, privateData, known.type, queue))
      return { kind: known.kind, edge: known.edge, address: privateData, ctype: known.type, ...spelled(known.what) };
    const other = attempt(() => socketOrTerminal(program, operationsName, privateData, queue));
    if (other !== undefined) return { ...other, ...spelled(other.what) };
  }
  return undefined;
}

/** Objects one step behind `private_data`: `struct socket.sk`, and `struct tty_file_private.tty` (since 2.6.36). */
function socketOrTerminal(
  program: Program,
  operations: string,
  data: VirtAddr,
  queue: VirtAddr,
): Omit<QueueOwner, 'name'> | undefined {
  if (operations === 'socket_file_ops') {
    const address = program.field('struct socket', 'sk').pointer(data);
    const ctype = 'struct sock';
    return isInside(program, address, ctype, queue)
      ? { kind: 'socket', edge: 'other socket', address, ctype, what: 'the lock of the socket' }
      : undefined;
  }
  if (!TERMINALS.has(operations)) return undefined;
  const address = program.field('struct tty_file_private', 'tty').pointer(data);
  const ctype = 'struct tty_struct';
  return isInside(program, address, ctype, queue)
    ? { kind: 'terminal', edge: 'terminal', address, ctype, what: 'the terminal' }
    : undefined;
}

function isInside(program: Program, start: VirtAddr, type: string, at: VirtAddr): boolean {
  const size = attempt(() => program.sizeOf(type));
  return size !== undefined && offsetWithin(start, size, at) !== undefined;
}

/**
 * What kernel memory a `void *` is in: 'the global rcu_state+16', 'a kmalloc-256 object'.
 * @returns undefined when neither a symbol nor a slab cache covers it
 * @throws nothing for what the dump holds
 */
export function placeOf(program: Program, at: VirtAddr): { readonly what: string; readonly name: string } | undefined {
  const symbol = attempt(() => program.symbols.at(at));
  if (symbol !== undefined && !program.isText(at)) {
    const spelled = symbol.offset === 0 ? symbol.name : `${symbol.name}+${symbol.offset}`;
    return { what: symbol.module === undefined ? 'the global' : `module ${symbol.module}, named`, name: spelled };
  }
  const object = attempt(() => slabObjectAt(program, at));
  return object === undefined ? undefined : { what: 'an object of the slab cache', name: object.cacheName };
}
