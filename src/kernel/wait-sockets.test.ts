import { describe, expect, it } from 'vitest';
import { Channels } from '../../test/builders/channels.ts';
import { ref } from '../../test/builders/image.ts';
import { internet, LISTEN, socketTypes, SYN_SENT, UDP, unixSocket } from '../../test/builders/sockets.ts';
import { addressText } from './socket-ends.ts';

const RECV = ['__schedule', 'schedule', 'schedule_timeout', 'wait_woken', 'sk_wait_data', 'tcp_recvmsg_locked'];
const OWN = '127.0.0.1:40000';
const SERVER = '127.0.0.1:7001';

/** The sleeper has a connection to 127.0.0.1:7001, and waits at its end of it. */
function connected(more: Partial<Parameters<typeof internet>[2]> = {}): Channels {
  const world = new Channels();
  socketTypes(world);
  world.table('sleeper', [internet(world, 'near', { own: OWN, other: SERVER, ...more })]);
  world.standsIn('near.wq.wait');
  return world;
}

describe('a connection of IP', () => {
  it('leads to who has its other end open, by addresses and ports that mirror each other', () => {
    const world = connected();
    world.process('server', [internet(world, 'far', { own: SERVER, other: OWN })]);
    const wait = world.wait(RECV);
    expect(wait).toMatchObject({
      kind: 'socket',
      edge: 'IP peer on this machine',
      detail: 'TCP, connected to 127.0.0.1:7001',
    });
    expect(wait.awaited).toMatchObject([{ task: world.image.address('server'), certainty: 'exact' }]);
  });

  it('of another port, another protocol or another network namespace is another one', () => {
    const other = connected();
    other.process('server', [internet(other, 'far', { own: SERVER, other: '127.0.0.1:40001' })]);
    expect(other.wait(RECV)).toMatchObject({ edge: 'IP, elsewhere or unknown', awaited: [] });
    const udp = connected();
    udp.process('server', [internet(udp, 'far', { own: SERVER, other: OWN, protocol: UDP })]);
    expect(udp.wait(RECV).awaited).toEqual([]);
    const net = connected();
    net.process('server', [internet(net, 'far', { own: SERVER, other: OWN, net: 0xffff888000008000n })]);
    expect(net.wait(RECV).awaited).toEqual([]);
  });

  it('to another machine names the address, and nobody', () => {
    const wait = connected({ other: '10.0.0.9:2049' }).wait(RECV);
    expect(wait).toMatchObject({ edge: 'IP, elsewhere or unknown', awaited: [] });
    expect(wait.detail).toBe('TCP, connected to 10.0.0.9:2049; no process here has the other end');
  });

  it('that nobody has accepted leads to who listens there', () => {
    for (const own of [SERVER, '0.0.0.0:7001']) {
      const world = connected();
      world.process('server', [internet(world, 'door', { own, state: LISTEN })]);
      world.process('other', [internet(world, 'another', { own: '127.0.0.1:7002', state: LISTEN })]);
      const wait = world.wait(RECV);
      expect(wait.edge).toBe('IP socket that listens');
      expect(wait.awaited).toMatchObject([{ task: world.image.address('server') }]);
    }
  });

  it('that is asked for says so', () => {
    expect(connected({ state: SYN_SENT }).wait(RECV).detail).toContain('TCP, asks for a connection to 127.0.0.1:7001');
  });

  it('whose other table is damaged leads to nobody, and does not say that nobody has it', () => {
    const world = connected();
    world.process('server', [internet(world, 'far', { own: SERVER, other: OWN })]);
    world.image.write('server fdt.max_fds', 1 << 30);
    expect(world.wait(RECV)).toMatchObject({ awaited: [], detail: 'TCP, connected to 127.0.0.1:7001' });
  });

  it('waits for anybody where it listens or has no other end', () => {
    expect(connected({ state: LISTEN, own: SERVER, other: '0.0.0.0:0' }).wait(RECV)).toMatchObject({
      detail: 'TCP, for a connection to 127.0.0.1:7001',
      awaited: [],
    });
    expect(connected({ protocol: UDP, own: '0.0.0.0:53', other: '0.0.0.0:0' }).wait(RECV)).toMatchObject({
      detail: 'UDP, from anybody to 0.0.0.0:53',
      awaited: [],
    });
  });
});

describe('room in the queue of another socket of AF_UNIX', () => {
  const SEND = ['__schedule', 'schedule', 'schedule_timeout', 'unix_wait_for_peer', 'unix_dgram_sendmsg'];

  function full(state?: number): Channels {
    const world = new Channels();
    socketTypes(world);
    world.table('sleeper', [unixSocket(world, 'near', undefined)]);
    world.process('syslogd', [unixSocket(world, 'log', '/run/log', state)]);
    world.standsIn('log sock.peer_wq.wait');
    return world;
  }

  it('leads to who does not read it', () => {
    const world = full();
    const wait = world.wait(SEND);
    expect(wait).toMatchObject({ kind: 'socket', edge: 'AF_UNIX queue of another', name: '/run/log' });
    expect(wait.object).toEqual({ address: world.image.address('log'), ctype: 'struct socket' });
    expect(wait.awaited).toMatchObject([{ task: world.image.address('syslogd'), certainty: 'exact' }]);
  });

  it('leads to who accepts no connection', () => {
    expect(full(LISTEN).wait(SEND).what).toBe('for a place among the connections to the socket');
  });

  it('is none where the functions are others, or the socket does not link back', () => {
    expect(full().wait(['__schedule', 'schedule', 'a_driver_waits']).edge).toBe('wait queue');
    const damaged = full();
    damaged.image.write('log.sk', 0);
    expect(damaged.wait(SEND)).toMatchObject({ proof: 'function', awaited: [] });
  });
});

it('a socket of AF_UNIX says what it is bound or connected to', () => {
  const world = new Channels();
  socketTypes(world);
  world.table('sleeper', [unixSocket(world, 'near', undefined)]);
  world.process('dbus', [unixSocket(world, 'far', '\0bus')]);
  world.image.write('near sock.peer', ref('far sock'));
  world.standsIn('near.wq.wait');
  expect(world.wait(['__schedule', 'schedule', 'unix_stream_read_generic'])).toMatchObject({
    edge: 'AF_UNIX peer',
    detail: 'connected to @bus',
    awaited: [{ task: world.image.address('dbus') }],
  });
});

it('addresses are written as people write them', () => {
  const six = (text: string): string => addressText(Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex')));
  expect(addressText(Uint8Array.of(10, 0, 0, 9))).toBe('10.0.0.9');
  expect(six('00000000 00000000 00000000 00000001')).toBe('::1');
  expect(six('fe800000 00000000 00010000 00000002')).toBe('fe80::1:0:0:2');
  expect(six('20010db8 00010002 00030004 00050006')).toBe('2001:db8:1:2:3:4:5:6');
  expect(six('00000000 00000000 0000ffff 7f000001')).toBe('127.0.0.1');
  expect(six('20010db8 00000000 00000000 00000000')).toBe('2001:db8::');
});
