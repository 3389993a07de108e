import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import { ref } from '../../test/builders/image.ts';
import { OpenFilesBuilder } from '../../test/builders/open-files.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { Vfs } from '../../test/builders/vfs.ts';
import type { Task } from '../kernel/sched.ts';
import { defineCommand } from '../model/command.ts';
import { viewsOf } from './per-task.ts';
import { taskSockets } from './sockets.ts';

function machine() {
  const vfs = new Vfs('6.1');
  const { image } = vfs;
  const files = new OpenFilesBuilder(vfs);
  image.struct('sock_common', {
    skc_daddr: 'u32',
    skc_rcv_saddr: 'u32',
    skc_dport: 'u16',
    skc_num: 'u16',
    skc_family: 'unsigned short',
  });
  image.struct('sock', { __sk_common: 'struct sock_common', sk_protocol: 'u16' });
  image.struct('socket', { state: 'int', type: 'short', sk: 'struct sock *' });
  image.place('peer', 'struct sock', {
    '__sk_common.skc_family': 2,
    '__sk_common.skc_daddr': 0x0202000a,
    '__sk_common.skc_rcv_saddr': 0x0f02000a,
    '__sk_common.skc_dport': 0xbb01,
    '__sk_common.skc_num': 33000,
  });
  image.place('tcp', 'struct socket', { type: 1, sk: ref('peer') });
  files.file('connection', { entry: 'report', count: 1, operations: 'socket_file_ops', private: ref('tcp') });
  files.file('log', { entry: 'report', count: 1 });
  files.table('ps', { 3: 'connection', 4: 'log' });
  return image;
}

/** `net -s` of a task that stands in no list. */
function sockets(image: ReturnType<typeof machine>, whole = false, only?: bigint) {
  const task = { address: image.address('ps'), pid: 96, comm: 'ps', cpu: 0 } as Task;
  const command = defineCommand({
    name: 'sockets',
    summary: 'for this test',
    options: [],
    arguments: [],
    examples: [{ line: 'sockets', what: 'all' }],
    run: (context) => viewsOf(context, [task], (each) => taskSockets(context, each, { whole, radix: 10, only })),
  });
  return commandRunner([command], programOfImage(image)).run('sockets');
}

const hex = (image: ReturnType<typeof machine>, label: string): string => image.address(label).toString(16);

test('a connection with its addresses and ports, and not the other files', () => {
  const image = machine();
  const { lines, problems } = sockets(image);
  expect(lines.slice(1)).toEqual([
    'FD      SOCKET            SOCK       FAMILY:TYPE SOURCE-PORT DESTINATION-PORT',
    ` 3 ${hex(image, 'tcp')} ${hex(image, 'peer')} INET:STREAM  10.0.2.15-33000 10.0.2.2-443`,
  ]);
  expect(problems).toEqual([]);
  expect(sockets(image, true).lines).toContain('struct socket {');
});

test('-R: one of them, by its descriptor or by either address', () => {
  const image = machine();
  for (const only of [3n, image.address('tcp'), image.address('peer')])
    expect(sockets(image, false, only).lines).toHaveLength(3);
  expect(sockets(image, false, 4n).lines).toEqual([]);
});

test('a socket of another family has no ports; one that cannot be read is told', () => {
  const image = machine();
  image.write('peer.__sk_common.skc_family', 16);
  image.write('peer.sk_protocol', 16);
  expect(sockets(image).lines.at(-1)).toBe(` 3 ${hex(image, 'tcp')} ${hex(image, 'peer')} NETLINK/GENERIC:STREAM`);
  image.write('tcp.sk', 0xffffc900dead0000n);
  const broken = sockets(image);
  expect(broken.lines.at(-1)).toBe('No open sockets.');
  expect(broken.problems).toEqual(['pid 96, descriptor 3: its socket cannot be read']);
});
