/**
 * Network devices of a namespace (`struct net`), their IPv4 and IPv6 addresses, and the neighbours that IPv4 knows, which
 * `arp` lists (`arp_tbl`, net/ipv4/arp.c; include/net/neighbour.h). Neighbours of IPv6 are not read.
 */
import { add, isKernel, type VirtAddr } from '../base/address.ts';
import { attempt, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { hlistEntries, listEntries } from './list.ts';

const MAX_DEVICES = 1 << 16;
const MAX_ADDRESSES = 4096;
/** `neigh_hash_table.hash_shift`: the table grows while there are more than two neighbours to a bucket. */
const MAX_HASH_SHIFT = 20;
const MAX_NEIGHBOURS = 1 << 20;
/** MAX_ADDR_LEN of include/linux/netdevice.h. */
const MAX_ADDRESS_BYTES = 32;

export interface NetDevice {
  /** `struct net_device *`. */
  readonly device: VirtAddr;
  readonly name: string;
}

/**
 * The devices of a namespace, in the order of its list.
 * @param net - `struct net *`
 * @throws FaultError, LookupError, ValidationError when the list breaks off; what came before was returned
 */
export function* netDevices(program: Program, net: VirtAddr): Generator<NetDevice> {
  const head = program.field('struct net', 'dev_base_head').address(net);
  const name = program.field('struct net_device', 'name');
  for (const device of listEntries(program, head, 'struct net_device', 'dev_list', MAX_DEVICES))
    yield { device, name: name.text(device) };
}

/** `struct net *` of a task; undefined when it has ended. @throws FaultError, LookupError */
export function taskNet(program: Program, task: VirtAddr): VirtAddr | undefined {
  const proxy = program.field('struct task_struct', 'nsproxy').pointer(task);
  return isKernel(proxy) ? program.field('struct nsproxy', 'net_ns').pointer(proxy) : undefined;
}

/**
 * The addresses of a device, as bytes in network order: 4 of IPv4, 16 of IPv6, the former first.
 * @param device - `struct net_device *`
 * @throws FaultError, LookupError, ValidationError when a list breaks off; what came before was returned
 */
export function* deviceAddresses(program: Program, device: VirtAddr): Generator<Uint8Array> {
  const inDevice = program.field('struct net_device', 'ip_ptr').pointer(device);
  if (isKernel(inDevice)) {
    const next = program.field('struct in_ifaddr', 'ifa_next');
    const local = program.field('struct in_ifaddr', 'ifa_local');
    let at = program.field('struct in_device', 'ifa_list').pointer(inDevice);
    for (let count = 0; at !== 0n; at = next.pointer(at), count++) {
      if (!isKernel(at) || count >= MAX_ADDRESSES)
        throw new ValidationError('struct in_ifaddr', at, 'the addresses of a device do not end');
      yield program.memory.readBytes(local.address(at), 4);
    }
  }
  // Without CONFIG_IPV6, or with IPv6 as a module whose types are not known, there are none to tell.
  const ip6 = program.tryField('struct net_device', 'ip6_ptr')?.pointer(device);
  if (ip6 === undefined || !isKernel(ip6)) return;
  // A list_head since 2.6.35 (commit 502a2ffd7376); older ones are not read.
  const head = program.tryField('struct inet6_dev', 'addr_list')?.address(ip6);
  const six = program.tryField('struct inet6_ifaddr', 'addr');
  if (head === undefined || six === undefined) return;
  for (const at of listEntries(program, head, 'struct inet6_ifaddr', 'if_list', MAX_ADDRESSES))
    yield program.memory.readBytes(six.address(at), 16);
}

export interface Neighbour {
  /** `struct neighbour *`. */
  readonly neighbour: VirtAddr;
  /** IPv4 address in network order. */
  readonly address: Uint8Array;
  /** `net_device.type`, ARPHRD_*; undefined when the device cannot be read. */
  readonly type: number | undefined;
  /** As many bytes as the device's addresses have. */
  readonly hardware: Uint8Array;
  readonly device: VirtAddr;
  readonly deviceName: string | undefined;
  /** NUD_* bits. */
  readonly state: number;
}

/**
 * The neighbours of IPv4, `struct neighbour`, of all namespaces, in the order of the kernel's hash table.
 * @throws FaultError, LookupError, ValidationError when a chain breaks off; what came before was returned
 */
export function* neighbours(program: Program): Generator<Neighbour> {
  const table = program.field('struct neigh_table', 'nht').pointer(program.symbol('arp_tbl').address);
  if (!isKernel(table)) throw new ValidationError('struct neigh_table', table, 'has no hash table');
  const shift = program.field('struct neigh_hash_table', 'hash_shift').number(table);
  if (shift > MAX_HASH_SHIFT) throw new ValidationError('struct neigh_hash_table', table, `has 2^${shift} buckets`);
  let count = 0;
  for (const at of buckets(program, table, 2 ** shift)) {
    if (++count > MAX_NEIGHBOURS) throw new ValidationError('struct neighbour', at, 'its chain does not end');
    yield readNeighbour(program, at);
  }
}

function* buckets(program: Program, table: VirtAddr, count: number): Generator<VirtAddr> {
  // hlist_head since 6.13 (commit a01a67ab2fff); chains of `neighbour.next` before.
  const heads = program.tryField('struct neigh_hash_table', 'hash_heads')?.pointer(table);
  const first = heads ?? program.field('struct neigh_hash_table', 'hash_buckets').pointer(table);
  const next = program.tryField('struct neighbour', 'next');
  for (let i = 0; i < count; i++) {
    const head = add(first, 8 * i);
    if (heads !== undefined || next === undefined) {
      yield* hlistEntries(program, head, 'struct neighbour', 'hash', MAX_NEIGHBOURS);
      continue;
    }
    for (let at = program.memory.readPointer(head); at !== 0n; at = next.pointer(at)) {
      if (!isKernel(at)) throw new ValidationError('struct neighbour', at, 'is no kernel pointer');
      yield at;
    }
  }
}

function readNeighbour(program: Program, at: VirtAddr): Neighbour {
  const field = (path: string) => program.field('struct neighbour', path);
  const device = field('dev').pointer(at);
  const ofDevice = <T>(read: () => T): T | undefined => (isKernel(device) ? attempt(read) : undefined);
  const length = ofDevice(() => program.field('struct net_device', 'addr_len').number(device)) ?? 0;
  return {
    neighbour: at,
    address: program.memory.readBytes(field('primary_key').address(at), 4),
    type: ofDevice(() => program.field('struct net_device', 'type').number(device)),
    hardware: program.memory.readBytes(field('ha').address(at), Math.min(length, MAX_ADDRESS_BYTES)),
    device,
    deviceName: ofDevice(() => program.field('struct net_device', 'name').text(device)),
    state: field('nud_state').number(at),
  };
}
