import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import type { KernelLog } from './log-record.ts';
import { readLog } from './printk.ts';

const SIZE = 256;

interface Message {
  readonly text: string;
  readonly dict?: string;
  readonly time?: bigint;
  readonly level?: number;
  readonly flags?: number;
  readonly caller?: number;
}

/** One record as the kernel of the era stores it; `header` is 16 bytes, or 20 with a caller_id (CONFIG_PRINTK_CALLER). */
function record(message: Message, header: number): Uint8Array {
  const dict = message.dict ?? '';
  const length = Math.ceil((header + message.text.length + dict.length) / 8) * 8;
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, message.time ?? 1000n, true);
  view.setUint16(8, length, true);
  view.setUint16(10, message.text.length, true);
  view.setUint16(12, dict.length, true);
  view.setUint8(14, 0);
  view.setUint8(15, ((message.level ?? 6) << 5) | (message.flags ?? 2));
  if (header === 20) view.setUint32(16, message.caller ?? 0, true);
  bytes.set(Buffer.from(message.text + dict), header);
  return bytes;
}

interface Ring {
  readonly image: KernelImage;
  readonly buffer: Uint8Array;
}

/** A kernel without types, as of those years: VMCOREINFO names everything. */
function ringOf(type: 'log' | 'printk_log', header: number, from: number, messages: readonly Message[]): Ring {
  const image = new KernelImage();
  const buffer = new Uint8Array(SIZE);
  let at = from;
  for (const message of messages) {
    const bytes = record(message, header);
    // The kernel leaves room for a header of length 0 that says: on at the start.
    if (at + bytes.length + header > SIZE) at = 0;
    buffer.set(bytes, at);
    at += bytes.length;
  }
  image.global('log_buf', 'char *', ref('buffer'));
  image.global('log_buf_len', 'u32', SIZE);
  image.global('log_first_idx', 'u32', from);
  image.global('log_next_idx', 'u32', at);
  image.global('log_first_seq', 'u64', 40);
  for (const name of ['log_buf', 'log_buf_len', 'log_first_idx', 'log_next_idx'])
    image.vmcoreinfo(`SYMBOL(${name})`, image.address(name).toString(16));
  image.vmcoreinfo(`SIZE(${type})`, header);
  for (const [member, offset] of Object.entries({ ts_nsec: 0, len: 8, text_len: 10, dict_len: 12 }))
    image.vmcoreinfo(`OFFSET(${type}.${member})`, offset);
  return { image, buffer };
}

function read({ image, buffer }: Ring): KernelLog {
  image.bytes('buffer', buffer);
  return readLog(programOfImage(image));
}

const texts = (log: KernelLog): readonly string[] => log.records.map(({ text }) => text);

