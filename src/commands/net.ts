/** `net`: the network devices of a namespace and their addresses; IPv4's neighbours; sockets that tasks have open. */
import { parseAddress, type VirtAddr } from '../base/address.ts';
import { isDataError, UsageError } from '../base/errors.ts';
import { deviceAddresses, type Neighbour, neighbours, netDevices, taskNet } from '../kernel/net-devices.ts';
import { type CommandArguments, type CommandContext, defineCommand } from '../model/command.ts';
import { type Shape, shown, type Table } from '../model/shape.ts';
import { address, name } from '../model/value.ts';
import { parseCount } from '../shell/arguments.ts';
import { hex16 } from '../shell/format.ts';
import { hardwareText, internetText } from '../shell/internet.ts';
import { perTask } from '../shell/per-task.ts';
import { taskSockets } from '../shell/sockets.ts';
import { currentTask, oneTask } from '../shell/tasks.ts';

const ARPHRD_ETHER = 1;
/** NUD_* of include/net/neighbour.h. */
const STATES: readonly (readonly [bit: number, name: string])[] = [
  [0x01, 'INCOMPLETE'],
  [0x02, 'REACHABLE'],
  [0x04, 'STALE'],
  [0x08, 'DELAY'],
  [0x10, 'PROBE'],
  [0x20, 'FAILED'],
  [0x40, 'NOARP'],
  [0x80, 'PERMANENT'],
];

export default defineCommand({
  name: 'net',
  summary: 'network devices and their addresses, neighbours, sockets',
  options: [
    { flag: 's', summary: 'sockets that a task has open' },
    { flag: 'S', summary: 'the same, with struct socket and struct sock' },
    { flag: 'x', summary: 'with -S: numbers in hex' },
    { flag: 'd', summary: 'with -S: numbers in decimal' },
    {
      flag: 'R',
      value: 'ref',
      kind: 'address',
      summary: 'with -s, -S: only this descriptor, struct socket or struct sock',
    },
    { flag: 'n', summary: 'the devices of the network namespace that a task is in' },
    { flag: 'a', summary: 'the neighbours that IPv4 knows: the ARP cache, of all namespaces' },
    { flag: 'N', value: 'number', kind: 'number', summary: 'an IPv4 address, as it lies in memory, as text' },
  ],
  arguments: [{ name: 'pid | task | command', kinds: ['task'], optional: true, repeated: true }],
  examples: [
    { line: 'net', what: 'all devices' },
    { line: 'net -n 96', what: 'those that a task sees' },
    { line: 'net -s 1', what: 'the sockets of a task' },
    { line: 'foreach net -s', what: 'those of all tasks' },
  ],
  run(context, args) {
    if (args.has('s') || args.has('S')) {
      const radix = args.has('x') ? 16 : args.has('d') ? 10 : context.session.radix;
      const only = wantedSocket(args);
      return perTask(context, args, (task) => taskSockets(context, task, { whole: args.has('S'), radix, only }));
    }
    if (args.has('R')) throw new UsageError('-R is for -s and -S');
    if (args.has('a')) return arpCache(context);
    const number = args.value('N');
    if (number !== undefined) {
      const value = parseCount(number, '-N', 0, 0xffffffff);
      const text = [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff).join('.');
      return { shape: 'lines', lines: [text], data: () => text };
    }
    if (args.has('n')) return devices(context, namespaceOf(context, args));
    if (args.positionals.length > 0) throw new UsageError('tasks are for -n, -s and -S');
    return devices(context, context.program.symbol('init_net').address);
  },
});

/** Of the task that is named, else of the current one. @throws UsageError when it has ended */
function namespaceOf(context: CommandContext, { positionals, raws }: CommandArguments): VirtAddr {
  const [text, ...more] = positionals;
  if (more.length > 0) throw new UsageError('-n is for one task');
  const task = text === undefined ? currentTask(context) : oneTask(context, text, raws[0] ?? text);
  const net = taskNet(context.program, task.address);
  if (net === undefined) throw new UsageError(`${task.comm} (pid ${task.pid}) has ended and is in no namespace`);
  return net;
}

/** @throws UsageError */
function wantedSocket(args: CommandArguments): bigint | undefined {
  const text = args.value('R');
  if (text === undefined) return undefined;
  const value = /^\d{1,7}$/.test(text) ? BigInt(text) : parseAddress(text);
  if (value === undefined) throw new UsageError(`-R '${text}': must be a descriptor or an address`);
  return value;
}

function devices(context: CommandContext, net: VirtAddr): Table {
  const { program, problem, budget } = context;
  const rows: { readonly at: VirtAddr; readonly label: string; readonly addresses: readonly string[] }[] = [];
  told(problem, 'network devices', () => {
    for (const { device, name: label } of netDevices(program, net)) {
      budget.check();
      const addresses: string[] = [];
      told(problem, `addresses of ${label}`, () => {
        for (const bytes of deviceAddresses(program, device)) addresses.push(internetText(bytes));
      });
      rows.push({ at: device, label, addresses });
    }
  });
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

/** Runs what adds to an answer; what it could not read is told. */
function told(problem: (text: string) => void, what: string, read: () => void): void {
  try {
    read();
  } catch (error) {
    if (!isDataError(error)) throw error;
    problem(`${what}: ${error.message}`);
  }
}

function arpCache({ program, problem, budget }: CommandContext): Shape {
  const found: Neighbour[] = [];
  told(problem, 'neighbours', () => {
    for (const each of neighbours(program)) {
      budget.check();
      found.push(each);
    }
  });
  return {
    shape: 'table',
    // Nothing at all where there are none, as crash.
    header: found.length === 0 ? false : 'NEIGHBOUR        IP ADDRESS      HW TYPE    HW ADDRESS         DEVICE  STATE',
    columns: [
      { key: 'neighbour', label: 'NEIGHBOUR', align: 'left', width: 16 },
      { key: 'address', label: 'IP ADDRESS', align: 'left', width: 15, gap: 1 },
      { key: 'hardware_type', label: 'HW TYPE', align: 'left', width: 10, gap: 1 },
      { key: 'hardware', label: 'HW ADDRESS', align: 'left', width: 18, gap: 1 },
      { key: 'device', label: 'DEVICE', align: 'left', width: 6, gap: 1 },
      { key: 'state', label: 'STATE', align: 'left', gap: 2 },
    ],
    rows: found.map(({ neighbour, address: of, type, hardware, deviceName, state }) => {
      const isEthernet = type === ARPHRD_ETHER;
      const states = STATES.flatMap(([bit, text]) => ((state & bit) === 0 ? [] : [text]));
      return [
        shown(hex16(neighbour), address(neighbour)),
        internetText(of),
        shown(isEthernet ? 'ETHER' : 'UNKNOWN', type),
        shown(hardwareText(hardware, isEthernet ? ':' : ' '), hardwareText(hardware)),
        shown(deviceName ?? '?', deviceName === undefined ? undefined : name(deviceName)),
        shown(states.length === 0 ? 'NONE' : states.join('|'), states),
      ];
    }),
  };
}
