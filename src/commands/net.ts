/** `net`: the network devices of the machine's first namespace and their IPv4 addresses. Sockets are not shown. */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { isDataError, ValidationError } from '../base/errors.ts';
import { listEntries } from '../kernel/list.ts';
import { defineCommand } from '../model/command.ts';
import { shown } from '../model/shape.ts';
import { address, name } from '../model/value.ts';
import type { Program } from '../program/program.ts';
import { hex16 } from '../shell/format.ts';

const MAX_DEVICES = 1 << 16;
const MAX_ADDRESSES = 4096;

export default defineCommand({
  name: 'net',
  summary: 'network devices and their IPv4 addresses',
  options: [],
  arguments: [],
  examples: [{ line: 'net', what: 'all devices' }],
  run({ program, problem, budget }) {
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
  },
});

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
