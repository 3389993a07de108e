/**
 * Waits for another process at the other end: of a pipe, a socket (wait-sockets.ts), a pseudoterminal, an eventfd, of FUSE's
 * /dev/fuse. Who has that end open has to act; one who sleeps with the only descriptor of it cannot.
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { type FuseRequest, fuseFileSystem, fuseRequestAround, fuseServers } from './fuse.ts';
import { readFile } from './files.ts';
import { isPipe, type OpenEnd } from './open-ends.ts';
import { rbEntries } from './rbtree.ts';
import type { FoundWait } from './wait-kinds.ts';
import type { QueueOwner } from './wait-objects.ts';
import { type EndsOfAll, type FoundEnd, others, perhaps, quotedName } from './wait-others.ts';
import type { QueuedEntry, SleeperStack } from './wait-shapes.ts';
import { socketEnd } from './wait-sockets.ts';

/** Pipes have one queue until 5.4, and one for readers and one for writers since 5.5 (commit 0ddad21d3e99). */
const READS_PIPE = /^(pipe_read|anon_pipe_read|pipe_wait_readable)$/;
const WRITES_PIPE = /^(pipe_write|anon_pipe_write|pipe_wait_writable)$/;

/** A wait for the answer to a request of FUSE, by the `struct fuse_req` whose queue the task stands in. @throws FaultError, LookupError */
export function fuseWait(stack: SleeperStack, { queue }: QueuedEntry, ends: EndsOfAll): FoundWait | undefined {
  const { program, frames, task } = stack;
  // Every kind of request waits here; before it is asked what else the queue may be.
  if (queue === undefined || !frames.some(({ func }) => func === 'request_wait_answer')) return undefined;
  const request = fuseRequestAround(program, queue);
  if (request === undefined) return undefined;
  const { connection, opcode, state } = request;
  const of = fuseFileSystem(program, connection);
  const all = ends();
  const servers = attempt(() => fuseServers(program, request, all)) ?? [];
  return {
    kind: 'fuse',
    what: `for an answer of the FUSE server${of?.path === undefined ? '' : ' of'}`,
    detail: `${opcode ?? 'a request'}${STATES[state]}${isOwn(servers, task) ? '; it is that server itself' : ''}`,
    name: of?.path,
    object: { address: connection, ctype: 'struct fuse_conn' },
    proof: 'structure',
    ...(state === 'finished' ? {} : others(servers, task, all, whyServer(request))),
  };
}

const isOwn = (servers: readonly OpenEnd[], task: VirtAddr): boolean =>
  servers.some(({ tasks }) => tasks.includes(task));

const STATES: { readonly [S in FuseRequest['state']]: string } = {
  pending: ', which no server has read yet',
  sent: ', which the server has read',
  finished: ', which is answered',
  other: '',
};

const whyServer = ({ state }: FuseRequest): string =>
  state === 'sent' ? 'it has the /dev/fuse open that has read the request' : 'it has /dev/fuse of this connection open';

/**
 * Who has the other end of what a task waits for.
 * @param owner - the object around the queue that the task stands in, such as a `struct pipe_inode_info`
 * @returns nothing where anybody might end the wait
 * @throws nothing for what the dump holds
 */
export function otherEnd(
  stack: SleeperStack,
  entry: Pick<QueuedEntry, 'queue'>,
  owner: Pick<QueueOwner, 'kind' | 'address' | 'ctype'>,
  ends: EndsOfAll,
): FoundEnd {
  return attempt(() => endOf(stack, entry, owner, ends)) ?? {};
}

function endOf(
  stack: SleeperStack,
  entry: Pick<QueuedEntry, 'queue'>,
  { ctype, address }: Pick<QueueOwner, 'address' | 'ctype'>,
  ends: EndsOfAll,
): FoundEnd | undefined {
  switch (ctype) {
    case 'struct pipe_inode_info':
      return pipeEnd(stack, entry, address, ends);
    case 'struct socket':
      return socketEnd(stack, address, ends);
    case 'struct tty_struct':
      return terminalEnd(stack, address, ends);
    case 'struct eventfd_ctx': {
      const all = ends();
      // A driver may count on it as well, which no descriptor tells.
      return perhaps(others(all.byData.get(address) ?? [], stack.task, all, 'it has the eventfd open as well'));
    }
    case 'struct eventpoll':
      return watchedEnd(stack, address, ends);
    default:
      return undefined;
  }
}

/** Whatever types into a terminal that is no pseudoterminal is no process. */
function terminalEnd({ program, task }: SleeperStack, tty: VirtAddr, ends: EndsOfAll): FoundEnd | undefined {
  const link = program.field('struct tty_struct', 'link').pointer(tty);
  if (!isKernel(link) || program.field('struct tty_struct', 'link').pointer(link) !== tty) return undefined;
  const all = ends();
  return others(all.terminals().get(link) ?? [], task, all, 'it has the other side of the pseudoterminal open');
}

/** Files that one epoll instance may watch and that are named. */
const MAX_NAMED = 3;
const MAX_WATCHED = 1 << 20;

