import { describe, expect, it } from 'vitest';
import { BlockDevices, IN_FLIGHT } from '../../../test/builders/block-devices.ts';
import { KernelImage, ref, struct } from '../../../test/builders/image.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { textOf } from '../../../test/builders/text.ts';
import { WaitScene } from '../../../test/builders/wait-scene.ts';
import { type VirtAddr, virt } from '../../base/address.ts';
import { nanoseconds } from '../../base/units.ts';
import { type BlockQueue, blockQueues } from '../../kernel/block-requests.ts';
import { requestUsers } from '../../kernel/request-users.ts';
import type { TaskWait } from '../../kernel/wait-kinds.ts';
import type { FactContext } from '../../model/diagnosis.ts';
import { blocksFact } from './blocks.ts';
import { obstacleObject, obstaclesFact, type Obstacles, obstacleText } from './wait-obstacles.ts';

const PAGE = 64n;
const PAGES = 0xffffea0000400000n;
const page = (n: bigint): VirtAddr => virt(PAGES + n * PAGE);

/** ext4 on the suspended dm-0, which keeps page 8 and a buffer; tmpfs on nothing. */
function machine(): KernelImage {
  const image = new KernelImage();
  const list = 'struct list_head';
  image.struct('list_head', { next: 'struct list_head *', prev: 'struct list_head *' });
  image.enum('pageflags', { PG_locked: 0, PG_head: 16 });
  image.struct('page', { words: 'u64[8]' });
  image.struct('folio', { flags: 'unsigned long', mapping: 'void *', spare: 'u64[6]', _flags_1: 'unsigned long' });
  image.struct('address_space', { host: 'void *' });
  image.struct('inode', { i_sb: 'void *' });
  image.struct('buffer_head', { b_page: 'void *', b_bdev: 'void *' });
  image.struct('bio_vec', { bv_page: 'void *', bv_len: 'unsigned int', bv_offset: 'unsigned int' });
  image.struct('bio', {
    bi_next: 'struct bio *',
    bi_iter: struct({ bi_size: 'unsigned int', bi_idx: 'unsigned int', bi_bvec_done: 'unsigned int' }),
    bi_private: 'void *',
    bi_io_vec: 'void *',
  });
  image.struct('gendisk', { disk_name: 'char[32]', fops: 'void *', private_data: 'void *' });
  image.struct('mapped_device', {
    flags: 'unsigned long',
    disk: 'void *',
    deferred: struct({ head: 'struct bio *', tail: 'struct bio *' }),
  });
  image.struct('block_device', { bd_disk: 'void *', bd_fsfreeze_count: 'int' });
  image.struct('percpu_rw_semaphore', { words: 'u64[12]' });
  image.struct('file_system_type', { name: 'const char *' });
  image.struct('super_block', {
    s_list: list,
    s_bdev: 'void *',
    s_type: 'void *',
    s_id: 'char[32]',
    s_writers: struct({ frozen: 'int', rw_sem: 'struct percpu_rw_semaphore[3]' }),
  });
  image.global('dm_blk_dops', 'u64[4]');
  image.place('disk', 'struct gendisk', { disk_name: 'dm-0', fops: ref('dm_blk_dops'), private_data: ref('md') });
  image.place('bdev', 'struct block_device', { bd_disk: ref('disk') });
  image.place('md', 'struct mapped_device', { flags: 3, disk: ref('disk'), 'deferred.head': ref('bio') });
  image.place('part', 'struct bio_vec', { bv_page: PAGES + 8n * PAGE, bv_len: 4096 });
  image.place('bio', 'struct bio', { bi_private: ref('buffer'), bi_io_vec: ref('part'), 'bi_iter.bi_size': 4096 });
  image.place('buffer', 'struct buffer_head', { b_page: PAGES + 8n * PAGE, b_bdev: ref('bdev') });
  for (const [name, device] of [
    ['ext4', { s_bdev: ref('bdev') }],
    ['tmpfs', {}],
  ] as const) {
    image.place(`${name}_type`, 'struct file_system_type', { name });
    image.place(name, 'struct super_block', {
      s_type: ref(`${name}_type`),
      s_id: name === 'ext4' ? 'dm-0' : '',
      ...device,
    });
    image.place(`${name} inode`, 'struct inode', { i_sb: ref(name) });
    image.place(`${name} mapping`, 'struct address_space', { host: ref(`${name} inode`) });
  }
  image.global('super_blocks', list);
  image.list('super_blocks', ['ext4.s_list', 'tmpfs.s_list']);
  return image;
}

