/**
 * Sockets of IP and AF_UNIX: addresses, state, and which open sockets of this machine are at the two ends of a connection
 * (`struct sock_common`, include/net/sock.h; `struct unix_sock`, include/net/af_unix.h). Two sockets are the ends of one
 * connection when each has the other's address and port, in one network namespace.
 * Not handled: connections between network namespaces, and those that NAT has rewritten.
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import type { OpenEnd } from './open-ends.ts';

export const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
/** TCP_ESTABLISHED, TCP_SYN_SENT, TCP_LISTEN, include/net/tcp_states.h. UDP uses the first for connected ones. */
const TCP_SYN_SENT = 2;
export const TCP_LISTEN = 10;
/** IPPROTO_*. */
const PROTOCOLS: ReadonlyMap<number, string> = new Map([
  [1, 'ICMP'],
  [6, 'TCP'],
  [17, 'UDP'],
  [58, 'ICMPv6'],
  [132, 'SCTP'],
]);
/** sizeof(sockaddr_un.sun_path). */
const MAX_UNIX_PATH = 108;

/** One end of a connection of IP. */
export interface Endpoint {
  /** '127.0.0.1', '::1'. */
  readonly address: string;
  /** In the machine's order; 0 for none. */
  readonly port: number;
}

export interface InternetSocket {
  /** `struct sock *`. */
  readonly sock: VirtAddr;
  /** 'TCP'. */
  readonly protocol: string;
  /** `struct net *`: its network namespace. */
  readonly net: VirtAddr;
  readonly own: Endpoint;
  readonly other: Endpoint;
  readonly listens: boolean;
  /** Asks for a connection, and has no answer. */
  readonly connecting: boolean;
}

/**
 * A socket of IPv4 or IPv6.
 * @param sock - `struct sock *`
 * @returns undefined for one of another family
 * @throws FaultError, LookupError
 */
export function readInternet(program: Program, sock: VirtAddr): InternetSocket | undefined {
  const field = (path: string) => program.field('struct sock', `__sk_common.${path}`);
  const family = field('skc_family').number(sock);
  if (family !== AF_INET && family !== AF_INET6) return undefined;
  const bytes = (path: string, length: number): Uint8Array =>
    program.memory.readBytes(field(path).address(sock), length);
  const [own, other] =
    family === AF_INET
      ? [bytes('skc_rcv_saddr', 4), bytes('skc_daddr', 4)]
      : [bytes('skc_v6_rcv_saddr', 16), bytes('skc_v6_daddr', 16)];
  const port = bytes('skc_dport', 2);
  const state = field('skc_state').number(sock);
  const protocol = program.field('struct sock', 'sk_protocol').number(sock);
  return {
    sock,
    protocol: PROTOCOLS.get(protocol) ?? `IP protocol ${protocol}`,
    net: field('skc_net.net').pointer(sock),
    own: { address: addressText(own), port: field('skc_num').number(sock) },
    other: { address: addressText(other), port: ((port[0] ?? 0) << 8) | (port[1] ?? 0) },
    listens: state === TCP_LISTEN,
    connecting: state === TCP_SYN_SENT,
  };
}

/** A `struct in_addr` or `struct in6_addr`, one of IPv4 that is mapped into IPv6 as of IPv4, longest run of zeros short as in RFC 5952. */
export function addressText(raw: Uint8Array): string {
  if (raw.length === 4) return raw.join('.');
  if (raw.subarray(0, 10).every((byte) => byte === 0) && raw[10] === 255 && raw[11] === 255)
    return raw.subarray(12).join('.');
  const words = Array.from({ length: 8 }, (_, i) => (((raw[2 * i] ?? 0) << 8) | (raw[2 * i + 1] ?? 0)).toString(16));
  let best = { from: 0, count: 0 };
  for (let from = 0; from < 8; from++) {
    let count = 0;
    while (words[from + count] === '0') count++;
    if (count > best.count) best = { from, count };
  }
  if (best.count < 2) return words.join(':');
  return `${words.slice(0, best.from).join(':')}::${words.slice(best.from + best.count).join(':')}`;
}

/** An end of a `struct sock_common`: '127.0.0.1:80', '[::1]:80'; the port in the machine's order, as `skc_num` has it. */
export function endpointText({ address, port }: Endpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Open sockets of IP, to be found by their addresses. */
export interface InternetSockets {
  /** Sockets at the other end of the connection of one. */
  peersOf(socket: InternetSocket): readonly OpenEnd[];
  /** Sockets that listen where one is connected to. */
  listenersFor(socket: InternetSocket): readonly OpenEnd[];
}

interface Opened {
  readonly end: OpenEnd;
  readonly socket: InternetSocket;
}

const ANY: ReadonlySet<string> = new Set(['0.0.0.0', '::']);
const keyOf = (protocol: string, net: VirtAddr, own: Endpoint, other: Endpoint): string =>
  `${protocol} ${net} ${endpointText(own)} ${endpointText(other)}`;

/**
 * All `struct socket`s of IP that are open.
 * @param ends - open files, sockets and others
 * @throws nothing for what the dump holds: what cannot be read is not there
 */
export function internetSockets(program: Program, ends: Iterable<OpenEnd>): InternetSockets {
  const connected = new Map<string, OpenEnd[]>();
  const listening: Opened[] = [];
  for (const end of ends) {
    if (end.operations !== 'socket_file_ops') continue;
    const socket = attempt(() => readInternet(program, program.field('struct socket', 'sk').pointer(end.data)));
    if (socket === undefined) continue;
    if (socket.listens) listening.push({ end, socket });
    if (socket.other.port === 0) continue;
    const key = keyOf(socket.protocol, socket.net, socket.own, socket.other);
    connected.set(key, [...(connected.get(key) ?? []), end]);
  }
  return {
    peersOf: ({ protocol, net, own, other }) =>
      other.port === 0 ? [] : (connected.get(keyOf(protocol, net, other, own)) ?? []),
    listenersFor: ({ protocol, net, other }) =>
      listening
        .filter(
          ({ socket }) =>
            socket.protocol === protocol &&
            socket.net === net &&
            socket.own.port === other.port &&
            (ANY.has(socket.own.address) || socket.own.address === other.address),
        )
        .map(({ end }) => end),
  };
}

/**
 * The name that a socket of AF_UNIX is bound to: a path, or an abstract name behind '@'.
 * @param sock - `struct sock *`, the first member of a `struct unix_sock`
 * @returns undefined when it is not bound
 * @throws FaultError, LookupError
 */
export function unixName(program: Program, sock: VirtAddr): string | undefined {
  const bound = program.field('struct unix_sock', 'addr').pointer(sock);
  if (!isKernel(bound)) return undefined;
  // Two bytes of family come first.
  const length = Math.min(program.field('struct unix_address', 'len').number(bound) - 2, MAX_UNIX_PATH);
  if (length <= 0) return undefined;
  const path = program.field('struct unix_address', 'name').address(bound);
  const raw = program.memory.readBytes(path, 2 + length).subarray(2);
  const text = new TextDecoder().decode(raw[0] === 0 ? raw.subarray(1) : raw).replace(/\0.*$/s, '');
  return raw[0] === 0 ? `@${text}` : text;
}
