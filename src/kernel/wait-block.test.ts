import { describe, expect, it } from 'vitest';
import { BlockDevices, IDLE, IN_FLIGHT } from '../../test/builders/block-devices.ts';
import { ref, struct } from '../../test/builders/image.ts';
import { completing, OBJECT, Sleeper } from '../../test/builders/sleepers.ts';
import { Slabs } from '../../test/builders/slab.ts';
import { add } from '../base/address.ts';
import type { TaskWait } from './wait-kinds.ts';

const READ = ['__schedule', 'schedule', 'io_schedule', 'folio_wait_bit_common', 'filemap_read'];
const DIRECT = ['__schedule', 'schedule', 'io_schedule', '__iomap_dio_rw', 'iomap_dio_rw'];
const TAG = ['__schedule', 'schedule', 'io_schedule', 'blk_mq_get_tag', 'blk_mq_submit_bio'];
const FLUSH = ['__schedule', 'schedule', 'wait_for_completion_io', 'submit_bio_wait', 'blkdev_issue_flush'];

/** A sleeper, and the disk sda with one request, 'mine'. */
function machine(): { readonly sleeper: Sleeper; readonly blocks: BlockDevices } {
  const sleeper = new Sleeper();
  const blocks = new BlockDevices(sleeper.image, '6.1');
  blocks.disk('sda');
  blocks.request('mine', 'sda', { tag: 3, state: IN_FLIGHT, sector: 2048, bytes: 4096 });
  return { sleeper, blocks };
}

function waits({ sleeper, blocks }: ReturnType<typeof machine>, stack: readonly string[]): TaskWait {
  blocks.link();
  return sleeper.wait(stack);
}

/** The sleeper waits for a folio. */
function onFolio({ sleeper, blocks }: ReturnType<typeof machine>): bigint {
  const { image } = sleeper;
  const page = blocks.page();
  image.function('wake_page_function');
  image.place('folio', 'struct folio', {}, { at: page });
  const wait = { 'wait.private': ref('sleeper'), 'wait.func': ref('wake_page_function') };
  sleeper.on('key', 'struct wait_page_queue', { folio: ref('folio'), bit_nr: 0, ...wait });
  sleeper.queue('key.wait.entry');
  return page;
}

describe('a wait for a page', () => {
  it('leads to the request that reads it', () => {
    const scene = machine();
    const page = onFolio(scene);
    scene.blocks.bio('mine', {}, [{ page: page - 64n, bytes: 8192 }]);
    const wait = waits(scene, READ);
    expect(wait).toMatchObject({ kind: 'page', proof: 'structure' });
    expect(wait.block).toMatchObject({
      queue: { disk: { name: 'sda' } },
      request: { address: scene.sleeper.image.address('mine'), state: 'in flight', operation: 'read' },
    });
  });

  it('leads to one that was not given to the driver yet', () => {
    const scene = machine();
    const page = onFolio(scene);
    scene.blocks.request('next', 'sda', { tag: 4, state: IDLE });
    scene.blocks.bio('next', {}, [{ page, bytes: 4096 }]);
    expect(waits(scene, READ).block?.request).toMatchObject({ state: 'queued' });
  });

  it('leads to none where the request is for the page beside it, is over, or its parts are damaged', () => {
    const beside = machine();
    beside.blocks.bio('mine', {}, [{ page: onFolio(beside) + 64n, bytes: 4096 }]);
    expect(waits(beside, READ).block).toBeUndefined();
    const over = machine();
    over.blocks.bio('mine', {}, [{ page: onFolio(over), bytes: 4096 }]);
    over.sleeper.image.write('mine.state', IDLE);
    over.sleeper.image.write('mine.ref', 0);
    expect(waits(over, READ).block).toBeUndefined();
    const damaged = machine();
    const label = damaged.blocks.bio('mine', {}, [{ page: onFolio(damaged), bytes: 4096 }]);
    damaged.sleeper.image.write(`${label}.bi_io_vec`, 0xffff888012345000n);
    expect(waits(damaged, READ).block).toBeUndefined();
  });

  it('ends with a chain of bios that leads to itself', () => {
    const scene = machine();
    const page = onFolio(scene);
    scene.blocks.bio('mine', {}, [{ page: page + 640n, bytes: 4096 }]);
    const second = scene.blocks.bio('mine', {}, [{ page, bytes: 4096 }]);
    scene.sleeper.image.write(`${second}.bi_next`, ref('bio 0 of mine'));
    expect(waits(scene, READ).block?.request?.address).toBe(scene.sleeper.image.address('mine'));
  });

  it('leads below a device of device mapper, whose clone has the same pages', () => {
    const scene = machine();
    const { image } = scene.sleeper;
    const page = onFolio(scene);
    image.global('dm_rq_blk_dops', 'u64[4]');
    scene.blocks.disk('dm-0');
    image.write('dm-0.fops', ref('dm_rq_blk_dops'));
    scene.blocks.request('upper', 'dm-0', { tag: 1, state: IN_FLIGHT });
    scene.blocks.bio('upper', {}, [{ page, bytes: 4096 }]);
    scene.blocks.bio('mine', {}, [{ page, bytes: 4096 }]);
    expect(waits(scene, READ).block?.queue.disk.name).toBe('sda');
  });
});

