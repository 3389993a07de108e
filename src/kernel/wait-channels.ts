/**
 * Waits for another process at the other end: of a pipe, of a connected AF_UNIX socket, of FUSE's /dev/fuse. Who has that
 * end open has to act; one who sleeps with the only descriptor of it cannot. Sockets of other families, and sockets that
 * listen or are not connected, are waits for anybody, and name nobody.
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { type FuseRequest, fuseFileSystem, fuseRequestAround, fuseServers } from './fuse.ts';
import type { OpenEnd, OpenEnds } from './open-ends.ts';
import type { Awaited, FoundWait } from './wait-kinds.ts';
import type { QueueOwner } from './wait-objects.ts';
import type { QueuedEntry, SleeperStack } from './wait-shapes.ts';

/** The descriptors of all tasks, read when they are first asked for. */
export type EndsOfAll = () => OpenEnds;

type Found = Pick<FoundWait, 'awaited' | 'anyOf' | 'detail' | 'hopeless' | 'object'>;

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
 * @param owner - the `struct pipe_inode_info` or `struct socket` around the queue that the task stands in
 * @returns nothing where anybody might end the wait
 * @throws nothing for what the dump holds
 */
export function otherEnd(
  stack: SleeperStack,
  entry: Pick<QueuedEntry, 'queue'>,
  owner: Pick<QueueOwner, 'kind' | 'address' | 'ctype'>,
  ends: EndsOfAll,
): Found {
  const { program } = stack;
  const found =
    owner.kind === 'pipe'
      ? attempt(() => pipeEnd(stack, entry, owner.address, ends))
      : owner.ctype === 'struct socket'
        ? attempt(() => socketEnd(program, stack, owner.address, ends))
        : undefined;
  return found ?? {};
}

/**
 * The same of a file that a task polls, and of no other.
 * @param file - `struct file *`
 * @param queue - `struct wait_queue_head *` of it that the task stands in
 * @throws nothing for what the dump holds
 */
export function polledEnd(stack: SleeperStack, file: VirtAddr, queue: VirtAddr, ends: EndsOfAll): Found {
  const end = attempt(ends)?.byFile.get(file);
  if (end === undefined) return {};
  const { operations, data } = end;
  const pipe = operations.endsWith('pipefifo_fops');
  if (!pipe && operations !== 'socket_file_ops') return {};
  const ctype = pipe ? 'struct pipe_inode_info' : 'struct socket';
  const owner = { kind: pipe ? 'pipe' : 'socket', address: data, ctype } as const;
  return { ...otherEnd(stack, { queue }, owner, ends), object: { address: data, ctype } };
}

function pipeEnd(
  stack: SleeperStack,
  { queue }: Pick<QueuedEntry, 'queue'>,
  pipe: VirtAddr,
  ends: EndsOfAll,
): Found | undefined {
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

/** PF_UNIX, TCP_LISTEN. */
const FAMILY_UNIX = 1;
const LISTENS = 10;

function socketEnd(program: Program, stack: SleeperStack, socket: VirtAddr, ends: EndsOfAll): Found | undefined {
  const sock = program.field('struct socket', 'sk').pointer(socket);
  const field = (path: string) => program.field('struct sock', path);
  if (field('__sk_common.skc_family').number(sock) !== FAMILY_UNIX) return undefined;
  if (field('__sk_common.skc_state').number(sock) === LISTENS) return undefined;
  // `struct sock` is the first member.
  const peer = program.field('struct unix_sock', 'peer').pointer(sock);
  if (!isKernel(peer)) return undefined;
  const other = field('sk_socket').pointer(peer);
  if (!isKernel(other)) return undefined;
  const all = ends();
  return others(all.byData.get(other) ?? [], stack.task, all, 'it has the other end of the socket open');
}

/** Those who have one of these files open, without the sleeper itself. */
function others(files: readonly OpenEnd[], self: VirtAddr, { whole }: Pick<OpenEnds, 'whole'>, why: string): Found {
  const tasks = new Set(files.flatMap(({ tasks: each }) => each));
  tasks.delete(self);
  const sure = whole && files.every(({ complete }) => complete === true);
  const certainty = sure ? 'exact' : 'inferred';
  const which = tasks.size === 1 && sure ? `${why}, and nobody else has` : why;
  return { awaited: [...tasks].map((task): Awaited => ({ task, certainty, why: which })), anyOf: tasks.size > 1 };
}
