/**
 * What keeps tasks waiting and is no task: a file system that is frozen, a device of device mapper that is suspended, a disk
 * that does not answer. Nobody is bound to end it and nothing records who began it; the tasks behind it are found by the objects that they wait for.
 */
import type { VirtAddr } from '../../base/address.ts';
import { attempt } from '../../base/errors.ts';
import { type FrozenFileSystem, frozenFileSystems } from '../../kernel/frozen-file-system.ts';
import {
  disksBelow,
  isKept,
  type KeptBios,
  keptBios,
  type MappedDevice,
  mappedDevice,
} from '../../kernel/mapped-device.ts';
import type { BlockQueue } from '../../kernel/block-requests.ts';
import type { Disk } from '../../kernel/devices.ts';
import { diskBelowLoop, scsiDisk } from '../../kernel/disk-drivers.ts';
import { mountsOfSuperBlock, readMount } from '../../kernel/mount.ts';
import type { Task } from '../../kernel/sched.ts';
import { superBlocks } from '../../kernel/super-block.ts';
import { pagesOfFolio } from '../../kernel/wait-pages.ts';
import type { TaskWait } from '../../kernel/wait-kinds.ts';
import type { Program } from '../../program/program.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { name, prose, type Prose } from '../../model/value.ts';
import { blocksFact } from './blocks.ts';
import { locksFact } from './locks.ts';
import { isOld, type StuckDisk, stuckDisk, stuckDiskText } from './stuck-disks.ts';
import { taskWaitsFact } from './task-waits.ts';

/** A suspended device with the file systems on it and the block I/O that it keeps. */
export interface SuspendedDevice {
  readonly device: MappedDevice;
  readonly kept: KeptBios;
  /** `struct super_block *` of each file system that lies on it. */
  readonly superBlocks: readonly VirtAddr[];
  /** Where these are mounted. */
  readonly directories: readonly string[];
}

export interface FrozenMount extends FrozenFileSystem {
  /** Where it is mounted. */
  readonly directories: readonly string[];
  /** The suspended device that it lies on: to suspend a device freezes its file system first. */
  readonly on: SuspendedDevice | undefined;
}

export type Obstacle =
  | { readonly kind: 'device'; readonly device: SuspendedDevice }
  | { readonly kind: 'file-system'; readonly fileSystem: FrozenMount }
  | { readonly kind: 'disk'; readonly disk: StuckDisk };

/** What stands in a task's way. */
export interface Blocked {
  readonly obstacle: Obstacle;
  /**
   * `exact`: what it waits for is kept by the device, is a gate of the file system, or is an old request of the disk, or a tag
   * of one all of whose requests are old; `inferred`: it only lies on the device, or its own request is young.
   */
  readonly certainty: 'exact' | 'inferred';
}

export interface Obstacles {
  readonly devices: readonly SuspendedDevice[];
  readonly fileSystems: readonly FrozenMount[];
  of(task: Task): Blocked | undefined;
  /** The file system whose gate a `struct percpu_rw_semaphore *` is. */
  gateOf(lock: VirtAddr): FrozenMount | undefined;
}

export const obstaclesFact = defineFact<Obstacles>({
  id: 'wait-obstacles',
  derive({ program, use, budget }) {
    const devices = attempt(() => suspendedDevices(program)) ?? [];
    const fileSystems = (attempt(() => frozenFileSystems(program)) ?? []).map(
      (found): FrozenMount => ({
        ...found,
        directories: directoriesOf(program, found.superBlock),
        on: devices.find((device) => device.superBlocks.includes(found.superBlock)),
      }),
    );
    const gates = new Map(fileSystems.flatMap((each) => each.gates.map((gate) => [gate, each] as const)));
    const known = new Map<Task, Blocked | undefined>();
    const find = (task: Task): Blocked | undefined => {
      budget.check();
      const lock = use(locksFact).waitOf(task);
      const fileSystem = lock === undefined ? undefined : gates.get(lock.address);
      if (fileSystem !== undefined) return { obstacle: obstacleOf(fileSystem), certainty: 'exact' };
      const wait = lock === undefined ? use(taskWaitsFact).of(task) : undefined;
      // A block of a journal is written by who commits it: the device stands in that one's way.
      if (wait?.object === undefined || wait.awaited.some(({ certainty }) => certainty === 'exact')) return undefined;
      const device = devices.length === 0 ? undefined : behindDevice(program, devices, wait.object);
      return device ?? behindDisk(wait, wait.object);
    };
    const stuck = new Map<BlockQueue, StuckDisk | undefined>();
    const stuckOf = (queue: BlockQueue): StuckDisk | undefined => {
      if (!stuck.has(queue)) stuck.set(queue, lowestStuck(program, queue, use(blocksFact)?.queues ?? []));
      return stuck.get(queue);
    };
    const behindDisk = ({ block, kind }: TaskWait, object: Found): Blocked | undefined => {
      if (block !== undefined) {
        const disk = stuckOf(block.queue);
        const exact = block.request === undefined ? disk?.allOld === true : isOld(block.request);
        return disk && { obstacle: { kind: 'disk', disk }, certainty: exact ? 'exact' : 'inferred' };
      }
      if (kind !== 'page' && kind !== 'buffer') return undefined;
      const address = attempt(() => diskUnder(program, object));
      const queue = use(blocksFact)?.queues.find((each) => each.disk.address === address);
      const disk = queue === undefined ? undefined : stuckOf(queue);
      return disk && { obstacle: { kind: 'disk', disk }, certainty: 'inferred' };
    };
    return {
      devices,
      fileSystems,
      of(task) {
        if (!known.has(task)) known.set(task, find(task));
        return known.get(task);
      },
      gateOf: (lock) => gates.get(lock),
    };
  },
});