/** What is found of a task that waits for an object of the image. */
function found(image: KernelImage, ctype: string, address: VirtAddr): ReturnType<Obstacles['of']> {
  const scene = new WaitScene();
  const task = scene.task('postfix');
  scene.waits(task, { kind: 'unknown', what: 'for something' }, ctype, [], address);
  return withProgram(image, scene).use(obstaclesFact).of(task);
}

function withProgram(image: KernelImage, scene: WaitScene): FactContext {
  return scene.context(programOfImage(image), [obstaclesFact]);
}

function folio(image: KernelImage, n: bigint, mapping: 'ext4' | 'tmpfs', order?: number): VirtAddr {
  const flags = order === undefined ? {} : { flags: 1n << 16n, _flags_1: order };
  image.place(`folio ${n}`, 'struct folio', { mapping: ref(`${mapping} mapping`), ...flags }, { at: page(n) });
  return page(n);
}

describe('a suspended device', () => {
  it('keeps the block or the page that a task waits for: then it is exactly what it waits for', () => {
    const image = machine();
    const blocked = found(image, 'struct buffer_head', image.address('buffer'));
    expect(blocked).toMatchObject({ certainty: 'exact', obstacle: { kind: 'device' } });
    if (blocked === undefined) throw new Error('nothing was found');
    expect(obstacleObject(blocked.obstacle)).toEqual({ address: image.address('md'), ctype: 'struct mapped_device' });
    expect(textOf(obstacleText(blocked.obstacle))).toBe('the device dm-0, which is suspended');
    expect(found(image, 'struct folio', folio(image, 8n, 'ext4'))).toMatchObject({ certainty: 'exact' });
    const large = machine();
    expect(found(large, 'struct folio', folio(large, 4n, 'ext4', 3))).toMatchObject({ certainty: 'exact' });
  });

  it('is inferred for another page of a file on it, and nothing for one of another file system', () => {
    const image = machine();
    expect(found(image, 'struct folio', folio(image, 20n, 'ext4'))).toMatchObject({ certainty: 'inferred' });
    const other = machine();
    expect(found(other, 'struct folio', folio(other, 20n, 'tmpfs'))).toBeUndefined();
    const lock = machine();
    expect(found(lock, 'struct completion', virt(0xffff888000fff000n))).toBeUndefined();
  });

  it('does not stand in the way of one who waits for a task: that one may', () => {
    const image = machine();
    const scene = new WaitScene();
    const journal = scene.task('jbd2/dm-0-8', { kthread: true });
    const task = scene.task('postfix');
    const wait = { kind: 'journal', what: 'for a block' } as const;
    scene.waits(task, wait, 'struct buffer_head', [journal], image.address('buffer'));
    expect(withProgram(image, scene).use(obstaclesFact).of(task)).toBeUndefined();
  });

  it('is none when it is not suspended, or when the way to it is damaged', () => {
    const running = machine();
    running.write('md.flags', 0);
    expect(found(running, 'struct buffer_head', running.address('buffer'))).toBeUndefined();
    const damaged = machine();
    damaged.write('bdev.bd_disk', 0xffff888012345000n);
    expect(found(damaged, 'struct buffer_head', damaged.address('buffer'))).toBeUndefined();
  });
});

