/** Sockets of IP and AF_UNIX with the files that lead to them, in the layouts of 6.1. */
import type { Channels } from './channels.ts';
import { ref } from './image.ts';

export const TCP = 6;
export const UDP = 17;
export const ESTABLISHED = 1;
export const SYN_SENT = 2;
export const LISTEN = 10;

/** Defines the types. */
export function socketTypes({ image }: Channels): void {
  const queue = 'struct wait_queue_head';
  image.struct('socket_wq', { wait: queue });
  image.struct('socket', { state: 'int', file: 'struct file *', sk: 'void *', wq: 'struct socket_wq' });
  image.struct('possible_net_t', { net: 'void *' });
  image.struct('sock_common', {
    skc_daddr: 'u8[4]',
    skc_rcv_saddr: 'u8[4]',
    skc_dport: 'u8[2]',
    skc_num: 'u16',
    skc_family: 'unsigned short',
    skc_state: 'unsigned char',
    skc_net: 'struct possible_net_t',
    skc_v6_daddr: 'u8[16]',
    skc_v6_rcv_saddr: 'u8[16]',
  });
  image.struct('sock', { __sk_common: 'struct sock_common', sk_socket: 'struct socket *', sk_protocol: 'u16' });
  image.struct('unix_address', { refcnt: 'int', len: 'int', name: 'u8[110]' });
  image.struct('unix_sock', {
    sk: 'struct sock',
    addr: 'struct unix_address *',
    peer: 'struct sock *',
    peer_wq: 'struct socket_wq',
  });
}

export interface Ends {
  /** '127.0.0.1:80'. */
  readonly own: string;
  readonly other?: string;
  readonly protocol?: number;
  readonly state?: number;
  readonly net?: bigint;
}

const numbers = (text: string): readonly number[] => text.split('.').map(Number);

/** A socket of IPv4: labels `label` and `label sock`, open as `label file`. */
export function internet(world: Channels, label: string, ends: Ends): string {
  const { own, other = '0.0.0.0:0', protocol = TCP, state = ESTABLISHED, net = 0xffff888000007000n } = ends;
  const [address = '', port = '0'] = own.split(':');
  const [far = '', farPort = '0'] = other.split(':');
  const { image } = world;
  image.place(`${label} sock`, 'struct sock', {
    '__sk_common.skc_family': 2,
    '__sk_common.skc_state': state,
    '__sk_common.skc_rcv_saddr': numbers(address),
    '__sk_common.skc_daddr': numbers(far),
    '__sk_common.skc_num': Number(port),
    '__sk_common.skc_dport': [Number(farPort) >> 8, Number(farPort) & 255],
    '__sk_common.skc_net.net': net,
    sk_protocol: protocol,
    sk_socket: ref(label),
  });
  image.place(label, 'struct socket', { sk: ref(`${label} sock`) });
  return world.file(`${label} file`, 'socket_file_ops', ref(label));
}

/** A socket of AF_UNIX, bound to a path or not. */
export function unixSocket(world: Channels, label: string, name: string | undefined, state = ESTABLISHED): string {
  const { image } = world;
  if (name !== undefined) {
    const bytes = [1, 0, ...Buffer.from(name)];
    image.place(`${label} name`, 'struct unix_address', { refcnt: 1, len: bytes.length, name: bytes });
  }
  image.place(`${label} sock`, 'struct unix_sock', {
    'sk.__sk_common.skc_family': 1,
    'sk.__sk_common.skc_state': state,
    'sk.sk_socket': ref(label),
    addr: name === undefined ? 0 : ref(`${label} name`),
  });
  image.place(label, 'struct socket', { sk: ref(`${label} sock`) });
  return world.file(`${label} file`, 'socket_file_ops', ref(label));
}
