/**
 * What lies behind a disk, by its driver: the host adapter of a SCSI disk and whether its error handler is at work
 * (include/scsi/scsi_host.h, scsi_device.h), the disk below the file of a loop device (drivers/block/loop.c). The types are those
 * of the modules scsi_mod and loop, or built in.
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import type { Disk } from './devices.ts';
import { nameOfFunction } from './wait-shapes.ts';

const DEVICE = 'struct scsi_device';
const HOST = 'struct Scsi_Host';

export interface ScsiDisk {
  /** `struct scsi_device *`. */
  readonly device: VirtAddr;
  /** As in /sys: '2:0:0:0'. */
  readonly address: string;
  /** `host_no`: 2 of host2. */
  readonly host: number;
  /** Of the host adapter: 'scsi_debug', 'mpt3sas'. */
  readonly driver: string | undefined;
  /** Enumerator of enum scsi_device_state: 'SDEV_RUNNING'; undefined for one that is not known here. */
  readonly state: string | undefined;
  /** SHOST_RECOVERY: the error handler is at work, and no command is given to the adapter. */
  readonly recovering: boolean;
  /** `host_failed`: commands that it has to deal with. */
  readonly failed: number;
}

const DEVICE_STATES: readonly string[] = [
  'SDEV_CREATED',
  'SDEV_RUNNING',
  'SDEV_CANCEL',
  'SDEV_DEL',
  'SDEV_QUIESCE',
  'SDEV_OFFLINE',
  'SDEV_TRANSPORT_OFFLINE',
  'SDEV_BLOCK',
  'SDEV_CREATED_BLOCK',
];

/**
 * The `struct scsi_device` of a disk.
 * @param disk - one whose driver is the SCSI midlayer: `queuedata` of its queue is asked
 * @returns undefined when it is none: the device must name the queue
 * @throws FaultError, LookupError
 */
export function scsiDisk(program: Program, { queue }: Disk): ScsiDisk | undefined {
  withTypes(program, DEVICE, 'sdev_state');
  const device = program.field('struct request_queue', 'queuedata').pointer(queue);
  if (!isKernel(device) || program.field(DEVICE, 'request_queue').pointer(device) !== queue) return undefined;
  const host = program.field(DEVICE, 'host').pointer(device);
  const number = program.field(HOST, 'host_no').number(host);
  const part = (name: string): string => String(program.field(DEVICE, name).u64(device));
  const state = program.field(DEVICE, 'sdev_state').u64(device);
  const template = program.field(HOST, 'hostt').pointer(host);
  const text = (member: string) =>
    attempt(() => program.field('struct scsi_host_template', member).string(template, 64));
  return {
    device,
    address: `${number}:${part('channel')}:${part('id')}:${part('lun')}`,
    host: number,
    driver: text('proc_name') ?? text('name'),
    state: DEVICE_STATES.find((name) => program.enumerator(name) === state),
    recovering: program.field(HOST, 'shost_state').u64(host) === program.enumerator('SHOST_RECOVERY'),
    failed: program.field(HOST, 'host_failed').number(host),
  };
}

/**
 * The `struct gendisk *` on which the file of a loop device lies.
 * @returns undefined for a disk that is no loop device, and where the file lies on no disk
 * @throws FaultError, LookupError
 */
export function diskBelowLoop(program: Program, { address, operations }: Disk): VirtAddr | undefined {
  if (nameOfFunction(program, operations) !== 'lo_fops') return undefined;
  withTypes(program, 'struct loop_device', 'lo_backing_file');
  const loop = program.field('struct gendisk', 'private_data').pointer(address);
  const file = program.field('struct loop_device', 'lo_backing_file').pointer(loop);
  if (!isKernel(file)) return undefined;
  const inode = program.field('struct file', 'f_inode').pointer(file);
  const superBlock = program.field('struct inode', 'i_sb').pointer(inode);
  const device = program.field('struct super_block', 's_bdev').pointer(superBlock);
  return isKernel(device) ? program.field('struct block_device', 'bd_disk').pointer(device) : undefined;
}

function withTypes(program: Program, type: string, member: string): void {
  if (attempt(() => program.tryField(type, member)) === undefined) program.addModuleTypes();
}