describe('a frozen file system', () => {
  function atGate(image: KernelImage, gate: number): ReturnType<Obstacles['of']> {
    const scene = new WaitScene();
    const lock = scene.lock(
      'percpu_rw_semaphore',
      'a gate',
      undefined,
      image.address(`tmpfs.s_writers.rw_sem[${gate}]`),
    );
    scene.queue(lock, 'nginx', 1);
    const [task] = scene.tasks;
    return task === undefined ? undefined : withProgram(image, scene).use(obstaclesFact).of(task);
  }

  it('is what one who stands at one of its gates waits for', () => {
    const image = machine();
    image.write('tmpfs.s_writers.frozen', 4);
    for (const gate of [0, 1, 2]) {
      const blocked = atGate(image, gate);
      expect(blocked).toMatchObject({ certainty: 'exact', obstacle: { kind: 'file-system' } });
      expect(blocked && obstacleObject(blocked.obstacle).address).toBe(image.address('tmpfs'));
    }
  });

  it('is none before the freeze is complete', () => {
    const image = machine();
    image.write('tmpfs.s_writers.frozen', 2);
    expect(atGate(image, 0)).toBeUndefined();
  });

  it('leads to the device where that is suspended, which froze it', () => {
    const image = machine();
    image.write('ext4.s_writers.frozen', 4);
    const scene = new WaitScene();
    const lock = scene.lock('percpu_rw_semaphore', 'a gate', undefined, image.address('ext4.s_writers.rw_sem'));
    scene.queue(lock, 'nginx', 1);
    const [task] = scene.tasks;
    const blocked = task === undefined ? undefined : withProgram(image, scene).use(obstaclesFact).of(task);
    expect(blocked).toMatchObject({ obstacle: { kind: 'device', device: { device: { diskName: 'dm-0' } } } });
  });
});

