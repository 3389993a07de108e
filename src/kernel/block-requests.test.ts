import { describe, expect, it } from 'vitest';
import {
  BLOCK_ERAS,
  BlockDevices,
  COMPLETE,
  IDLE,
  IN_FLIGHT,
  type RequestSpec,
  SECOND,
} from '../../test/builders/block-devices.ts';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { type BlockQueue, blockQueues } from './block-requests.ts';
import { inFlight } from './block-tags.ts';

const CLOCKS = { monotonic: 100n * SECOND, jiffies: 4_294_992_296n, hz: 250 };

function machine(era: (typeof BLOCK_ERAS)[number] = '6.1'): BlockDevices {
  const image = new KernelImage();
  image.cpus(2);
  return new BlockDevices(image, era);
}

function read(blocks: BlockDevices, clocks: Parameters<typeof blockQueues>[1] = CLOCKS): readonly BlockQueue[] {
  blocks.link();
  return blockQueues(programOfImage(blocks.image), clocks);
}

/** The only queue of a machine with one disk and one request. */
function one(spec: RequestSpec): BlockQueue | undefined {
  const blocks = machine();
  blocks.disk('sda', { tags: 8, scheduler: 16 });
  blocks.request('r', 'sda', spec);
  return read(blocks)[0];
}

describe.each(BLOCK_ERAS)('requests of a disk, as of %s', (era) => {
  it('are those that the driver has, oldest first, and those that it was not given', () => {
    const blocks = machine(era);
    blocks.disk('sda', { tags: 8, scheduler: 16 });
    blocks.request('young', 'sda', {
      tag: 1,
      internal: 3,
      state: IN_FLIGHT,
      sector: 8,
      bytes: 4096,
      start: 99n * SECOND,
    });
    blocks.request('old', 'sda', {
      tag: 5,
      internal: 9,
      state: IN_FLIGHT,
      flags: 0x801,
      sector: 2048,
      bytes: 8192,
      start: 58n * SECOND,
    });
    blocks.request('waiting', 'sda', { internal: 15, state: IDLE, bytes: 512, start: 70n * SECOND });
    blocks.request('freed', 'sda', { internal: 2, state: IDLE, ref: 0, start: 60n * SECOND });
    const [queue, ...others] = read(blocks);
    expect(others).toEqual([]);
    expect(queue).toMatchObject({
      disk: { name: 'sda' },
      driver: 'sda_mq_ops',
      frozen: false,
      quiesced: false,
      problem: undefined,
    });
    const { image } = blocks;
    expect(queue?.requests.map(({ address, state }) => [address, state])).toEqual([
      [image.address('old'), 'in flight'],
      [image.address('waiting'), 'queued'],
      [image.address('young'), 'in flight'],
    ]);
    expect(queue?.requests[0]).toMatchObject({
      operation: 'write',
      sector: 2048n,
      bytes: 8192,
      age: 42n * SECOND,
      ageBy: 'start_time_ns',
      timeout: 30n * SECOND,
    });
    expect(queue?.tags.map(({ count, depth, taken }) => [count, depth, taken])).toEqual([
      [8, 8, 2],
      [16, 16, 4],
    ]);
    expect(inFlight(programOfImage(image), image.address('sda queue'))).toEqual({ reads: 1, writes: 1 });
  });

  it('without a scheduler have the tags of the driver from the start', () => {
    const blocks = machine(era);
    blocks.disk('vda', { tags: 4 });
    blocks.request('given', 'vda', { tag: 0, state: IN_FLIGHT, start: SECOND });
    blocks.request('not given', 'vda', { tag: 3, state: IDLE, start: SECOND });
    const [queue] = read(blocks);
    expect(queue?.requests.map(({ state }) => state).sort()).toEqual(['in flight', 'queued']);
  });

  it('are of the disk that they name, where disks share their tags', () => {
    const blocks = machine(era);
    blocks.disk('sda', { tags: 8 });
    blocks.disk('sdb', { like: 'sda' });
    blocks.request('a', 'sda', { tag: 1, state: IN_FLIGHT });
    blocks.request('b', 'sdb', { tag: 2, state: IN_FLIGHT });
    const [sda, sdb] = read(blocks);
    expect(sda?.requests.map(({ address }) => address)).toEqual([blocks.image.address('a')]);
    expect(sdb?.requests.map(({ address }) => address)).toEqual([blocks.image.address('b')]);
  });
});

