import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import net from './net.ts';

const HEADER = '   NET_DEVICE     NAME       IP ADDRESS(ES)';

test('as crash 9.0.2 on the full dump that the sample was made of', () => {
  expect(commandRunner([net]).run('net')).toMatchObject({ lines: [HEADER, 'ffff888997393000  lo'], problems: [] });
});

function machine(): KernelImage {
  const image = new KernelImage();
  image.struct('net', { dev_base_head: 'struct list_head' });
  image.struct('in_ifaddr', { ifa_next: 'struct in_ifaddr *', ifa_local: 'u32' });
  image.struct('in_device', { ifa_list: 'struct in_ifaddr *' });
  image.struct('in6_addr', { bytes: 'u8[16]' });
  image.struct('inet6_ifaddr', { addr: 'struct in6_addr', if_list: 'struct list_head' });
  image.struct('inet6_dev', { addr_list: 'struct list_head' });
  image.struct('net_device', {
    name: 'char[16]',
    type: 'unsigned short',
    addr_len: 'unsigned char',
    dev_list: 'struct list_head',
    ip_ptr: 'struct in_device *',
    ip6_ptr: 'struct inet6_dev *',
  });
  image.global('init_net', 'struct net');
  image.place('first', 'struct in_ifaddr', { ifa_next: ref('second'), ifa_local: 0x0f02000a });
  image.place('second', 'struct in_ifaddr', { ifa_local: 0x0100007f });
  image.place('in', 'struct in_device', { ifa_list: ref('first') });
  image.place('eth0', 'struct net_device', { name: 'eth0', ip_ptr: ref('in') });
  image.list('init_net.dev_base_head', ['eth0.dev_list']);
  return image;
}

/** a and b in the first bucket, c in the second. */
function neighbourhood(image: KernelImage, since613: boolean): void {
  image.struct('neighbour', {
    ...(since613 ? { hash: 'struct hlist_node' } : { next: 'struct neighbour *' }),
    nud_state: 'u8',
    ha: 'unsigned char[32]',
    dev: 'struct net_device *',
    primary_key: 'u8[4]',
  });
  image.struct('neigh_hash_table', {
    ...(since613 ? { hash_heads: 'struct hlist_head *' } : { hash_buckets: 'struct neighbour **' }),
    hash_shift: 'unsigned int',
  });
  image.struct('neigh_table', { nht: 'struct neigh_hash_table *' });
  image.place('lo', 'struct net_device', { name: 'lo', type: 772, addr_len: 6 });
  image.write('eth0.type', 1);
  image.write('eth0.addr_len', 6);
  const hardware = [0x52, 0x54, 0, 0x12, 0x34, 2];
  image.place('a', 'struct neighbour', { nud_state: 0x80, ha: hardware, dev: ref('eth0'), primary_key: [10, 9, 0, 2] });
  image.place('b', 'struct neighbour', { nud_state: 1, dev: ref('eth0'), primary_key: [10, 9, 0, 77] });
  image.place('c', 'struct neighbour', { nud_state: 0x40, dev: ref('lo') });
  image.global('arp_tbl', 'struct neigh_table', { nht: ref('table') });
  if (since613) {
    image.place('buckets', 'struct hlist_head[2]');
    image.hlist('buckets[0]', ['a.hash', 'b.hash']);
    image.hlist('buckets[1]', ['c.hash']);
  } else {
    image.write('a.next', ref('b'));
    image.place('buckets', 'struct neighbour *[2]', [ref('a'), ref('c')]);
  }
  image.place('table', 'struct neigh_hash_table', {
    [since613 ? 'hash_heads' : 'hash_buckets']: ref('buckets'),
    hash_shift: 1,
  });
}

test('IPv6 addresses behind those of IPv4, and the devices of another namespace', () => {
  const image = machine();
  image.place('six', 'struct inet6_ifaddr', { addr: { bytes: [0xfe, 0x80, ...Array<number>(13).fill(0), 1] } });
  image.place('in6', 'struct inet6_dev');
  image.list('in6.addr_list', ['six.if_list']);
  image.write('eth0.ip6_ptr', ref('in6'));
  const { run } = commandRunner([net], programOfImage(image));
  expect(run('net').lines[1]).toMatch(/ 10\.0\.2\.15, 127\.0\.0\.1, fe80::1$/);
  expect(commandRunner([net]).run('net -n 1')).toMatchObject({
    lines: [HEADER, 'ffff888997393000  lo'],
    problems: [],
  });
});

test('neighbours: chains of two buckets, of Ethernet and of something else', () => {
  for (const since613 of [false, true]) {
    const image = machine();
    neighbourhood(image, since613);
    const { run, json } = commandRunner([net], programOfImage(image));
    const hex = (label: string): string => image.address(label).toString(16);
    expect(run('net -a')).toMatchObject({
      lines: [
        'NEIGHBOUR        IP ADDRESS      HW TYPE    HW ADDRESS         DEVICE  STATE',
        `${hex('a')} 10.9.0.2        ETHER      52:54:00:12:34:02  eth0    PERMANENT`,
        `${hex('b')} 10.9.0.77       ETHER      00:00:00:00:00:00  eth0    INCOMPLETE`,
        `${hex('c')} 0.0.0.0         UNKNOWN    00 00 00 00 00 00  lo      NOARP`,
      ],
      problems: [],
    });
    expect(json('net -a')).toMatchObject({
      rows: [{ address: '10.9.0.2', hardware_type: 1, hardware: '52:54:00:12:34:02', state: ['PERMANENT'] }, {}, {}],
    });
  }
});

test('neighbours whose chain does not end, and none', () => {
  const image = machine();
  neighbourhood(image, false);
  image.write('b.next', 0x10n);
  const broken = commandRunner([net], programOfImage(image)).run('net -a');
  expect(broken.lines).toHaveLength(3);
  expect(broken.problems.join()).toMatch(/^neighbours: .*no kernel pointer/);
  image.write('table.hash_shift', 40);
  expect(commandRunner([net], programOfImage(image)).run('net -a').problems.join()).toMatch(/2\^40 buckets/);
  expect(commandRunner([net]).run('net -a')).toMatchObject({ lines: [], problems: [] });
});

test('addresses, and a list of them that does not end', () => {
  const image = machine();
  const { run, json } = commandRunner([net], programOfImage(image));
  expect(run('net').lines[1]).toMatch(/^[0-9a-f]{16} {2}eth0 {7}10\.0\.2\.15, 127\.0\.0\.1$/);
  expect(json('net')).toMatchObject({ rows: [{ addresses: ['10.0.2.15', '127.0.0.1'] }] });
  const damaged = machine();
  damaged.write('second.ifa_next', ref('first'));
  expect(commandRunner([net], programOfImage(damaged)).run('net').problems.join()).toMatch(/do not end/);
});