describe('a wait for a buffer', () => {
  /** @param size - b_size */
  function onBuffer(scene: ReturnType<typeof machine>, size: number): { readonly page: bigint } {
    const { sleeper, blocks } = scene;
    const { image } = sleeper;
    const page = blocks.page();
    const slabs = new Slabs(image, '6.1');
    image.struct('buffer_head', { b_state: 'unsigned long', b_page: 'void *', b_blocknr: 'u64', b_size: 'size_t' });
    image.function('wake_bit_function');
    slabs.cache('buffer_head', { name: 'buffer_head', size: 128, objects: 32 });
    const at = add(slabs.slab('buffer_head', 1), 128);
    image.place('buffer', 'struct buffer_head', { b_page: page, b_size: size }, { at });
    const wait = { 'wq_entry.private': ref('sleeper'), 'wq_entry.func': ref('wake_bit_function') };
    sleeper.on('key', 'struct wait_bit_queue_entry', { 'key.flags': ref('buffer'), 'key.bit_nr': 2, ...wait });
    sleeper.queue('key.wq_entry.entry');
    return { page };
  }
  const stack = ['__schedule', 'schedule', 'io_schedule', 'bit_wait_io', '__wait_on_bit', 'ext4_find_entry'];

  it('leads to the request whose bio is told to the buffer', () => {
    const scene = machine();
    onBuffer(scene, 1024);
    scene.blocks.bio('mine', { bi_private: ref('buffer') });
    const wait = waits(scene, stack);
    expect(wait).toMatchObject({ kind: 'buffer', block: { request: { sector: 2048n } } });
  });

  it('leads to the request for its page only where no other buffer shares that', () => {
    const whole = machine();
    const first = onBuffer(whole, 4096);
    whole.blocks.bio('mine', {}, [{ page: first.page, bytes: 4096 }]);
    expect(waits(whole, stack).block).toBeDefined();
    const shared = machine();
    const second = onBuffer(shared, 1024);
    shared.blocks.bio('mine', {}, [{ page: second.page, bytes: 1024 }]);
    expect(waits(shared, stack).block).toBeUndefined();
  });
});

describe('a wait for I/O of its own', () => {
  it('leads to the request of submit_bio_wait, whose completion lies on its stack', () => {
    const scene = machine();
    scene.sleeper.on('own', 'struct completion', {});
    completing(scene.sleeper, 'own');
    scene.blocks.bio('mine', { bi_private: ref('own') });
    const wait = waits(scene, FLUSH);
    expect(wait).toMatchObject({ kind: 'io', name: 'sda', proof: 'structure' });
    expect(wait.object).toEqual({ address: scene.sleeper.image.address('mine'), ctype: 'struct request' });
  });

  it('leads to the request of a command, which tells its end to a completion', () => {
    const scene = machine();
    scene.sleeper.on('own', 'struct completion', {});
    completing(scene.sleeper, 'own');
    scene.sleeper.image.write('mine.end_io_data', ref('own'));
    const wait = waits(scene, ['__schedule', 'schedule', 'wait_for_completion_io', 'blk_execute_rq', 'sd_ioctl']);
    expect(wait).toMatchObject({ kind: 'io', block: { queue: { disk: { name: 'sda' } } } });
  });

  it('leads to the request of a bio on its stack', () => {
    const scene = machine();
    scene.sleeper.on('own', 'struct bio', {});
    scene.blocks.bio('mine', {}, [], 'own');
    expect(waits(scene, DIRECT)).toMatchObject({ kind: 'io', proof: 'structure', block: { request: { bytes: 4096 } } });
  });

  it('leads to the request whose end wakes it, past the page cache', () => {
    const scene = machine();
    const { image } = scene.sleeper;
    image.struct('iomap_dio', { size: 'u64', submit: struct({ waiter: 'void *' }) });
    image.function('iomap_dio_bio_end_io');
    image.place('dio', 'struct iomap_dio', { 'submit.waiter': ref('sleeper') });
    scene.blocks.bio('mine', { bi_private: ref('dio'), bi_end_io: ref('iomap_dio_bio_end_io') });
    expect(waits(scene, DIRECT)).toMatchObject({ kind: 'io', proof: 'structure', name: 'sda' });
  });

  it('leads to none that is for another task, and then the functions alone say that it is block I/O', () => {
    const scene = machine();
    const { image } = scene.sleeper;
    image.struct('iomap_dio', { size: 'u64', submit: struct({ waiter: 'void *' }) });
    image.function('iomap_dio_bio_end_io');
    scene.sleeper.tasks.add('tar', { pid: 200 });
    image.place('dio', 'struct iomap_dio', { 'submit.waiter': ref('tar') });
    scene.blocks.bio('mine', { bi_private: ref('dio'), bi_end_io: ref('iomap_dio_bio_end_io') });
    const wait = waits(scene, DIRECT);
    expect(wait).toMatchObject({ kind: 'io', proof: 'function' });
    expect(wait.block).toBeUndefined();
  });

  it('is no wait for the request where it waits in something else: an own bio alone proves nothing', () => {
    const scene = machine();
    scene.sleeper.on('own', 'struct bio', {});
    scene.blocks.bio('mine', {}, [], 'own');
    expect(waits(scene, ['__schedule', 'schedule', 'a_driver_wait']).block).toBeUndefined();
  });

  it('leads to the bio that a clone of device mapper stands for', () => {
    const scene = machine();
    const { image } = scene.sleeper;
    image.struct('dm_io', { magic: 'u64', orig_bio: 'void *' });
    image.struct('dm_target_io', { io: 'void *', clone: 'struct bio' });
    image.function('clone_endio');
    scene.sleeper.on('own', 'struct bio', {}, OBJECT + 40);
    image.place('dm io', 'struct dm_io', { orig_bio: ref('own') });
    image.place('target', 'struct dm_target_io', { io: ref('dm io'), 'clone.bi_end_io': ref('clone_endio') });
    image.write('mine.bio', ref('target.clone'));
    expect(waits(scene, DIRECT)).toMatchObject({ kind: 'io', name: 'sda' });
    // One that leads to itself ends.
    image.write('dm io.orig_bio', ref('target.clone'));
    expect(waits(scene, DIRECT).block).toBeUndefined();
  });
});