const obstacleOf = (fileSystem: FrozenMount): Obstacle =>
  fileSystem.on === undefined ? { kind: 'file-system', fileSystem } : { kind: 'device', device: fileSystem.on };

/** Devices under file systems; one that nothing is mounted from is not found. */
function suspendedDevices(program: Program): readonly SuspendedDevice[] {
  const found = new Map<VirtAddr, { device: MappedDevice; kept: KeptBios; superBlocks: VirtAddr[] }>();
  const checked = new Set<VirtAddr>();
  for (const superBlock of superBlocks(program)) {
    const disk = attempt(() => diskOf(program, superBlock));
    if (disk === undefined) continue;
    const known = found.get(disk);
    if (known !== undefined) known.superBlocks.push(superBlock);
    if (checked.has(disk)) continue;
    checked.add(disk);
    const device = attempt(() => mappedDevice(program, disk));
    if (device?.suspended !== true) continue;
    const kept = attempt(() => keptBios(program, device)) ?? NOTHING;
    found.set(disk, { device, kept, superBlocks: [superBlock] });
  }
  return [...found.values()].map((each) => ({
    ...each,
    directories: each.superBlocks.flatMap((superBlock) => directoriesOf(program, superBlock)),
  }));
}

const NOTHING: KeptBios = { count: 0, users: new Set(), pages: [], whole: false };

/** `struct gendisk *` of a `struct super_block *`; undefined where it lies on no block device. */
function diskOf(program: Program, superBlock: VirtAddr): VirtAddr | undefined {
  const device = program.field('struct super_block', 's_bdev').pointer(superBlock);
  return device === 0n ? undefined : program.field('struct block_device', 'bd_disk').pointer(device);
}

function directoriesOf(program: Program, superBlock: VirtAddr): readonly string[] {
  return (
    attempt(() => mountsOfSuperBlock(program, superBlock).map((mount) => readMount(program, mount).directory)) ?? []
  );
}

/** Loop devices and multipath devices that are stacked. */
const MAX_LEVELS = 8;

/** A disk that does not answer; of one that is made of others (loop, multipath) the one below it that does not. */
function lowestStuck(program: Program, queue: BlockQueue, queues: readonly BlockQueue[]): StuckDisk | undefined {
  let found = stuckDisk(queue);
  for (let n = 0; found !== undefined && n < MAX_LEVELS; n++) {
    const lower = new Set(below(program, found.queue.disk));
    const [next] = queues.flatMap((each) => (lower.has(each.disk.address) ? (stuckDisk(each) ?? []) : []));
    if (next === undefined) break;
    found = next;
  }
  if (found === undefined) return undefined;
  const { disk, driver } = found.queue;
  const scsi = driver?.startsWith('scsi_') === true ? attempt(() => scsiDisk(program, disk)) : undefined;
  const mounted = attempt(() => superBlocksOn(program, disk.address)) ?? [];
  const directories = mounted.flatMap((superBlock) => directoriesOf(program, superBlock));
  return { ...found, ...(scsi === undefined ? {} : { scsi }), directories };
}