describe('a request', () => {
  it('is none where its tag is free: the table keeps what had it last', () => {
    expect(one({ tag: 2, state: IN_FLIGHT, taken: false })?.requests).toEqual([]);
  });

  it('is none where it says that it has another tag, or belongs to a queue that there is not', () => {
    const blocks = machine();
    blocks.disk('sda');
    blocks.request('r', 'sda', { tag: 2, state: IN_FLIGHT });
    blocks.image.write('r.tag', 3);
    expect(read(blocks)[0]?.requests).toEqual([]);
    const lost = machine();
    lost.disk('sda');
    lost.request('r', 'sda', { tag: 2, state: IN_FLIGHT });
    lost.image.write('r.q', 0xffff888012345000n);
    expect(read(lost)[0]?.requests).toEqual([]);
  });

  it('counts once where the tag that it had before still points to it', () => {
    const blocks = machine();
    blocks.disk('sda', { tags: 8, scheduler: 16 });
    blocks.request('r', 'sda', { tag: 2, internal: 1, state: IN_FLIGHT });
    blocks.image.write('sda tags rqs[5]', ref('r'));
    expect(read(blocks)[0]?.requests).toHaveLength(1);
    expect(inFlight(programOfImage(blocks.image), blocks.image.address('sda queue'))).toEqual({ reads: 1, writes: 0 });
  });

  it('that the driver is done with is complete, and not waited for there', () => {
    expect(one({ tag: 2, internal: 1, state: COMPLETE })?.requests).toMatchObject([{ state: 'complete' }]);
  });

  it('has no sector where it has no data, and a number for an operation without a name', () => {
    expect(one({ tag: 2, state: IN_FLIGHT, flags: 2, sector: 77 })?.requests).toMatchObject([
      { operation: 'flush', sector: undefined, bytes: 0 },
    ]);
    expect(one({ tag: 2, state: IN_FLIGHT, flags: 0x2c, bytes: 512 })?.requests).toMatchObject([
      { operation: 'request of kind 44' },
    ]);
  });

  it('has its age by its timer where its start was not noted', () => {
    // 18 s of 30 s are left, at 250 ticks a second.
    const timed = { tag: 1, state: IN_FLIGHT, timeout: 7500, deadline: CLOCKS.jiffies + 4500n };
    expect(one(timed)?.requests).toMatchObject([{ age: 12n * SECOND, ageBy: 'deadline' }]);
    // Overdue by 10 s.
    expect(one({ ...timed, deadline: CLOCKS.jiffies - 2500n })?.requests).toMatchObject([{ age: 40n * SECOND }]);
  });

  it('has no age where the clocks do not fit it: damage is no wait of centuries', () => {
    const none = { age: undefined, ageBy: undefined };
    expect(one({ tag: 1, state: IN_FLIGHT, start: 1n << 62n })?.requests).toMatchObject([none]);
    expect(one({ tag: 1, state: IN_FLIGHT, deadline: CLOCKS.jiffies + (1n << 40n) })?.requests).toMatchObject([none]);
    // The timekeeper may lag by a tick.
    expect(one({ tag: 1, state: IN_FLIGHT, start: CLOCKS.monotonic + 4_000_000n })?.requests).toMatchObject([
      { age: 0n },
    ]);
    const blocks = machine();
    blocks.disk('sda');
    blocks.request('r', 'sda', { tag: 1, state: IN_FLIGHT, start: SECOND, deadline: 5n });
    const unknown = { monotonic: undefined, jiffies: undefined, hz: undefined };
    expect(read(blocks, unknown)[0]?.requests).toMatchObject([{ ...none, timeout: undefined }]);
  });
});

describe('a queue', () => {
  it('says that it is frozen or quiesced', () => {
    const blocks = machine();
    blocks.disk('sda', { queue: { mq_freeze_depth: 1 } });
    blocks.disk('sdb', { queue: { quiesce_depth: 2 } });
    expect(read(blocks)).toMatchObject([
      { frozen: true, quiesced: false },
      { frozen: false, quiesced: true },
    ]);
  });

  it('without hardware queues is none: device mapper and brd make no requests', () => {
    const blocks = machine();
    blocks.disk('dm-0');
    blocks.image.write('dm-0 queue.hctx_table.xa_head', 0);
    expect(read(blocks)).toEqual([]);
  });

  it('says what is damaged and keeps what the others have', () => {
    const blocks = machine();
    blocks.disk('sda');
    blocks.disk('sdb');
    blocks.disk('sdc');
    blocks.request('r', 'sdc', { tag: 1, state: IN_FLIGHT });
    blocks.image.write('sda tags.nr_tags', 0x7fffffff);
    blocks.image.write('sdb tags.bitmap_tags.sb.map', 0xffff888012345000n);
    const [sda, sdb, sdc] = read(blocks);
    expect(sda?.problem).toContain('2147483647 tags');
    expect(sdb?.problem).toBeDefined();
    expect(sdc).toMatchObject({ problem: undefined, requests: [{ state: 'in flight' }] });
  });

  it('leaves out requests that cannot be read', () => {
    const blocks = machine();
    blocks.disk('sda');
    blocks.request('a', 'sda', { tag: 1, state: IN_FLIGHT });
    blocks.request('b', 'sda', { tag: 2, state: IN_FLIGHT });
    blocks.image.write('sda tags rqs[1]', 0xffff888012345000n);
    expect(read(blocks)[0]?.requests).toHaveLength(1);
  });
});