/** The files that an epoll instance watches, `eventpoll.rbr`; the end of the only one, if it is one. @throws FaultError, LookupError, ValidationError */
function watchedEnd(stack: SleeperStack, instance: VirtAddr, ends: EndsOfAll): FoundEnd {
  const { program } = stack;
  const tree = program.field('struct eventpoll', 'rbr').address(instance);
  const watched: Watched[] = [];
  let count = 0;
  for (const item of rbEntries(program, tree, 'struct epitem', 'rbn', MAX_WATCHED)) {
    count++;
    if (watched.length >= MAX_NAMED) continue;
    const file = program.field('struct epitem', 'ffd.file').pointer(item);
    watched.push({ file, fd: program.field('struct epitem', 'ffd.fd').number(item) });
  }
  const [only] = watched;
  const names = watched.map(({ file, fd }) => `${nameOfFile(program, file) ?? 'a file'} (descriptor ${fd})`);
  const more = count > watched.length ? ` and ${count - watched.length} more` : '';
  const detail = `it watches ${count === 1 ? names.join('') : `${count} files: ${names.join(', ')}${more}`}`;
  // Events that nobody has taken yet: it has been woken, or should have been.
  const ready = program.field('struct eventpoll', 'rdllist').address(instance);
  if (program.memory.readPointer(ready) !== ready) return { detail: `${detail}; an event has come` };
  if (count === 0) return { detail: 'it watches no file' };
  if (only === undefined || count > 1) return { detail };
  const { awaited = [], anyOf = false, detail: further } = perhaps(endOfFile(stack, only.file, undefined, ends));
  return { detail: further === undefined ? detail : `${detail}, ${further}`, awaited, anyOf };
}

function nameOfFile(program: Program, file: VirtAddr): string | undefined {
  const path = attempt(() => readFile(program, file).path?.text);
  return path === undefined ? undefined : quotedName(path);
}

interface Watched {
  /** `struct file *`. */
  readonly file: VirtAddr;
  readonly fd: number;
}

/**
 * The same of a file that a task polls or watches, and of no other.
 * @param file - `struct file *`
 * @param queue - `struct wait_queue_head *` of it that the task stands in, if that is known
 * @throws nothing for what the dump holds
 */
export function endOfFile(stack: SleeperStack, file: VirtAddr, queue: VirtAddr | undefined, ends: EndsOfAll): FoundEnd {
  const { program } = stack;
  const end = attempt(ends)?.byFile.get(file);
  if (end === undefined) return {};
  const { operations, data } = end;
  if (isPipe(operations)) {
    // Who only reads from it waits for the one who writes.
    const member = end.reads ? 'rd_wait' : 'wr_wait';
    const at = queue ?? attempt(() => program.field('struct pipe_inode_info', member).address(data));
    return ended(stack, at, { address: data, ctype: 'struct pipe_inode_info' }, ends);
  }
  if (operations === 'socket_file_ops') return ended(stack, queue, { address: data, ctype: 'struct socket' }, ends);
  if (operations === 'eventfd_fops') return ended(stack, queue, { address: data, ctype: 'struct eventfd_ctx' }, ends);
  const tty = operations.endsWith('_fops')
    ? attempt(() => program.field('struct tty_file_private', 'tty').pointer(data))
    : undefined;
  const terminal = tty !== undefined && attempt(ends)?.terminals().has(tty) === true;
  return terminal ? ended(stack, queue, { address: tty, ctype: 'struct tty_struct' }, ends) : {};
}

function ended(
  stack: SleeperStack,
  queue: VirtAddr | undefined,
  object: { readonly address: VirtAddr; readonly ctype: string },
  ends: EndsOfAll,
): FoundEnd {
  return { ...attempt(() => endOf(stack, { queue }, object, ends)), object };
}

function pipeEnd(
  stack: SleeperStack,
  { queue }: Pick<QueuedEntry, 'queue'>,
  pipe: VirtAddr,
  ends: EndsOfAll,
): FoundEnd | undefined {
  const { program, frames, task } = stack;
  const queueOf = (path: string): VirtAddr | undefined =>
    program.tryField('struct pipe_inode_info', path)?.address(pipe);
  const called = (functions: RegExp): boolean => frames.some(({ func }) => func !== undefined && functions.test(func));
  const reads = queue === queueOf('rd_wait') || (queue === queueOf('wait') && called(READS_PIPE));
  const writes = queue === queueOf('wr_wait') || (queue === queueOf('wait') && called(WRITES_PIPE));
  if (reads === writes) return undefined;
  // What it waits for is there: it has been woken, or should have been.
  if (reads && pipeHasData(program, pipe) === true) return undefined;
  const all = ends();
  const own = all.byData.get(pipe) ?? [];
  const far = own.filter((end) => (reads ? end.writes : end.reads));
  const count = program.field('struct pipe_inode_info', reads ? 'writers' : 'readers').number(pipe);
  // Each open file counts once, as reader, as writer, or as both.
  const whole = { ...all, whole: all.whole && count === far.length };
  const found = others(far, task, whole, `it has the pipe open to ${reads ? 'write' : 'read'}`);
  const alone = whole.whole && found.awaited?.length === 0;
  return alone ? { ...found, detail: 'nobody else has its other end open', hopeless: true } : found;
}

/** Ring of buffers since 5.5 (commit 8cefc107ca54); `nrbufs` before. */
function pipeHasData(program: Program, pipe: VirtAddr): boolean | undefined {
  const head = program.tryField('struct pipe_inode_info', 'head');
  if (head !== undefined) return head.u64(pipe) !== program.field('struct pipe_inode_info', 'tail').u64(pipe);
  const full = program.tryField('struct pipe_inode_info', 'nrbufs');
  return full === undefined ? undefined : full.number(pipe) > 0;
}
