/**
 * Devices as the kernel registers them: character devices (`chrdevs`, `cdev_map`: fs/char_dev.c, drivers/base/map.c), block
 * majors and disks (block/genhd.c), PCI buses and their devices (drivers/pci).
 */
import { isKernel, NULL, add, type VirtAddr } from '../base/address.ts';
import { attempt, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { listEntries, listNodes } from './list.ts';

/** CHRDEV_MAJOR_HASH_SIZE, BLKDEV_MAJOR_HASH_SIZE and the slots of `struct kobj_map`. */
const SLOTS = 255;
const MAX_CHAIN = 4096;
const MINOR_BITS = 20n;

export interface CharDevice {
  readonly major: number;
  readonly minor: number;
  readonly name: string;
  /** `struct cdev *`; undefined when none is registered for its first number. */
  readonly cdev: VirtAddr | undefined;
  /** `const struct file_operations *`. */
  readonly operations: VirtAddr | undefined;
}

/**
 * All `struct char_device_struct`, by major and then in the order of their registration.
 * @throws FaultError, LookupError, ValidationError when a chain does not end
 */
export function charDevices(program: Program): readonly CharDevice[] {
  const table = program.symbol('chrdevs').address;
  const type = 'struct char_device_struct';
  const field = (path: string) => program.field(type, path);
  const probes = attempt(() => cdevProbes(program)) ?? new Map<bigint, VirtAddr>();
  const ops = program.field('struct cdev', 'ops');
  const found: CharDevice[] = [];
  for (const at of chains(program, table, type)) {
    const major = field('major').number(at);
    const minor = field('baseminor').number(at);
    const own = field('cdev').pointer(at);
    const cdev = own === NULL ? probes.get((BigInt(major) << MINOR_BITS) | BigInt(minor)) : own;
    const operations = cdev === undefined ? undefined : attempt(() => ops.pointer(cdev));
    found.push({ major, minor, name: field('name').text(at), cdev, operations });
  }
  return found.sort((a, b) => a.major - b.major);
}

/** `struct cdev *` by first device number, of `struct kobj_map *cdev_map`. */
function cdevProbes(program: Program): Map<bigint, VirtAddr> {
  const map = program.memory.readPointer(program.symbol('cdev_map').address);
  const field = (path: string) => program.field('struct probe', path);
  const found = new Map<bigint, VirtAddr>();
  for (const at of chains(program, program.field('struct kobj_map', 'probes').address(map), 'struct probe')) {
    const data = field('data').pointer(at);
    const device = field('dev').u64(at);
    if (isKernel(data) && !found.has(device)) found.set(device, data);
  }
  return found;
}

/** Objects of a hash table of 255 chains that are linked by `next`. */
function* chains(program: Program, table: VirtAddr, type: string): Generator<VirtAddr> {
  const next = program.field(type, 'next');
  for (let slot = 0; slot < SLOTS; slot++) {
    let count = 0;
    for (let at = program.memory.readPointer(add(table, 8 * slot)); at !== NULL; at = next.pointer(at)) {
      if (!isKernel(at) || ++count > MAX_CHAIN) throw new ValidationError(type, at, 'the chain is broken');
      yield at;
    }
  }
}

export interface BlockMajor {
  readonly major: number;
  readonly name: string;
}

/** All `struct blk_major_name`. @throws FaultError, LookupError, ValidationError when a chain does not end */
export function blockMajors(program: Program): readonly BlockMajor[] {
  const field = (path: string) => program.field('struct blk_major_name', path);
  const found: BlockMajor[] = [];
  for (const at of chains(program, program.symbol('major_names').address, 'struct blk_major_name'))
    found.push({ major: field('major').number(at), name: field('name').text(at) });
  return found.sort((a, b) => a.major - b.major);
}

export interface Disk {
  /** `struct gendisk *`. */
  readonly address: VirtAddr;
  readonly name: string;
  readonly major: number;
  /** `const struct block_device_operations *`. */
  readonly operations: VirtAddr;
  /** `struct request_queue *`. */
  readonly queue: VirtAddr;
}

/**
 * Whole disks: each `struct gendisk` of the devices of `block_class`.
 * @throws FaultError, LookupError, ValidationError when a list is damaged
 */
export function disks(program: Program): readonly Disk[] {
  const field = (path: string) => program.field('struct gendisk', path);
  const holder = diskDevices(program);
  const found: Disk[] = [];
  for (const device of classDevices(program, program.symbol('block_class').address)) {
    const disk = holder(device);
    if (disk === undefined) continue;
    found.push({
      address: disk,
      name: field('disk_name').text(disk),
      major: field('major').number(disk),
      operations: field('fops').pointer(disk),
      queue: field('queue').pointer(disk),
    });
  }
  return found;
}

/** From a `struct device *` of a block device to its disk; undefined for partitions. */
function diskDevices(program: Program): (device: VirtAddr) => VirtAddr | undefined {
  const own = program.tryField('struct block_device', 'bd_device');
  if (own !== undefined) {
    // Since 5.11 (commit 0d02129e76ed) the block device has the device; the first one is the whole disk's.
    const disk = program.field('struct block_device', 'bd_disk');
    const whole = program.field('struct gendisk', 'part0');
    return (device) => {
      const at = disk.pointer(own.container(device));
      return isKernel(at) && whole.pointer(at) === own.container(device) ? at : undefined;
    };
  }
  const part = program.field('struct hd_struct', '__dev');
  const number = program.field('struct hd_struct', 'partno');
  const whole = program.field('struct gendisk', 'part0');
  return (device) => {
    const at = part.container(device);
    return number.number(at) === 0 ? whole.container(at) : undefined;
  };
}

/**
 * Devices of a `struct class *`, as `struct device *`.
 * @throws FaultError, LookupError, ValidationError when a list is damaged
 */
function* classDevices(program: Program, of: VirtAddr): Generator<VirtAddr> {
  const node = program.field('struct device_private', 'knode_class.n_node');
  const device = program.field('struct device_private', 'device');
  const list = program.field('struct subsys_private', 'klist_devices.k_list');
  for (const at of listNodes(program, list.address(subsystemOf(program, of)), MAX_CHAIN * 16))
    yield device.pointer(node.container(at));
}

/** `struct subsys_private *` of a `struct class *`. */
function subsystemOf(program: Program, of: VirtAddr): VirtAddr {
  const own = program.tryField('struct class', 'p');
  if (own !== undefined) return own.pointer(of);
  // Since 6.4 (commit 2df418cf4b72) it is found among those of class_kset.
  const kset = program.memory.readPointer(program.symbol('class_kset').address);
  const owner = program.field('struct subsys_private', 'class');
  const entry = program.field('struct subsys_private', 'subsys.kobj.entry');
  for (const node of listNodes(program, program.field('struct kset', 'list').address(kset), MAX_CHAIN)) {
    const at = entry.container(node);
    if (owner.pointer(at) === of) return at;
  }
  throw new ValidationError('struct class', of, 'is not among the registered ones');
}

export interface PciBus {
  /** `struct pci_bus *`. */
  readonly address: VirtAddr;
  /** '0000:00'. */
  readonly name: string | undefined;
  /** Undefined for a root bus. */
  readonly parent: VirtAddr | undefined;
  readonly devices: readonly PciDevice[];
}

export interface PciDevice {
  /** `struct pci_dev *`. */
  readonly address: VirtAddr;
  /** '0000:00:01.1'. */
  readonly name: string | undefined;
  /** Base class and subclass: 0x0200 for Ethernet. */
  readonly class: number;
  readonly vendor: number;
  readonly device: number;
  /** Type of the port in the PCI Express capability: 0 endpoint, 4 root port ...; 0 also where there is none. */
  readonly port: number;
}

const MAX_BUS_DEPTH = 64;

/** All `struct pci_bus`, parents first. @throws FaultError, LookupError, ValidationError when a list is damaged */
export function pciBuses(program: Program): readonly PciBus[] {
  const found: PciBus[] = [];
  const bus = (path: string) => program.field('struct pci_bus', path);
  const device = (path: string) => program.field('struct pci_dev', path);
  const visit = (head: VirtAddr, parent: VirtAddr | undefined, depth: number): void => {
    if (depth > MAX_BUS_DEPTH) throw new ValidationError('struct pci_bus', head, 'the buses do not end');
    for (const at of listEntries(program, head, 'struct pci_bus', 'node', MAX_CHAIN)) {
      const devices: PciDevice[] = [];
      for (const each of listEntries(program, bus('devices').address(at), 'struct pci_dev', 'bus_list', MAX_CHAIN))
        devices.push({
          address: each,
          name: attempt(() => device('dev.kobj.name').string(each, 64)),
          class: device('class').number(each) >>> 8,
          vendor: device('vendor').number(each),
          device: device('device').number(each),
          port: (device('pcie_flags_reg').number(each) >> 4) & 0xf,
        });
      found.push({ address: at, name: attempt(() => bus('dev.kobj.name').string(at, 64)), parent, devices });
      visit(bus('children').address(at), at, depth + 1);
    }
  };
  visit(program.symbol('pci_root_buses').address, undefined, 0);
  return found;
}