describe('readLog of struct printk_log', () => {
  it('reads the records of 3.11 to 5.9', () => {
    const ring = ringOf('printk_log', 16, 0, [
      { text: 'Linux version 4.19', time: 0n, level: 5 },
      { text: 'e1000 link', dict: 'SUBSYSTEM=pci\0DEVICE=+pci:0000:00:03.0', time: 2_000_000_000n, level: 4 },
      { text: 'more', flags: 8 },
    ]);
    expect(read(ring)).toEqual({
      records: [
        {
          seq: 40n,
          timeNs: 0n,
          level: 5,
          facility: 0,
          caller: undefined,
          continuation: false,
          device: undefined,
          text: 'Linux version 4.19',
        },
        expect.objectContaining({
          seq: 41n,
          timeNs: 2_000_000_000n,
          level: 4,
          text: 'e1000 link',
          device: { subsystem: 'pci', device: '+pci:0000:00:03.0' },
        }),
        expect.objectContaining({ seq: 42n, text: 'more', continuation: true }),
      ],
      lost: 0,
      problem: undefined,
      format: 'printk_log',
    });
  });

  it('reads the records of 3.5 to 3.10, of struct log', () => {
    expect(texts(read(ringOf('log', 16, 0, [{ text: 'one' }, { text: 'two' }])))).toEqual(['one', 'two']);
  });

  it('reads who printed, since 5.1', () => {
    const log = read(
      ringOf('printk_log', 20, 0, [
        { text: 'task', caller: 7 },
        { text: 'irq', caller: 0x80000001 },
      ]),
    );
    expect(log.records.map(({ caller }) => caller)).toEqual([
      { kind: 'task', id: 7 },
      { kind: 'cpu', id: 1 },
    ]);
    expect(texts(log)).toEqual(['task', 'irq']);
  });

  it('goes on at the start, after a record of length 0 and where there is no room for one', () => {
    const messages = ['the first', 'the second', 'the third'].map((text) => ({ text }));
    expect(texts(read(ringOf('printk_log', 16, 184, messages)))).toEqual(['the first', 'the second', 'the third']);
    expect(texts(read(ringOf('printk_log', 16, 208, messages)))).toEqual(['the first', 'the second', 'the third']);
  });

  it('is empty when nothing was printed', () => {
    expect(read(ringOf('printk_log', 16, 0, []))).toMatchObject({ records: [], lost: 0, problem: undefined });
  });

  it('goes on at the next sound record after a damaged one', () => {
    const ring = ringOf('printk_log', 16, 0, [{ text: 'one' }, { text: 'two' }, { text: 'three' }, { text: 'four' }]);
    ring.buffer.fill(0xff, 24, 30);
    ring.buffer[24 + 8] = 7;
    const log = read(ring);
    expect(texts(log)).toEqual(['one', 'three', 'four']);
    expect(log.records.map(({ seq }) => seq)).toEqual([40n, undefined, undefined]);
    expect(log.lost).toBe(1);
    expect(log.problem).toBe('24 bytes of the log are damaged or cannot be read');
  });

  it('finds the records at the start when the upper ones are damaged', () => {
    const ring = ringOf('printk_log', 16, 184, [{ text: 'one' }, { text: 'two' }, { text: 'three' }]);
    ring.buffer.fill(0xff, 184, SIZE);
    const log = read(ring);
    expect(texts(log)).toEqual(['three']);
    expect(log.lost).toBe(1);
  });

  it('ends when nothing makes sense', () => {
    const ring = ringOf('printk_log', 16, 0, [{ text: 'one' }, { text: 'two' }]);
    ring.buffer.fill(0xff);
    expect(read(ring)).toMatchObject({ records: [], lost: 1 });
    const zero = ringOf('printk_log', 16, 0, [{ text: 'one' }, { text: 'two' }]);
    zero.buffer.fill(0);
    expect(read(zero)).toMatchObject({ records: [], lost: 1 });
  });

  it('keeps the records around a page that the dump does not have', () => {
    const ring = ringOf('printk_log', 16, 0, []);
    const big = new Uint8Array(3 * 4096);
    const filler = record({ text: 'x'.repeat(4096 - 16) }, 16);
    const tail = record({ text: 'the end' }, 16);
    big.set(record({ text: 'y'.repeat(4096 - 16) }, 16), 0);
    big.set(filler, 4096);
    big.set(tail, 8192);
    ring.image.write('log_buf_len', big.length);
    ring.image.write('log_next_idx', 8192 + tail.length);
    const at = ring.image.bytes('buffer', big, { align: 4096 });
    ring.image.states.set(Number(at >> 12n) + 1, 'excluded');
    const log = readLog(programOfImage(ring.image));
    expect(texts(log)).toEqual(['y'.repeat(4080), 'the end']);
    expect(log.lost).toBe(1);
    expect(log.problem).toBe('4096 bytes of the log are damaged or cannot be read');
  });

  it('refuses a layout whose members lie outside of their structure', () => {
    for (const [line, value] of [
      ['OFFSET(printk_log.text_len)', 400],
      ['OFFSET(printk_log.ts_nsec)', 9],
      ['SIZE(printk_log)', 1 << 20],
    ] as const) {
      const ring = ringOf('printk_log', 16, 0, [{ text: 'one' }]);
      // The first of equal keys counts.
      ring.image.vmcoreinfoLines.unshift(`${line}=${value}`);
      expect(read(ring).problem).toMatch(/VMCOREINFO: struct printk_log has \d+ bytes/);
    }
  });

  it.each([
    ['log_buf_len', 0x7fffffff],
    ['log_buf_len', 0],
    ['log_first_idx', 1 << 20],
    ['log_next_idx', 1 << 20],
  ])('says that the log cannot be read: %s = %s', (name, value) => {
    const ring = ringOf('printk_log', 16, 0, [{ text: 'one' }]);
    ring.image.write(name, value);
    expect(read(ring)).toMatchObject({
      records: [],
      problem: expect.stringMatching(/^the log cannot be read/) as string,
    });
  });
});
