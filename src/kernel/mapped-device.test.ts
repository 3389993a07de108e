import { describe, expect, it } from 'vitest';
import { KernelImage, ref, struct, type Value } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { type VirtAddr, virt } from '../base/address.ts';
import { disksBelow, isKept, keptBios, mappedDevice } from './mapped-device.ts';

const PAGE = 64n;
const PAGES = 0xffffea0000400000n;
const page = (n: bigint): VirtAddr => virt(PAGES + n * PAGE);

/** dm-0, 'vg0-data', with the given flags. */
function machine(flags: number, operations = 'dm_blk_dops'): KernelImage {
  const image = new KernelImage();
  image.struct('page', { words: 'u64[8]' });
  image.struct('bio_vec', { bv_page: 'void *', bv_len: 'unsigned int', bv_offset: 'unsigned int' });
  image.struct('bio', {
    bi_next: 'struct bio *',
    bi_iter: struct({ bi_size: 'unsigned int', bi_idx: 'unsigned int', bi_bvec_done: 'unsigned int' }),
    bi_private: 'void *',
    bi_io_vec: 'void *',
  });
  image.struct('gendisk', { disk_name: 'char[32]', fops: 'void *', private_data: 'void *' });
  image.struct('hash_cell', { name: 'char *', md: 'void *' });
  image.struct('mapped_device', {
    flags: 'unsigned long',
    disk: 'void *',
    deferred: struct({ head: 'struct bio *', tail: 'struct bio *' }),
    interface_ptr: 'void *',
  });
  image.global(operations, 'u64[4]');
  image.place('disk', 'struct gendisk', { disk_name: 'dm-0', fops: ref(operations), private_data: ref('md') });
  image.place('cell', 'struct hash_cell', { name: 'vg0-data', md: ref('md') });
  image.place('md', 'struct mapped_device', { flags, disk: ref('disk'), interface_ptr: ref('cell') });
  return image;
}

function bios(image: KernelImage, ...values: readonly Value[]): void {
  image.write('md.deferred.head', ref('bio 0'));
  values.forEach((value, i) => {
    image.place(`bio ${i}`, 'struct bio', {
      ...(value as object),
      bi_next: i + 1 < values.length ? ref(`bio ${i + 1}`) : 0,
    });
  });
}

describe('a mapped device', () => {
  it('is told by the operations of its disk, and named as dmsetup names it', () => {
    const image = machine(3);
    expect(mappedDevice(programOfImage(image), image.address('disk'))).toEqual({
      address: image.address('md'),
      disk: image.address('disk'),
      diskName: 'dm-0',
      name: 'vg0-data',
      suspended: true,
      blocks: true,
    });
  });

  it('is not suspended without the flag', () => {
    const image = machine(0);
    expect(mappedDevice(programOfImage(image), image.address('disk'))).toMatchObject({
      suspended: false,
      blocks: false,
    });
  });

  it('is none where the disk has other operations, or its private data lead elsewhere', () => {
    const other = machine(3, 'nvme_bdev_ops');
    expect(mappedDevice(programOfImage(other), other.address('disk'))).toBeUndefined();
    const damaged = machine(3);
    damaged.write('md.disk', ref('cell'));
    expect(mappedDevice(programOfImage(damaged), damaged.address('disk'))).toBeUndefined();
  });

  it('has no name where its cell belongs to another', () => {
    const image = machine(3);
    image.write('cell.md', ref('disk'));
    expect(mappedDevice(programOfImage(image), image.address('disk'))).toMatchObject({
      name: undefined,
      suspended: true,
    });
  });
});