describe('a wait before there is a request', () => {
  function queued(scene: ReturnType<typeof machine>, head: string): ReturnType<typeof machine> {
    const { sleeper } = scene;
    sleeper.image.function('autoremove_wake_function');
    const func = ref('autoremove_wake_function');
    sleeper.on('entry', 'struct wait_queue_entry', { private: ref('sleeper'), func });
    sleeper.image.list(head, ['entry.entry']);
    return scene;
  }

  it('for a free tag leads to the disk, and to the older of two that share their tags', () => {
    const scene = queued(machine(), 'sda tags ws[5].wait.head');
    const wait = waits(scene, TAG);
    expect(wait).toMatchObject({ kind: 'io', name: 'sda', proof: 'structure', block: { request: undefined } });
    expect(wait.what).toContain('a free tag');
    const shared = machine();
    shared.blocks.disk('sdb', { like: 'sda' });
    expect(waits(queued(shared, 'sda tags ws[0].wait.head'), TAG).block?.queue.disk.name).toBe('sda');
  });

  it('is none for a tag where the queue is another: functions alone say so then', () => {
    const scene = machine();
    scene.sleeper.image.place('other', 'struct wait_queue_head');
    const wait = waits(queued(scene, 'other.head'), TAG);
    expect(wait).toMatchObject({ kind: 'io', proof: 'function' });
    expect(wait.block).toBeUndefined();
  });

  it('for a frozen queue leads to the disk', () => {
    const scene = queued(machine(), 'sda queue.mq_freeze_wq.head');
    const wait = waits(scene, ['__schedule', 'schedule', '__bio_queue_enter', 'blk_mq_submit_bio']);
    expect(wait).toMatchObject({ kind: 'io', name: 'sda', proof: 'structure' });
    expect(wait.what).toContain('gate of the queue');
  });

  it('for the limit of writeback leads to the disk whose policy has it, and to no other', () => {
    const limited = (of: string): TaskWait => {
      const scene = machine();
      const { image } = scene.sleeper;
      image.struct('rq_qos', { ops: 'void *', next: 'void *' });
      image.struct('rq_wait', { wait: 'struct wait_queue_head', inflight: 'atomic_t' });
      image.struct('rq_wb', { flags: 'u64[4]', rqos: 'struct rq_qos', rq_wait: 'struct rq_wait[3]' });
      image.struct('rq_qos_wait_data', { wq: 'struct wait_queue_entry', task: 'void *', rqw: 'void *' });
      image.place('wb', 'struct rq_wb');
      image.place('other', 'struct rq_wb');
      image.place('first', 'struct rq_qos', { next: ref('wb.rqos') });
      image.write('sda queue.rq_qos', ref('first'));
      scene.sleeper.on('data', 'struct rq_qos_wait_data', { task: ref('sleeper'), rqw: ref(`${of}.rq_wait[1]`) });
      return waits(scene, ['__schedule', 'schedule', 'io_schedule', 'rq_qos_wait', 'wbt_wait']);
    };
    expect(limited('wb')).toMatchObject({ kind: 'io', name: 'sda', proof: 'structure' });
    const other = limited('other');
    expect(other.proof).toBe('function');
    expect(other.block).toBeUndefined();
  });

  it('is found no worse where the disks cannot be read', () => {
    const scene = queued(machine(), 'sda tags ws[5].wait.head');
    scene.sleeper.image.write('block_class.p', 0xffff888012345000n);
    expect(waits(scene, TAG)).toMatchObject({ kind: 'io', proof: 'function' });
  });
});