describe('a disk that does not answer', () => {
  const SECONDS = 1_000_000_000n;

  /** loop0, whose file lies on sda; each with a request of the given age in seconds. */
  function disks(ages: { readonly sda: number; readonly loop0: number }): {
    readonly image: KernelImage;
    readonly queue: (name: string) => BlockQueue;
    readonly found: (wait: Partial<TaskWait>) => ReturnType<Obstacles['of']>;
  } {
    const image = new KernelImage();
    image.cpus(1);
    const blocks = new BlockDevices(image, '6.1');
    image.struct('loop_device', { lo_backing_file: 'void *' });
    image.struct('file', { f_inode: 'void *' });
    image.struct('inode', { i_sb: 'void *' });
    image.struct('super_block', { s_bdev: 'void *' });
    image.struct('folio', { flags: 'unsigned long', mapping: 'void *' });
    image.struct('address_space', { host: 'void *' });
    image.global('lo_fops', 'u64[4]');
    for (const [name, age] of Object.entries(ages)) {
      blocks.disk(name);
      blocks.request(`old ${name}`, name, { tag: 1, state: IN_FLIGHT, start: (100n - BigInt(age)) * SECONDS });
    }
    image.write('loop0.fops', ref('lo_fops'));
    image.write('loop0.private_data', ref('loop'));
    image.place('loop', 'struct loop_device', { lo_backing_file: ref('file') });
    image.place('file', 'struct file', { f_inode: ref('inode') });
    image.place('inode', 'struct inode', { i_sb: ref('super') });
    image.place('super', 'struct super_block', { s_bdev: ref('sda whole') });
    image.place('mapping', 'struct address_space', { host: ref('inode') });
    image.place('folio', 'struct folio', { mapping: ref('mapping') });
    blocks.link();
    const program = programOfImage(image);
    const queues = blockQueues(program, { monotonic: 100n * SECONDS, jiffies: undefined, hz: 250 });
    const queue = (name: string): BlockQueue => {
      const own = queues.find(({ disk }) => disk.name === name);
      if (own === undefined) throw new Error(name);
      return own;
    };
    return {
      image,
      queue,
      found(wait) {
        const scene = new WaitScene();
        scene.set(blocksFact, { queues, users: requestUsers(program, []) });
        const now = programOfImage(image);
        const task = scene.task('tar');
        scene.waits(task, { kind: 'page', what: 'for a page', ...wait }, 'struct folio', [], image.address('folio'));
        return scene.context(now, [obstaclesFact]).use(obstaclesFact).of(task);
      },
    };
  }

  it('is exactly what one waits for whose own request is old', () => {
    const { queue, found, image } = disks({ sda: 41, loop0: 0 });
    const sda = queue('sda');
    const blocked = found({ block: { queue: sda, request: sda.requests[0] } });
    expect(blocked).toMatchObject({
      certainty: 'exact',
      obstacle: { kind: 'disk', disk: { oldest: { disk: { name: 'sda' } } } },
    });
    if (blocked === undefined) throw new Error('nothing was found');
    expect(obstacleObject(blocked.obstacle)).toEqual({ address: image.address('sda'), ctype: 'struct gendisk' });
    expect(textOf(obstacleText(blocked.obstacle))).toBe('the disk sda, which has not answered a request for 41 s');
  });

  it('is inferred where the own request is young, or there is none and the file lies on the disk', () => {
    const { queue, found } = disks({ sda: 41, loop0: 0 });
    const sda = queue('sda');
    const [request] = sda.requests;
    if (request === undefined) throw new Error('no request');
    const young = { ...request, age: nanoseconds(SECONDS) };
    expect(found({ block: { queue: sda, request: young } })).toMatchObject({ certainty: 'inferred' });
    expect(found({})).toMatchObject({
      certainty: 'inferred',
      obstacle: { disk: { oldest: { disk: { name: 'sda' } } } },
    });
    expect(found({ kind: 'completion' })).toBeUndefined();
  });

  it('is exact for a tag where no request is young that might free one', () => {
    const { queue, found } = disks({ sda: 41, loop0: 0 });
    const sda = queue('sda');
    const [request] = sda.requests;
    if (request === undefined) throw new Error('no request');
    const tag = { kind: 'io', what: 'for a free tag' } as const;
    expect(found({ ...tag, block: { queue: sda, request: undefined } })).toMatchObject({ certainty: 'exact' });
    const moving = { ...sda, requests: [request, { ...request, age: nanoseconds(SECONDS) }] };
    expect(found({ ...tag, block: { queue: moving, request: undefined } })).toMatchObject({ certainty: 'inferred' });
  });

  it('is the one below a loop device, where that does not answer either', () => {
    const both = disks({ sda: 41, loop0: 40 });
    const loop = both.queue('loop0');
    const block = { queue: loop, request: loop.requests[0] };
    expect(both.found({ block })?.obstacle).toMatchObject({ disk: { oldest: { disk: { name: 'sda' } } } });
    const upper = disks({ sda: 1, loop0: 40 });
    const own = upper.queue('loop0');
    const found = upper.found({ block: { queue: own, request: own.requests[0] } });
    expect(found?.obstacle).toMatchObject({ disk: { oldest: { disk: { name: 'loop0' } } } });
  });

  it('is the path below a multipath device that does not answer', () => {
    const { image, queue, found } = disks({ sda: 41, loop0: 40 });
    const upper = queue('loop0');
    image.struct('dm_dev', { bdev: 'void *' });
    image.struct('dm_dev_internal', { list: 'struct list_head', dm_dev: 'void *' });
    image.struct('dm_table', { md: 'void *', devices: 'struct list_head' });
    image.struct('mapped_device', { map: 'void *', flags: 'unsigned long', disk: 'void *' });
    image.global('dm_rq_blk_dops', 'u64[4]');
    image.write('loop0.fops', ref('dm_rq_blk_dops'));
    image.write('loop0.private_data', ref('md'));
    image.place('md', 'struct mapped_device', { map: ref('table'), disk: ref('loop0') });
    image.place('table', 'struct dm_table', { md: ref('md') });
    image.place('dm dev', 'struct dm_dev', { bdev: ref('sda whole') });
    image.place('path', 'struct dm_dev_internal', { dm_dev: ref('dm dev') });
    image.list('table.devices', ['path.list']);
    const mapped = { ...upper, disk: { ...upper.disk, operations: image.address('dm_rq_blk_dops') } };
    const blocked = found({ block: { queue: mapped, request: upper.requests[0] } });
    expect(blocked?.obstacle).toMatchObject({ disk: { oldest: { disk: { name: 'sda' } } } });
  });

  it('is none while its requests are young', () => {
    const { queue, found } = disks({ sda: 3, loop0: 0 });
    const sda = queue('sda');
    expect(found({ block: { queue: sda, request: sda.requests[0] } })).toBeUndefined();
    expect(found({})).toBeUndefined();
  });
});
