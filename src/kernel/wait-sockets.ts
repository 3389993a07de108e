/**
 * Waits for the other end of a socket: who has it open, when it is one of this machine. A connection of IP that leads
 * elsewhere says where to; a socket that listens waits for anybody.
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { AF_UNIX, endpointText, type InternetSocket, readInternet, TCP_LISTEN, unixName } from './socket-ends.ts';
import type { FoundWait } from './wait-kinds.ts';
import { type EndsOfAll, type FoundEnd, others, quotedName } from './wait-others.ts';
import type { QueuedEntry, SleeperStack } from './wait-shapes.ts';

/**
 * Who has the other end of a socket.
 * @param socket - `struct socket *`
 * @throws FaultError, LookupError
 */
export function socketEnd(stack: SleeperStack, socket: VirtAddr, ends: EndsOfAll): FoundEnd {
  const { program } = stack;
  const sock = program.field('struct socket', 'sk').pointer(socket);
  if (program.field('struct sock', '__sk_common.skc_family').number(sock) === AF_UNIX)
    return unixEnd(stack, sock, ends);
  const internet = readInternet(program, sock);
  return internet === undefined ? { edge: 'other socket' } : internetEnd(stack, internet, ends);
}

function unixEnd(stack: SleeperStack, sock: VirtAddr, ends: EndsOfAll): FoundEnd {
  const { program, task } = stack;
  const field = (path: string) => program.field('struct sock', path);
  const edge = 'AF_UNIX peer';
  const own = attempt(() => unixName(program, sock));
  const bound = own === undefined ? {} : { detail: `bound to ${quotedName(own)}` };
  if (field('__sk_common.skc_state').number(sock) === TCP_LISTEN)
    return { edge, ...(own === undefined ? {} : { detail: `for a connection to ${quotedName(own)}` }) };
  // `struct sock` is the first member.
  const peer = program.field('struct unix_sock', 'peer').pointer(sock);
  if (!isKernel(peer)) return { edge, ...bound };
  const named = attempt(() => unixName(program, peer));
  const detail = named === undefined ? bound : { detail: `connected to ${quotedName(named)}` };
  const other = field('sk_socket').pointer(peer);
  if (!isKernel(other)) return { edge, ...detail };
  const all = ends();
  const found = others(all.byData.get(other) ?? [], task, all, 'it has the other end of the socket open');
  return { edge, ...detail, ...found };
}

function internetEnd({ task }: SleeperStack, socket: InternetSocket, ends: EndsOfAll): FoundEnd {
  const { protocol, own, other, listens, connecting } = socket;
  if (listens)
    return { edge: 'IP socket that listens', detail: `${protocol}, for a connection to ${endpointText(own)}` };
  if (other.port === 0)
    return { edge: 'IP, elsewhere or unknown', detail: `${protocol}, from anybody to ${endpointText(own)}` };
  const how = connecting ? `${protocol}, asks for a connection to` : `${protocol}, connected to`;
  const detail = `${how} ${endpointText(other)}`;
  const all = ends();
  const sockets = all.internet();
  const peers = sockets.peersOf(socket);
  if (peers.length > 0)
    return {
      edge: 'IP peer on this machine',
      detail,
      ...others(peers, task, all, `it has the other end of the ${protocol} connection open`),
    };
  const listeners = sockets.listenersFor(socket);
  // Until it is accepted, the other end of a connection is nobody's file.
  if (listeners.length > 0)
    return {
      edge: 'IP socket that listens',
      detail: `${detail}, which is not accepted yet`,
      ...others(listeners, task, all, `it listens there, and has not accepted the connection`),
    };
  const nowhere = all.whole ? '; no process here has the other end' : '';
  return { edge: 'IP, elsewhere or unknown', detail: `${detail}${nowhere}`, awaited: [] };
}

/**
 * A wait for room in the queue of another socket of AF_UNIX: a datagram, or a connection, that nobody takes.
 * @param entry - of the sleeper, in `peer_wq` of the other one's `struct unix_sock`
 * @throws FaultError, LookupError
 */
export function unixRoomWait(stack: SleeperStack, { queue }: QueuedEntry, ends: EndsOfAll): FoundWait | undefined {
  const { program, frames, task } = stack;
  if (queue === undefined || !frames.some(({ func }) => /^unix_\w/.test(func ?? ''))) return undefined;
  // `peer_wait` was a queue of its own until 4.17 or so, and is a macro for this one since 2.6.34 (commit 43815482370c).
  const full = program.field('struct unix_sock', 'peer_wq.wait').container(queue);
  const socket = socketOfUnix(program, full);
  if (socket === undefined) return undefined;
  const listens = program.field('struct sock', '__sk_common.skc_state').number(full) === TCP_LISTEN;
  const all = ends();
  const why = listens
    ? 'it listens on the socket, and accepts no connection'
    : 'it has the socket open, and does not read';
  return {
    kind: 'socket',
    edge: 'AF_UNIX queue of another',
    what: listens ? 'for a place among the connections to the socket' : 'for room in the queue of the socket',
    name: attempt(() => unixName(program, full)) ?? socketName(program, socket),
    object: { address: socket, ctype: 'struct socket' },
    proof: 'structure',
    ...others(all.byData.get(socket) ?? [], task, all, why),
  };
}

/** Its `struct socket *`, when it is one that links back. */
function socketOfUnix(program: Program, sock: VirtAddr): VirtAddr | undefined {
  const field = (path: string) => program.field('struct sock', path);
  if (field('__sk_common.skc_family').number(sock) !== AF_UNIX) return undefined;
  const socket = field('sk_socket').pointer(sock);
  if (!isKernel(socket)) return undefined;
  return program.field('struct socket', 'sk').pointer(socket) === sock ? socket : undefined;
}

function socketName(program: Program, socket: VirtAddr): string | undefined {
  const file = attempt(() => program.field('struct socket', 'file').pointer(socket));
  const inode =
    file === undefined || !isKernel(file)
      ? undefined
      : attempt(() => program.field('struct file', 'f_inode').pointer(file));
  const number = inode === undefined ? undefined : attempt(() => program.field('struct inode', 'i_ino').u64(inode));
  return number === undefined ? undefined : `socket:[${number}]`;
}
