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
  image.struct('net_device', { name: 'char[16]', dev_list: 'struct list_head', ip_ptr: 'struct in_device *' });
  image.global('init_net', 'struct net');
  image.place('first', 'struct in_ifaddr', { ifa_next: ref('second'), ifa_local: 0x0f02000a });
  image.place('second', 'struct in_ifaddr', { ifa_local: 0x0100007f });
  image.place('in', 'struct in_device', { ifa_list: ref('first') });
  image.place('eth0', 'struct net_device', { name: 'eth0', ip_ptr: ref('in') });
  image.list('init_net.dev_base_head', ['eth0.dev_list']);
  return image;
}

test('addresses, and a list of them that does not end', () => {
  const image = machine();
  const { run, json } = commandRunner([net], programOfImage(image));
  expect(run('net').lines[1]).toMatch(/^[0-9a-f]{16} {2}eth0 {7}10\.0\.2\.15, 127\.0\.0\.1$/);
  expect(json('net')).toMatchObject({ rows: [{ addresses: ['10.0.2.15', '127.0.0.1'] }] });
  const damaged = machine();
  damaged.write('second.ifa_next', ref('first'));
  expect(commandRunner([net], programOfImage(damaged)).run('net').problems.join()).toMatch(/do not end/);
});
