/**
 * Devices of device mapper (drivers/md/dm.c, dm-core.h): whether one is suspended, and which block I/O it keeps until it is
 * resumed. What LVM, multipath, dm-crypt and snapshots are made of. The types are those of the module dm_mod, or built in.
 * Devices stacked on a suspended one are not followed.
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt, ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { type BioPages, pagesOfBio } from './bio.ts';
import { listEntries } from './list.ts';
import { nameOfFunction } from './wait-shapes.ts';

const TYPE = 'struct mapped_device';
/** The operations of its disks: of those that take bios, and of those that take requests (multipath; since 5.8). */
const OPERATIONS: ReadonlySet<string> = new Set(['dm_blk_dops', 'dm_rq_blk_dops']);
/** Bits of `flags`, the same since 2.6.30: DMF_BLOCK_IO_FOR_SUSPEND, DMF_SUSPENDED. */
const BLOCKS = 1n;
const SUSPENDED = 2n;
const MAX_BIOS = 1 << 20;

export interface MappedDevice {
  /** `struct mapped_device *`. */
  readonly address: VirtAddr;
  /** `struct gendisk *`. */
  readonly disk: VirtAddr;
  /** 'dm-0'. */
  readonly diskName: string;
  /** As `dmsetup` calls it: 'vg0-data'. */
  readonly name: string | undefined;
  /** DMF_SUSPENDED: the suspension is complete. */
  readonly suspended: boolean;
  /** DMF_BLOCK_IO_FOR_SUSPEND: new I/O is put aside. */
  readonly blocks: boolean;
}

/**
 * The device behind a disk.
 * @param disk - `struct gendisk *`
 * @returns undefined when it is none of device mapper
 * @throws FaultError, LookupError where the types are not known
 */
export function mappedDevice(program: Program, disk: VirtAddr): MappedDevice | undefined {
  const field = (path: string) => program.field('struct gendisk', path);
  const diskName = field('disk_name').text(disk);
  const operations = nameOfFunction(program, field('fops').pointer(disk));
  if (operations === undefined ? !/^dm-\d+$/.test(diskName) : !OPERATIONS.has(operations)) return undefined;
  // Types of a module.
  if (attempt(() => program.tryField(TYPE, 'flags')) === undefined) program.addModuleTypes();
  const address = field('private_data').pointer(disk);
  if (program.field(TYPE, 'disk').pointer(address) !== disk) return undefined;
  const flags = program.field(TYPE, 'flags').u64(address);
  return {
    address,
    disk,
    diskName,
    name: attempt(() => nameOf(program, address)),
    suspended: (flags & SUSPENDED) !== 0n,
    blocks: (flags & BLOCKS) !== 0n,
  };
}

/** `struct hash_cell`, which names the device and points back to it. */
function nameOf(program: Program, device: VirtAddr): string | undefined {
  const cell = program.field(TYPE, 'interface_ptr').pointer(device);
  if (!isKernel(cell) || program.field('struct hash_cell', 'md').pointer(cell) !== device) return undefined;
  return program.field('struct hash_cell', 'name').string(cell, 128);
}

/** Devices that the table of one may name. */
const MAX_BELOW = 1 << 12;

/**
 * The disks that a device is made of: those of the devices in its live table.
 * @returns `struct gendisk *` of each; none while it has no table
 * @throws FaultError, LookupError, ValidationError when the list is damaged, or the table is another's
 */
export function disksBelow(program: Program, { address }: Pick<MappedDevice, 'address'>): readonly VirtAddr[] {
  const table = program.field(TYPE, 'map').pointer(address);
  if (!isKernel(table)) return [];
  const owner = program.field('struct dm_table', 'md').pointer(table);
  if (owner !== address) throw new ValidationError('struct dm_table', table, 'belongs to another device');
  const head = program.field('struct dm_table', 'devices').address(table);
  // Since 3.19 (commit 86f1152b117a) the entries of the list point to the devices.
  const entries = listEntries(program, head, 'struct dm_dev_internal', 'list', MAX_BELOW);
  const found: VirtAddr[] = [];
  for (const entry of entries) {
    const device = program.field('struct dm_dev_internal', 'dm_dev').pointer(entry);
    const block = program.field('struct dm_dev', 'bdev').pointer(device);
    found.push(program.field('struct block_device', 'bd_disk').pointer(block));
  }
  return found;
}

/** Block I/O that a suspended device keeps. */
export interface KeptBios {
  readonly count: number;
  /** `bi_private` of each: a `struct buffer_head *`, a `struct completion *` or something else of who asked for it. */
  readonly users: ReadonlySet<VirtAddr>;
  /** Their memory: each from a `struct page *` on, some `struct page`s. */
  readonly pages: readonly BioPages[];
  /** False when the list could not be read to its end. */
  readonly whole: boolean;
}

/**
 * The list `deferred` of a `struct mapped_device`: what came since the device was suspended.
 * @throws FaultError, LookupError; for a list that breaks off, what came before is returned
 */
export function keptBios(program: Program, { address }: Pick<MappedDevice, 'address'>): KeptBios {
  const bio = (path: string) => program.field('struct bio', path);
  const [next, owner] = [bio('bi_next'), bio('bi_private')];
  const users = new Set<VirtAddr>();
  const pages: BioPages[] = [];
  const seen = new Set<VirtAddr>();
  let at = program.field(TYPE, 'deferred.head').pointer(address);
  while (isKernel(at) && !seen.has(at) && seen.size < MAX_BIOS) {
    const here = at;
    const after = attempt(() => {
      const user = owner.pointer(here);
      const follows = next.pointer(here);
      users.add(user);
      return follows;
    });
    if (after === undefined) break;
    pages.push(...(attempt(() => [...pagesOfBio(program, here)]) ?? []));
    seen.add(here);
    at = after;
  }
  return { count: seen.size, users, pages, whole: at === 0n };
}

/** Whether a bio reads or writes some of so many `struct page`s. @throws LookupError */
export function isKept(program: Program, { pages }: KeptBios, page: VirtAddr, count = 1): boolean {
  const size = BigInt(program.sizeOf('struct page'));
  return pages.some((kept) => page < kept.page + BigInt(kept.count) * size && kept.page < page + BigInt(count) * size);
}
