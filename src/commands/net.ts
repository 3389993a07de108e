/** `net`: the network devices of the machine's first namespace and their IPv4 addresses; sockets that tasks have open. */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { isDataError, UsageError, ValidationError } from '../base/errors.ts';
import { listEntries } from '../kernel/list.ts';
import { type CommandContext, defineCommand } from '../model/command.ts';
import { shown, type Table } from '../model/shape.ts';
import { address, name } from '../model/value.ts';
import type { Program } from '../program/program.ts';
import { parseCount } from '../shell/arguments.ts';
import { hex16 } from '../shell/format.ts';
import { perTask } from '../shell/per-task.ts';
import { taskSockets } from '../shell/sockets.ts';

const MAX_DEVICES = 1 << 16;
const MAX_ADDRESSES = 4096;

export default defineCommand({
  name: 'net',
  summary: 'network devices and their IPv4 addresses',
  options: [
    { flag: 's', summary: 'sockets that a task has open' },
    { flag: 'S', summary: 'the same, with struct socket and struct sock' },
    { flag: 'x', summary: 'with -S: numbers in hex' },
    { flag: 'd', summary: 'with -S: numbers in decimal' },
    { flag: 'N', value: 'number', kind: 'number', summary: 'an IPv4 address, as it lies in memory, as text' },
  ],
  arguments: [{ name: 'pid | task | command', kinds: ['task'], optional: true, repeated: true }],
  examples: [
    { line: 'net', what: 'all devices' },
    { line: 'net -s 1', what: 'the sockets of a task' },
    { line: 'foreach net -s', what: 'those of all tasks' },
  ],
  run(context, args) {
    if (args.has('s') || args.has('S')) {
      const radix = args.has('x') ? 16 : args.has('d') ? 10 : context.session.radix;
      return perTask(context, args, (task) => taskSockets(context, task, args.has('S'), radix));
    }
    const number = args.value('N');
    if (number !== undefined) {
      const value = parseCount(number, '-N', 0, 0xffffffff);
      const text = [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff).join('.');
      return { shape: 'lines', lines: [text], data: () => text };
    }
    if (args.positionals.length > 0) throw new UsageError('tasks are for -s and -S');
    return devices(context);
  },
});

function devices({ program, problem, budget }: CommandContext): Table {
  const head = program.field('struct net', 'dev_base_head').address(program.symbol('init_net').address);
  const rows: { readonly at: VirtAddr; readonly label: string; readonly addresses: readonly string[] }[] = [];
  try {
    for (const at of listEntries(program, head, 'struct net_device', 'dev_list', MAX_DEVICES)) {
      budget.check();
      const label = program.field('struct net_device', 'name').text(at);
      rows.push({ at, label, addresses: addressesOf(program, at, problem) });
    }
  } catch (error) {
    if (!isDataError(error)) throw error;
    problem(`network devices: ${error.message}`);
  }
  return {
    shape: 'table',
    header: '   NET_DEVICE     NAME       IP ADDRESS(ES)',
    columns: [
      { key: 'device', label: 'NET_DEVICE', align: 'left', width: 16 },
      { key: 'name', label: 'NAME', align: 'left', width: 10 },
      { key: 'addresses', label: 'IP ADDRESS(ES)', align: 'left', gap: 1 },
    ],
    rows: rows.map(({ at, label, addresses }) => [
      shown(hex16(at), address(at)),
      name(label),
      shown(addresses.join(', '), addresses),
    ]),
  };
}

function addressesOf(program: Program, device: VirtAddr, problem: (text: string) => void): readonly string[] {
  const found: string[] = [];
  try {
    const inDevice = program.field('struct net_device', 'ip_ptr').pointer(device);
    if (!isKernel(inDevice)) return found;
    const next = program.field('struct in_ifaddr', 'ifa_next');
    const local = program.field('struct in_ifaddr', 'ifa_local');
    let at = program.field('struct in_device', 'ifa_list').pointer(inDevice);
    for (; at !== 0n; at = next.pointer(at)) {
      if (!isKernel(at) || found.length >= MAX_ADDRESSES)
        throw new ValidationError('struct in_ifaddr', at, 'the addresses of a device do not end');
      // __be32: the bytes in order are the address.
      found.push([...program.memory.readBytes(local.address(at), 4)].join('.'));
    }
  } catch (error) {
    if (!isDataError(error)) throw error;
    problem(`addresses of a device: ${error.message}`);
  }
  return found;
}
