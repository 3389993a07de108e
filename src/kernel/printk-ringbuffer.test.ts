import { describe, expect, it } from 'vitest';
import { KernelImage, ref, type Value } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import type { KernelLog } from './log-record.ts';
import { readLog } from './printk.ts';

const COMMITTED = 1n << 62n;
const FINALIZED = 2n << 62n;
const REUSABLE = 3n << 62n;
const TEXT = 128n;

interface Message {
  readonly text: string;
  readonly state?: bigint;
  /** Where the block begins and ends, if not one after the other. */
  readonly begin?: bigint;
  readonly next?: bigint;
  /** Offset of the block in the ring, if not where it begins. */
  readonly at?: number;
  readonly info?: { readonly [path: string]: Value };
}

/** A ring of 8 descriptors and 128 bytes of text that starts with id `first`. */
function ringOf(messages: readonly Message[], first = 0n): KernelImage {
  const image = new KernelImage();
  image.struct('printk_info', {
    seq: 'u64',
    ts_nsec: 'u64',
    text_len: 'u16',
    facility: 'u8',
    flags: 'u8:5',
    level: 'u8:3',
    caller_id: 'u32',
    dev_info: 'struct dev_printk_info',
  });
  image.struct('dev_printk_info', { subsystem: 'char[16]', device: 'char[48]' });
  image.struct('prb_data_blk_lpos', { begin: 'unsigned long', next: 'unsigned long' });
  image.struct('prb_desc', { state_var: 'atomic_long_t', text_blk_lpos: 'struct prb_data_blk_lpos' });
  image.struct('prb_data_ring', {
    size_bits: 'unsigned int',
    data: 'char *',
    head_lpos: 'atomic_long_t',
    tail_lpos: 'atomic_long_t',
  });
  image.struct('prb_desc_ring', {
    count_bits: 'unsigned int',
    descs: 'struct prb_desc *',
    infos: 'struct printk_info *',
    head_id: 'atomic_long_t',
    tail_id: 'atomic_long_t',
  });
  image.struct('printk_ringbuffer', {
    desc_ring: 'struct prb_desc_ring',
    text_data_ring: 'struct prb_data_ring',
    fail: 'atomic_long_t',
  });
  image.global('prb', 'struct printk_ringbuffer *', ref('ring'));
  image.place('ring', 'struct printk_ringbuffer', {
    'desc_ring.count_bits': 3,
    'desc_ring.descs': ref('descs'),
    'desc_ring.infos': ref('infos'),
    'desc_ring.head_id': first + BigInt(messages.length) - 1n,
    'desc_ring.tail_id': first,
    'text_data_ring.size_bits': 7,
    'text_data_ring.data': ref('text'),
  });
  image.place('descs', 'struct prb_desc[8]');
  image.place('infos', 'struct printk_info[8]');
  image.place('text', 'char[128]');
  let next = 0n;
  messages.forEach((message, i) => {
    const id = first + BigInt(i);
    const slot = Number(id % 8n);
    const begin = message.begin ?? next;
    next = message.next ?? begin + 8n + BigInt(Math.ceil(message.text.length / 8) * 8);
    image.write(`descs[${slot}]`, {
      state_var: (message.state ?? FINALIZED) | id,
      'text_blk_lpos.begin': begin,
      'text_blk_lpos.next': next,
    });
    image.write(`infos[${slot}]`, {
      seq: id,
      ts_nsec: id * 1000n,
      text_len: message.text.length,
      level: 6,
      caller_id: 1,
      ...message.info,
    });
    const at = message.at ?? Number(begin % TEXT);
    const block = new Uint8Array(8 + message.text.length);
    new DataView(block.buffer).setBigUint64(0, id, true);
    block.set(Buffer.from(message.text), 8);
    if ((begin & 1n) === 0n) block.forEach((byte, b) => image.write(`text[${at + b}]`, (byte << 24) >> 24));
  });
  return image;
}

const read = (image: KernelImage): KernelLog => readLog(programOfImage(image));
const texts = (log: KernelLog): readonly string[] => log.records.map((record) => record.text);

