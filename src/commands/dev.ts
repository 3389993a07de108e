/** `dev`: registered devices, I/O ports and memory, PCI devices, and requests that disks are working at. */
import { add, distance, type VirtAddr, virt } from '../base/address.ts';
import { isDataError, UsageError } from '../base/errors.ts';
import { inFlight } from '../kernel/block-tags.ts';
import { deviceDumps } from '../kernel/device-dumps.ts';
import { blockMajors, charDevices, type Disk, disks, type PciBus, pciBuses } from '../kernel/devices.ts';
import { type PlacedResource, resourcesBelow } from '../kernel/iomem.ts';
import { type CommandContext, defineCommand } from '../model/command.ts';
import { type Cell, type Shape, shown, type Table } from '../model/shape.ts';
import { address, name, symbol as symbolValue } from '../model/value.ts';
import type { Program } from '../program/program.ts';
import { parseCount } from '../shell/arguments.ts';
import { hex16 } from '../shell/format.ts';
import { dumpRows, WORDS } from '../shell/memory-dump.ts';

export default defineCommand({
  name: 'dev',
  summary: 'devices: registered ones, I/O resources, PCI, what disks are working at',
  options: [
    { flag: 'i', summary: 'I/O ports and I/O memory' },
    { flag: 'p', summary: 'PCI devices' },
    { flag: 'd', summary: 'requests of each disk that its driver has' },
    { flag: 'D', summary: 'the same without disks that have none' },
    { flag: 'V', summary: 'dumps of devices that the dump holds' },
    { flag: 'v', value: 'index', kind: 'number', summary: 'the bytes of one of them' },
  ],
  arguments: [],
  examples: [
    { line: 'dev', what: 'character and block devices' },
    { line: 'dev -d', what: 'what the disks are working at' },
    { line: 'dev -v 0', what: 'the first dump that a driver left, as rd shows memory' },
    { line: 'dev -p', what: 'PCI devices' },
  ],
  run(context, args) {
    const { program } = context;
    if (args.has('i')) {
      return {
        shape: 'list',
        items: [resources(program, 'ioport_resource', 4), resources(program, 'iomem_resource', 8)],
      };
    }
    if (args.has('p')) return pci(pciBuses(program));
    if (args.has('d') || args.has('D')) return diskTable(context, args.has('D'));
    const index = args.value('v');
    if (index !== undefined) return deviceDump(program, index);
    if (args.has('V')) return deviceDumpTable(program);
    return { shape: 'list', items: [chars(program), blocks(context)] };
  },
});

function deviceDumpTable(program: Program): Shape {
  const dumps = deviceDumps(program);
  const lines = dumps.map(
    ({ name: label, bytes, offset }, i) =>
      `${String(i).padStart(3)}    ${(offset === undefined ? '?' : `0x${offset.toString(16)}`).padEnd(16)}   ` +
      `${String(bytes.length).padEnd(14)}   ${label}`,
  );
  return {
    shape: 'lines',
    lines:
      dumps.length === 0
        ? ['no device dumps found in this dumpfile']
        : ['INDEX  OFFSET             SIZE             NAME', ...lines],
    data: () =>
      dumps.map(({ name: label, bytes, offset }, i) => ({ index: i, offset, size: bytes.length, name: name(label) })),
  };
}

/** The bytes of a device dump by their offset in the file, or in the dump where the file does not have them so. */
function deviceDump(program: Program, text: string): Shape {
  const dumps = deviceDumps(program);
  if (dumps.length === 0) throw new UsageError('no device dumps found in this dumpfile');
  const dump = dumps[parseCount(text, 'index', 0, dumps.length - 1)];
  if (dump === undefined) throw new UsageError(`no device dump has the index ${text}`);
  const { name: label, bytes, offset = 0 } = dump;
  const start = virt(BigInt(offset));
  const whole = Math.floor(bytes.length / 8);
  const read = (at: VirtAddr, length: number): Uint8Array => {
    const from = distance(at, start);
    return bytes.subarray(from, from + length);
  };
  const rest = bytes.length - whole * 8;
  return {
    shape: 'lines',
    lines: [
      `DEVICE: ${label}`,
      ...dumpRows(start, whole, WORDS, read),
      ...(rest === 0 ? [] : dumpRows(add(start, whole * 8), rest, { ...WORDS, size: 1 }, read)),
    ],
    data: () => ({ name: name(label), size: bytes.length, hex: Buffer.from(bytes).toString('hex') }),
  };
}

function operationsCell(program: Program, at: VirtAddr | undefined): Cell {
  if (at === undefined || at === 0n) return shown('(none)', undefined);
  const found = program.symbols.at(at);
  return found === undefined || found.offset !== 0
    ? shown(hex16(at), address(at))
    : shown(found.name, symbolValue(found.name));
}

function tableOf(first: string, second: string, header: string, rows: readonly (readonly Cell[])[]): Table {
  return {
    shape: 'table',
    header,
    columns: [
      { key: 'major', label: first, align: 'right', width: 4 },
      { key: 'name', label: 'NAME', align: 'left', width: 12, gap: 6 },
      { key: 'object', label: second, align: 'left', width: 16, gap: 3 },
      { key: 'operations', label: 'OPERATIONS', align: 'left', gap: 2 },
    ],
    rows,
  };
}

const none = (): Cell => shown('     (none)', undefined);

function chars(program: Program): Table {
  const rows = charDevices(program).map(({ major, name: label, cdev, operations }): Cell[] => [
    shown(String(major), major),
    name(label),
    cdev === undefined ? none() : shown(hex16(cdev), address(cdev)),
    cdev === undefined ? shown('', undefined) : operationsCell(program, operations),
  ]);
  return tableOf('CHRDEV', 'CDEV', 'CHRDEV    NAME                 CDEV        OPERATIONS', rows);
}

