/** The sockets that a task has open: `struct socket` behind its descriptors, `struct sock`, addresses and ports of IP. */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import { openFiles } from '../kernel/files.ts';
import type { Task } from '../kernel/sched.ts';
import type { CommandContext } from '../model/command.ts';
import { address, type Data } from '../model/value.ts';
import type { Program } from '../program/program.ts';
import { hex16 } from './format.ts';
import type { TaskView } from './per-task.ts';
import { structLines, structSpec } from './struct-view.ts';

/** AF_* of include/linux/socket.h, those that one meets. */
const FAMILIES: ReadonlyMap<number, string> = new Map([
  [0, 'UNSPEC'],
  [1, 'UNIX'],
  [2, 'INET'],
  [10, 'INET6'],
  [15, 'KEY'],
  [16, 'NETLINK'],
  [17, 'PACKET'],
  [38, 'ALG'],
  [40, 'VSOCK'],
  [44, 'XDP'],
]);
/** SOCK_*. */
const TYPES: ReadonlyMap<number, string> = new Map([
  [1, 'STREAM'],
  [2, 'DGRAM'],
  [3, 'RAW'],
  [4, 'RDM'],
  [5, 'SEQPACKET'],
  [6, 'DCCP'],
  [10, 'PACKET'],
]);
/** NETLINK_* of include/uapi/linux/netlink.h, by number. */
const NETLINK =
  'ROUTE UNUSED USERSOCK FIREWALL SOCK_DIAG NFLOG XFRM SELINUX ISCSI AUDIT FIB_LOOKUP CONNECTOR NETFILTER IP6_FW DNRTMSG KOBJECT_UEVENT GENERIC'.split(
    ' ',
  );
const AF_NETLINK = 16;
const AF_INET = 2;
const AF_INET6 = 10;

interface Socket {
  readonly fd: number;
  readonly socket: VirtAddr;
  readonly sock: VirtAddr;
  /** 'INET:STREAM'. */
  readonly kind: string;
  /** '127.0.0.1-22', as crash writes them; undefined outside IP. */
  readonly source: string | undefined;
  readonly destination: string | undefined;
}

export interface SocketWishes {
  /** With struct socket and struct sock. */
  readonly whole: boolean;
  readonly radix: 10 | 16;
  /** Only this descriptor, `struct socket *` or `struct sock *`. */
  readonly only: bigint | undefined;
}

/** Undefined when the one that is wanted is not among them. */
export function taskSockets(
  context: CommandContext,
  task: Task,
  { whole, radix, only }: SocketWishes,
): TaskView | undefined {
  const { program, problem } = context;
  const sockets: Socket[] = [];
  const files = openFiles(program, task.address);
  for (const { fd, operationsName, privateData } of files?.open ?? []) {
    if (operationsName !== 'socket_file_ops') continue;
    const found = attempt(() => socketOf(program, fd, privateData));
    if (found === undefined) problem(`pid ${task.pid}, descriptor ${fd}: its socket cannot be read`);
    else if (only === undefined || [BigInt(fd), found.socket, found.sock].includes(only)) sockets.push(found);
  }
  if (only !== undefined && sockets.length === 0) return undefined;
  if (files !== undefined && files.undecodable.length > 0)
    problem(`pid ${task.pid}: ${files.undecodable.length} descriptors cannot be read`);
  return { lines: lines(context, sockets, whole, radix), data: { sockets: sockets.map(dataOf) } };
}

function* lines(context: CommandContext, sockets: readonly Socket[], whole: boolean, radix: 10 | 16) {
  if (sockets.length === 0) yield 'No open sockets.';
  const header = 'FD      SOCKET            SOCK       FAMILY:TYPE SOURCE-PORT DESTINATION-PORT';
  if (sockets.length > 0 && !whole) yield header;
  for (const each of sockets) {
    if (whole) yield header;
    const { fd, socket, sock, kind, source, destination } = each;
    yield `${String(fd).padStart(2)} ${hex16(socket)} ${hex16(sock)} ${kind}${endsText(kind, source, destination)}`;
    if (!whole) continue;
    for (const [type, at] of [
      ['socket', socket],
      ['sock', sock],
    ] as const) {
      if (isKernel(at))
        yield* structLines(structSpec(context.program, type), at, { radix, context, what: `struct ${type}` });
      yield '';
    }
  }
}

/** The blanks are crash's. */
function endsText(kind: string, source: string | undefined, destination: string | undefined): string {
  if (source === undefined) return '';
  if (kind.startsWith('INET6')) return ` ${source}  ${destination ?? ''}`;
  return `${kind.endsWith('DGRAM') ? '   ' : '  '}${source} ${destination ?? ''}`;
}

/** @param socket - `struct socket *` */
function socketOf(program: Program, fd: number, socket: VirtAddr): Socket {
  const field = (path: string) => program.field('struct sock', path);
  const sock = program.field('struct socket', 'sk').pointer(socket);
  const type = program.field('struct socket', 'type').number(socket);
  const family = isKernel(sock) ? field('__sk_common.skc_family').number(sock) : 0;
  const kind = `${FAMILIES.get(family) ?? family}${netlinkProtocol(program, sock, family)}:${TYPES.get(type) ?? type}`;
  const isInternet = family === AF_INET || family === AF_INET6;
  const ends = isInternet ? internetEnds(program, sock, family) : { source: undefined, destination: undefined };
  return { fd, socket, sock, kind, ...ends };
}

/** '/ROUTE'; undefined members and other families give nothing. */
function netlinkProtocol(program: Program, sock: VirtAddr, family: number): string {
  if (family !== AF_NETLINK) return '';
  // 8 bits of a word until 5.6 (commit bf9765145b85), a u16 since.
  const protocol = program.tryField('struct sock', 'sk_protocol')?.number(sock);
  return protocol === undefined ? '' : `/${NETLINK[protocol] ?? protocol}`;
}

/** Ports stand in network order, but for skc_num, the own one in the machine's. */
function internetEnds(program: Program, sock: VirtAddr, family: number) {
  const field = (path: string) => program.field('struct sock', `__sk_common.${path}`);
  const bytes = (path: string, length: number): Uint8Array =>
    program.memory.readBytes(field(path).address(sock), length);
  const port = (raw: Uint8Array): number => ((raw[0] ?? 0) << 8) | (raw[1] ?? 0);
  const text = (raw: Uint8Array): string => (raw.length === 4 ? [...raw].join('.') : colons(raw));
  const length = family === AF_INET ? 4 : 16;
  const [own, other] = family === AF_INET ? ['skc_rcv_saddr', 'skc_daddr'] : ['skc_v6_rcv_saddr', 'skc_v6_daddr'];
  return {
    source: `${text(bytes(own, length))}-${field('skc_num').number(sock)}`,
    destination: `${text(bytes(other, length))}-${port(bytes('skc_dport', 2))}`,
  };
}

/** 'fe80:0:0:0:0:0:0:1', without the abbreviation of zeros. */
function colons(raw: Uint8Array): string {
  return Array.from({ length: 8 }, (_, i) => (((raw[2 * i] ?? 0) << 8) | (raw[2 * i + 1] ?? 0)).toString(16)).join(':');
}

function dataOf({ fd, socket, sock, kind, source, destination }: Socket): Data {
  return { fd, socket: address(socket), sock: address(sock), kind, source, destination };
}