describe('readLog of a printk_ringbuffer', () => {
  it('refuses a layout whose members lie outside of their structure, or that would be read for hours', () => {
    for (const [line, value] of [
      ['OFFSET(printk_info.text_len)', 4096],
      ['OFFSET(printk_info.caller_id)', 85],
      ['OFFSET(prb_desc.state_var)', 24],
      ['SIZE(prb_desc)', 1 << 20],
    ] as const) {
      const image = ringOf([{ text: 'one' }]);
      image.vmcoreinfo(line, value);
      expect(read(image)).toMatchObject({
        records: [],
        problem: expect.stringMatching(/VMCOREINFO: struct pr/) as string,
      });
    }
  });

  it('reads committed and finalized records with all they say', () => {
    const image = ringOf([
      { text: 'one' },
      {
        text: 'two',
        state: COMMITTED,
        info: {
          facility: 3,
          flags: 8,
          level: 2,
          caller_id: 0x80000005,
          dev_info: { subsystem: 'pci', device: '+pci:1' },
        },
      },
    ]);
    expect(read(image)).toEqual({
      records: [
        {
          seq: 0n,
          timeNs: 0n,
          level: 6,
          facility: 0,
          caller: { kind: 'task', id: 1 },
          continuation: false,
          device: undefined,
          text: 'one',
        },
        {
          seq: 1n,
          timeNs: 1000n,
          level: 2,
          facility: 3,
          caller: { kind: 'cpu', id: 5 },
          continuation: true,
          device: { subsystem: 'pci', device: '+pci:1' },
          text: 'two',
        },
      ],
      lost: 0,
      problem: undefined,
      format: 'printk_ringbuffer',
    });
  });

  it('reads with the offsets of VMCOREINFO alone', () => {
    const typed = ringOf([{ text: 'one' }, { text: 'two' }]);
    const program = programOfImage(typed);
    const image = ringOf([{ text: 'one' }, { text: 'two' }]);
    for (const [type, members] of Object.entries({
      printk_ringbuffer: ['desc_ring', 'text_data_ring'],
      prb_desc_ring: ['count_bits', 'descs', 'infos', 'head_id', 'tail_id'],
      prb_data_ring: ['size_bits', 'data'],
      prb_desc: ['state_var', 'text_blk_lpos'],
      prb_data_blk_lpos: ['begin', 'next'],
      printk_info: ['seq', 'ts_nsec', 'text_len', 'caller_id', 'dev_info'],
      dev_printk_info: ['subsystem', 'device'],
    })) {
      image.vmcoreinfo(`SIZE(${type})`, program.sizeOf(`struct ${type}`));
      for (const member of members)
        image.vmcoreinfo(`OFFSET(${type}.${member})`, program.field(`struct ${type}`, member).offset);
    }
    image.vmcoreinfo('SYMBOL(prb)', image.address('prb').toString(16));
    expect(texts(readLog(withoutTypes(image)))).toEqual(['one', 'two']);
  });

  it('reads over the wrap of descriptors and of their ids', () => {
    const last = (1n << 62n) - 2n;
    const image = ringOf([{ text: 'a' }, { text: 'b' }, { text: 'c' }], last);
    image.write('ring.desc_ring.head_id', 0);
    // Ids count modulo 2^62: the third one is 0, in slot 0.
    image.write('descs[0].state_var', FINALIZED);
    for (let i = 0; i < 8; i++) image.write(`text[${32 + i}]`, 0);
    expect(texts(read(image))).toEqual(['a', 'b', 'c']);
  });

  it('reads a block that was moved to the start of the ring, and one that ends with it', () => {
    const moved = ringOf([
      { text: 'x'.repeat(48), begin: 48n, next: 104n },
      { text: 'moved to the start', begin: 104n, next: TEXT + 32n, at: 0 },
      { text: 'then', begin: TEXT + 32n, next: TEXT + 48n },
    ]);
    expect(texts(read(moved)).slice(1)).toEqual(['moved to the start', 'then']);
    expect(read(moved).lost).toBe(0);
    // At boot positions begin one round below zero.
    const first = ringOf([
      { text: 'before', begin: 2n ** 64n - 48n, next: 2n ** 64n - 24n },
      { text: 'moved to the start', begin: 2n ** 64n - 24n, next: 32n, at: 0 },
      { text: 'then', begin: 32n },
    ]);
    expect(texts(read(first))).toEqual(['before', 'moved to the start', 'then']);
    expect(read(first).lost).toBe(0);
    const exact = ringOf([{ text: 'up to the end', begin: 104n, next: TEXT }]);
    expect(texts(read(exact))).toEqual(['up to the end']);
  });

  it('cuts text at its block, and takes empty lines for what they are', () => {
    const image = ringOf([
      { text: 'short', info: { text_len: 60000 } },
      { text: '', begin: 3n, next: 3n },
    ]);
    expect(texts(read(image))).toEqual(['short\0\0\0', '']);
  });

  it('counts what is not whole, and reads the rest', () => {
    const image = ringOf([
      { text: 'unused', state: REUSABLE },
      { text: 'good' },
      { text: 'half', state: 0n },
      { text: 'no room', begin: 1n, next: 1n },
      { text: 'last', begin: 80n, next: 96n },
    ]);
    const log = read(image);
    expect(texts(log)).toEqual(['good', 'last']);
    expect(log.lost).toBe(2);
    expect(log.problem).toBe('records of the log are missing: 1 without room for their text, 1 being written');
  });

  it.each([
    ['the id of a descriptor', 'descs[1].state_var', FINALIZED | 77n],
    ['the id of a text block', 'text[16]', 99],
    ['a block that ends before it begins', 'descs[1].text_blk_lpos.next', 8],
    ['a block of many rounds', 'descs[1].text_blk_lpos.next', 5 * 128 + 40],
    ['a block without room for its id', 'descs[1].text_blk_lpos.next', 20],
  ])('counts a record as damaged: %s', (_what, member, value) => {
    const image = ringOf([{ text: 'one' }, { text: 'two' }, { text: 'three' }]);
    image.write(member, value);
    const log = read(image);
    expect(texts(log)).toEqual(['one', 'three']);
    expect(log.lost).toBe(1);
    expect(log.problem).toBe('records of the log are missing: 1 damaged');
  });

  it('does not call damaged what the writer had only just begun', () => {
    const image = ringOf([{ text: 'one' }, { text: 'two' }], 8n);
    image.write('descs[1].state_var', REUSABLE | 1n);
    expect(read(image).problem).toBe('records of the log are missing: 1 being written');
  });

  it('counts records on pages that the dump does not have', () => {
    const image = ringOf([{ text: 'one' }, { text: 'two' }, { text: 'three' }]);
    const infos = image.bytes('gone', new Uint8Array(4096), { page: 'excluded' });
    const size = programOfImage(ringOf([])).sizeOf('struct printk_info');
    // Info 0 lies before the hole, the others in it.
    image.place('info0', 'struct printk_info', { seq: 0, text_len: 3 }, { at: infos - BigInt(size) });
    image.write('ring.desc_ring.infos', ref('info0'));
    const log = read(image);
    expect(texts(log)).toEqual(['one']);
    expect(log.problem).toBe('records of the log are missing: 2 unreadable');
  });

  it('bounds a tail that does not fit the head', () => {
    const image = ringOf([{ text: 'one' }, { text: 'two' }]);
    image.write('ring.desc_ring.tail_id', 1n << 40n);
    const log = read(image);
    expect(texts(log)).toEqual(['one', 'two']);
    expect(log.problem).toContain('the tail of the log does not fit its head');
  });

  it.each([
    ['ring.desc_ring.count_bits', 40],
    ['ring.desc_ring.count_bits', 0],
    ['ring.text_data_ring.size_bits', 64],
    ['prb', 0],
  ])('says that the log cannot be read: %s = %s', (member, value) => {
    const image = ringOf([{ text: 'one' }]);
    image.write(member, value);
    const log = read(image);
    expect(log.records).toEqual([]);
    expect(log.problem).toMatch(/^the log cannot be read: /);
  });
});

/** A program that has memory and VMCOREINFO, and no types. */
function withoutTypes(image: KernelImage): ReturnType<typeof programOfImage> {
  const program = programOfImage(image);
  Object.defineProperty(program.types, 'tryFind', { value: () => undefined });
  return program;
}