function blocks(context: CommandContext): Table {
  const { program } = context;
  const all = readDisks(context);
  const rows = blockMajors(program).map(({ major, name: label }): Cell[] => {
    const disk = all.find((each) => each.major === major);
    return [
      shown(String(major), major),
      name(label),
      disk === undefined ? none() : shown(hex16(disk.address), address(disk.address)),
      disk === undefined ? shown('', undefined) : operationsCell(program, disk.operations),
    ];
  });
  return tableOf('BLKDEV', 'GENDISK', 'BLKDEV    NAME                GENDISK      OPERATIONS', rows);
}

function readDisks({ program, problem }: CommandContext): readonly Disk[] {
  try {
    return disks(program);
  } catch (error) {
    if (!isDataError(error)) throw error;
    problem(`disks: ${error.message}`);
    return [];
  }
}

function diskTable(context: CommandContext, busyOnly: boolean): Shape {
  const { program, problem } = context;
  const rows: Cell[][] = [];
  for (const disk of disks(program)) {
    let counts: ReturnType<typeof inFlight>;
    try {
      counts = inFlight(program, disk.queue);
    } catch (error) {
      if (!isDataError(error)) throw error;
      problem(`requests of ${disk.name}: ${error.message}`);
    }
    const total = counts === undefined ? undefined : counts.reads + counts.writes;
    if (busyOnly && total === 0) continue;
    const cell = (count: number | undefined): Cell => shown(count === undefined ? '-' : String(count), count);
    rows.push([
      shown(String(disk.major), disk.major),
      shown(hex16(disk.address), address(disk.address)),
      name(disk.name),
      shown(hex16(disk.queue), address(disk.queue)),
      cell(total),
      cell(counts?.reads),
      cell(counts?.writes),
    ]);
  }
  return {
    shape: 'table',
    header: 'MAJOR GENDISK            NAME       REQUEST_QUEUE      TOTAL  READ WRITE',
    columns: [
      { key: 'major', label: 'MAJOR', align: 'right', width: 5 },
      { key: 'gendisk', label: 'GENDISK', align: 'left', width: 18, gap: 1 },
      { key: 'name', label: 'NAME', align: 'left', width: 10, gap: 1 },
      { key: 'queue', label: 'REQUEST_QUEUE', align: 'left', width: 18, gap: 1 },
      { key: 'total', label: 'TOTAL', align: 'right', width: 5, gap: 1 },
      { key: 'reads', label: 'READ', align: 'right', width: 5, gap: 1 },
      { key: 'writes', label: 'WRITE', align: 'right', width: 5, gap: 1 },
    ],
    rows,
  };
}

function resources(program: Program, root: string, digits: number): Table {
  const at = program.symbol(root).address;
  const field = (path: string) => program.field('struct resource', path);
  const own: PlacedResource = {
    address: at,
    name: field('name').string(at, 64) ?? '',
    start: field('start').u64(at),
    end: field('end').u64(at),
    depth: 0,
  };
  const all = [own, ...resourcesBelow(program, at)];
  const text = (value: bigint): string => value.toString(16).padStart(digits, '0');
  const range = digits * 2 + 1;
  return {
    shape: 'table',
    header: digits === 4 ? '    RESOURCE        RANGE    NAME' : '    RESOURCE            RANGE        NAME',
    columns: [
      { key: 'resource', label: 'RESOURCE', align: 'left', width: 16 },
      { key: 'range', label: 'RANGE', align: 'left', width: range },
      { key: 'name', label: 'NAME', align: 'left' },
    ],
    rows: all.map((each) => [
      shown(hex16(each.address), address(each.address)),
      shown(`${text(each.start)}-${text(each.end)}`, { start: text(each.start), end: text(each.end) }),
      name(each.name),
    ]),
  };
}

/** By the type of the port, as in the PCI Express capability. */
const PORTS: ReadonlyMap<number, string> = new Map([
  [0, 'ENDPOINT'],
  [1, 'LEG_END'],
  [4, 'ROOT_PORT'],
  [5, 'UPSTREAM'],
  [6, 'DOWNSTREAM'],
  [7, 'PCI_BRIDGE'],
  [8, 'PCIE_BRIDGE'],
  [9, 'RC_END'],
  [10, 'RC_EC'],
]);

function centred(text: string, width: number): string {
  return text.padStart(text.length + Math.floor((width - text.length) / 2)).padEnd(width);
}

function pci(buses: readonly PciBus[]): Shape {
  const lines = buses.flatMap((bus): string[] => [
    bus.parent === undefined ? '    ROOT BUS     BUSNAME' : '      PCI BUS    BUSNAME   PARENT BUS',
    `${hex16(bus.address)} ${bus.name ?? '?'}${bus.parent === undefined ? '' : `   ${hex16(bus.parent)}`}`,
    '      PCI DEV      DO:BU:SL.FN  CLASS   PCI_ID      TYPE',
    ...bus.devices.map(
      ({ address: at, name: label, class: kind, vendor, device, port }) =>
        `  ${hex16(at)} ${label ?? '?'}  ${kind.toString(16).padStart(4, '0')}  ` +
        `${centred(`${vendor.toString(16)}:${device.toString(16)}`, 9)}  ${PORTS.get(port) ?? String(port)}`,
    ),
    '',
  ]);
  const data = () =>
    buses.map(({ address: at, name: label, devices }) => ({
      bus: address(at),
      name: label,
      devices: devices.map((each) => ({ ...each, address: address(each.address), port: PORTS.get(each.port) })),
    }));
  return { shape: 'lines', lines, data };
}
