import { describe, expect, it } from 'vitest';
import { BlockDevices } from '../../test/builders/block-devices.ts';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import type { VirtAddr } from '../base/address.ts';
import { disks } from './devices.ts';
import { diskBelowLoop, type ScsiDisk, scsiDisk } from './disk-drivers.ts';

/** sda behind host 2, and loop0 with a file on it. */
function machine(): KernelImage {
  const image = new KernelImage();
  image.cpus(1);
  const blocks = new BlockDevices(image, '6.1');
  image.enum('scsi_device_state', { SDEV_CREATED: 1, SDEV_RUNNING: 2, SDEV_OFFLINE: 6 });
  image.enum('scsi_host_state', { SHOST_CREATED: 1, SHOST_RUNNING: 2, SHOST_RECOVERY: 5 });
  image.struct('scsi_host_template', { name: 'char *', proc_name: 'char *' });
  image.struct('Scsi_Host', {
    hostt: 'void *',
    host_failed: 'unsigned int',
    host_no: 'unsigned int',
    shost_state: 'int',
  });
  image.struct('scsi_device', {
    host: 'void *',
    request_queue: 'void *',
    id: 'unsigned int',
    channel: 'unsigned int',
    lun: 'u64',
    sdev_state: 'int',
  });
  image.struct('loop_device', { lo_number: 'int', lo_backing_file: 'void *' });
  image.struct('file', { f_inode: 'void *' });
  image.struct('inode', { i_sb: 'void *' });
  image.struct('super_block', { s_bdev: 'void *' });
  image.global('lo_fops', 'u64[4]');
  blocks.disk('sda', { queue: { queuedata: ref('sdev') } });
  blocks.disk('loop0');
  image.place('name', 'char[11]', 'scsi_debug');
  image.place('template', 'struct scsi_host_template', { proc_name: ref('name') });
  image.place('host', 'struct Scsi_Host', { hostt: ref('template'), host_no: 2, host_failed: 3, shost_state: 5 });
  image.place('sdev', 'struct scsi_device', {
    host: ref('host'),
    request_queue: ref('sda queue'),
    id: 1,
    lun: 4,
    sdev_state: 2,
  });
  image.write('loop0.fops', ref('lo_fops'));
  image.write('loop0.private_data', ref('loop'));
  image.place('loop', 'struct loop_device', { lo_backing_file: ref('file') });
  image.place('file', 'struct file', { f_inode: ref('inode') });
  image.place('inode', 'struct inode', { i_sb: ref('super') });
  image.place('super', 'struct super_block', { s_bdev: ref('sda whole') });
  blocks.link();
  return image;
}

function of<T>(image: KernelImage, name: string, read: (program: never, disk: never) => T): T {
  const program = programOfImage(image);
  const disk = disks(program).find((each) => each.name === name);
  return read(program as never, disk as never);
}

describe('a SCSI disk', () => {
  const found = (image: KernelImage): ScsiDisk | undefined => of(image, 'sda', scsiDisk);

  it('has the adapter and its state', () => {
    const image = machine();
    expect(found(image)).toEqual({
      device: image.address('sdev'),
      address: '2:0:1:4',
      host: 2,
      driver: 'scsi_debug',
      state: 'SDEV_RUNNING',
      recovering: true,
      failed: 3,
    });
    image.write('host.shost_state', 2);
    image.write('sdev.sdev_state', 6);
    expect(found(image)).toMatchObject({ recovering: false, state: 'SDEV_OFFLINE' });
  });

  it('is none where the device does not name the queue, and has no name of a state that is not known', () => {
    const image = machine();
    image.write('sdev.sdev_state', 99);
    expect(found(image)?.state).toBeUndefined();
    image.write('sdev.request_queue', ref('loop0 queue'));
    expect(found(image)).toBeUndefined();
    expect(of(image, 'loop0', scsiDisk)).toBeUndefined();
  });
});

describe('a loop device', () => {
  const below = (image: KernelImage, name = 'loop0'): VirtAddr | undefined => of(image, name, diskBelowLoop);

  it('leads to the disk on which its file lies', () => {
    const image = machine();
    expect(below(image)).toBe(image.address('sda'));
  });

  it('leads nowhere without a file, or from one on tmpfs; another disk is none', () => {
    const image = machine();
    expect(below(image, 'sda')).toBeUndefined();
    image.write('super.s_bdev', 0);
    expect(below(image)).toBeUndefined();
    image.write('loop.lo_backing_file', 0);
    expect(below(image)).toBeUndefined();
  });
});