/** `struct gendisk *` of each disk that a disk is made of. */
function below(program: Program, disk: Disk): readonly VirtAddr[] {
  const loop = attempt(() => diskBelowLoop(program, disk));
  if (loop !== undefined) return [loop];
  const device = attempt(() => mappedDevice(program, disk.address));
  return (device && attempt(() => disksBelow(program, device))) ?? [];
}

/** File systems on a disk, or on a device of device mapper that is made of it. */
function superBlocksOn(program: Program, disk: VirtAddr): readonly VirtAddr[] {
  return [...superBlocks(program)].filter((superBlock) => {
    const own = attempt(() => diskOf(program, superBlock));
    return own !== undefined && (own === disk || liesOn(program, own, disk));
  });
}

/** Devices of device mapper that one may be made of, and these in turn. */
const MAX_STACKED = 64;

function liesOn(program: Program, upper: VirtAddr, disk: VirtAddr): boolean {
  const all = new Set([upper]);
  for (const each of all) {
    const device = attempt(() => mappedDevice(program, each));
    const lower = (device && attempt(() => disksBelow(program, device))) ?? [];
    if (lower.includes(disk)) return true;
    for (const next of lower) if (all.size < MAX_STACKED) all.add(next);
  }
  return false;
}

type Found = { readonly address: VirtAddr; readonly ctype: string };

function behindDevice(program: Program, devices: readonly SuspendedDevice[], object: Found): Blocked | undefined {
  const keeper = devices.find(({ kept }) => attempt(() => keeps(program, kept, object)) === true);
  if (keeper !== undefined) return { obstacle: { kind: 'device', device: keeper }, certainty: 'exact' };
  const disk = attempt(() => diskUnder(program, object));
  const device = devices.find((each) => each.device.disk === disk && each.device.blocks);
  return device === undefined ? undefined : { obstacle: { kind: 'device', device }, certainty: 'inferred' };
}

/** Whether the block I/O that an object waits for is among what a device keeps. */
function keeps(program: Program, kept: KeptBios, { address, ctype }: Found): boolean {
  if (kept.users.has(address)) return true;
  if (ctype === 'struct page') return isKept(program, kept, address);
  if (ctype === 'struct folio') return isKept(program, kept, address, pagesOfFolio(program, address));
  if (ctype !== 'struct buffer_head') return false;
  // `b_folio` since 6.5 or so, in a union with `b_page` first.
  return isKept(program, kept, program.firstField(ctype, ['b_page', 'b_folio']).pointer(address));
}

function diskUnder(program: Program, { address, ctype }: Found): VirtAddr | undefined {
  const diskOfDevice = (device: VirtAddr): VirtAddr => program.field('struct block_device', 'bd_disk').pointer(device);
  if (ctype === 'struct buffer_head') return diskOfDevice(program.field(ctype, 'b_bdev').pointer(address));
  if (ctype !== 'struct page' && ctype !== 'struct folio') return undefined;
  const mapping = program.field(ctype, 'mapping').pointer(address);
  if ((mapping & 3n) !== 0n) return undefined;
  const host = program.field('struct address_space', 'host').pointer(mapping);
  return diskOf(program, program.field('struct inode', 'i_sb').pointer(host));
}

/** 'the file system /srv (ext4, ram0), which is frozen'. */
export function obstacleText(obstacle: Obstacle): Prose {
  if (obstacle.kind === 'disk') return stuckDiskText(obstacle.disk);
  if (obstacle.kind === 'device') {
    const { name: own, diskName } = obstacle.device.device;
    const which = own === undefined ? prose`${name(diskName)}` : prose`${name(own)} (${name(diskName)})`;
    return prose`the device ${which}, which is suspended`;
  }
  const { fsType, id, directories } = obstacle.fileSystem;
  const [first] = directories;
  const where =
    first === undefined
      ? prose`${name(fsType)} on ${name(id)}`
      : prose`${name(first)} (${name(fsType)} on ${name(id)})`;
  return prose`the file system ${where}, which is frozen`;
}

/** Address and C type of what it is. */
export function obstacleObject(obstacle: Obstacle): { readonly address: VirtAddr; readonly ctype: string } {
  if (obstacle.kind === 'disk') return { address: obstacle.disk.queue.disk.address, ctype: 'struct gendisk' };
  return obstacle.kind === 'device'
    ? { address: obstacle.device.device.address, ctype: 'struct mapped_device' }
    : { address: obstacle.fileSystem.superBlock, ctype: 'struct super_block' };
}