describe('what a suspended device keeps', () => {
  it('is who asked for it, and the pages from the iterator on', () => {
    const image = machine(3);
    image.place('parts', 'struct bio_vec[2]', [
      { bv_page: PAGES, bv_len: 4096 },
      { bv_page: PAGES + 8n * PAGE, bv_len: 8192, bv_offset: 512 },
    ]);
    image.place('part', 'struct bio_vec', { bv_page: PAGES + 20n * PAGE, bv_len: 1024, bv_offset: 1024 });
    bios(
      image,
      { bi_private: 0xffff888000700000n, bi_io_vec: ref('parts'), 'bi_iter.bi_size': 8192, 'bi_iter.bi_idx': 1 },
      { bi_private: 0xffff888000700100n, bi_io_vec: ref('part'), 'bi_iter.bi_size': 1024 },
    );
    const program = programOfImage(image);
    const kept = keptBios(program, { address: image.address('md') });
    expect(kept).toMatchObject({ count: 2, whole: true });
    expect([...kept.users]).toEqual([0xffff888000700000n, 0xffff888000700100n]);
    // The first part was done already; the second reaches over three pages.
    expect([0n, 7n, 8n, 10n, 11n, 20n].filter((n) => isKept(program, kept, page(n)))).toEqual([8n, 10n, 20n]);
    expect(isKept(program, kept, page(4n), 4)).toBe(false);
    expect(isKept(program, kept, page(4n), 8)).toBe(true);
  });

  it('is nothing where its list is empty', () => {
    const image = machine(3);
    expect(keptBios(programOfImage(image), { address: image.address('md') })).toMatchObject({ count: 0, whole: true });
  });

  it('is not whole where the list breaks off, or leads to itself', () => {
    const cut = machine(3);
    bios(cut, { bi_private: 0xffff888000700000n }, {});
    cut.write('bio 0.bi_next', 0xffff888012345000n);
    const kept = keptBios(programOfImage(cut), { address: cut.address('md') });
    expect(kept).toMatchObject({ count: 1, whole: false });
    const wild = machine(3);
    bios(wild, {}, {});
    wild.write('bio 0.bi_next', 0x1234);
    expect(keptBios(programOfImage(wild), { address: wild.address('md') })).toMatchObject({ count: 1, whole: false });
    const loop = machine(3);
    bios(loop, { bi_private: 0xffff888000700000n });
    loop.write('bio 0.bi_next', ref('bio 0'));
    expect(keptBios(programOfImage(loop), { address: loop.address('md') })).toMatchObject({ count: 1, whole: false });
  });

  it('has no pages of a bio whose parts make no sense', () => {
    const image = machine(3);
    image.place('parts', 'struct bio_vec', { bv_page: PAGES, bv_len: 0 });
    bios(image, { bi_private: 0xffff888000700000n, bi_io_vec: ref('parts'), 'bi_iter.bi_size': 4096 });
    const kept = keptBios(programOfImage(image), { address: image.address('md') });
    expect(kept).toMatchObject({ count: 1, pages: [], whole: true });
  });
});

describe('the disks that a device is made of', () => {
  function stacked(): KernelImage {
    const image = new KernelImage();
    image.struct('block_device', { bd_disk: 'void *' });
    image.struct('dm_dev', { bdev: 'void *' });
    image.struct('dm_dev_internal', { list: 'struct list_head', dm_dev: 'void *' });
    image.struct('dm_table', { md: 'void *', devices: 'struct list_head' });
    image.struct('mapped_device', { map: 'void *', flags: 'unsigned long' });
    image.place('table', 'struct dm_table', { md: ref('md') });
    image.place('md', 'struct mapped_device', { map: ref('table') });
    for (const name of ['sda', 'sdb']) {
      image.place(`${name} bdev`, 'struct block_device', { bd_disk: ref(name) });
      image.place(name, 'u64[8]');
      image.place(`${name} dev`, 'struct dm_dev', { bdev: ref(`${name} bdev`) });
      image.place(`${name} entry`, 'struct dm_dev_internal', { dm_dev: ref(`${name} dev`) });
    }
    image.list('table.devices', ['sda entry.list', 'sdb entry.list']);
    return image;
  }
  const below = (image: KernelImage): readonly VirtAddr[] =>
    disksBelow(programOfImage(image), { address: image.address('md') });

  it('are those of its table', () => {
    const image = stacked();
    expect(below(image)).toEqual([image.address('sda'), image.address('sdb')]);
  });

  it('are none without a table, nor by the table of another', () => {
    const image = stacked();
    image.write('md.map', 0);
    expect(below(image)).toEqual([]);
    const other = stacked();
    other.write('table.md', ref('sda'));
    expect(() => below(other)).toThrow('belongs to another device');
  });

  it('are not known where the list leads to itself', () => {
    const image = stacked();
    image.write('sdb entry.list.next', ref('sda entry.list'));
    expect(() => below(image)).toThrow('struct list_head');
  });
});
