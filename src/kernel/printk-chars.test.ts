import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { type KernelLog, logLines, readLog } from './printk.ts';

const SIZE = 128;

/** A ring into which `text` was printed after `before` bytes of older text. */
function logOf(text: string, before = 0, length = SIZE): KernelImage {
  const image = new KernelImage();
  const buffer = new Uint8Array(length);
  const end = before + text.length;
  Buffer.from(text, 'latin1').forEach((byte, i) => {
    buffer[(before + i) % length] = byte;
  });
  image.bytes('buffer', buffer, { align: 4096 });
  image.global('log_buf', 'char *', ref('buffer'));
  image.global('log_buf_len', 'int', length);
  image.global('log_end', 'unsigned int', end);
  image.global('logged_chars', 'unsigned int', Math.min(end, length));
  return image;
}

const read = (image: KernelImage): KernelLog => readLog(programOfImage(image));

describe('readLog of characters', () => {
  it('reads levels, facilities, times and text', () => {
    const log = read(logOf('<6>[    1.500000] one\n<12>two\n<4>[12345.000001] BUG: \xe9\n'));
    expect(log.records).toEqual([
      expect.objectContaining({ level: 6, facility: 0, timeNs: 1_500_000_000n, text: 'one', seq: undefined }),
      expect.objectContaining({ level: 4, facility: 1, timeNs: undefined, text: 'two' }),
      expect.objectContaining({ level: 4, timeNs: 12_345_000_001_000n, text: 'BUG: é' }),
    ]);
    expect(log).toMatchObject({ lost: 0, problem: undefined, format: 'characters' });
  });

  it('reads over the wrap, and keeps a first line whose beginning was overwritten', () => {
    const text = `${'a line that was long before the rest and whose beginning is gone'}\n<6>second\n<3>third\n${'<5>'}${'x'.repeat(60)}\n`;
    const log = read(logOf(text, 100));
    expect(log.records.at(0)?.level).toBeUndefined();
    expect(log.records.at(0)?.text).toMatch(/gone$/);
    expect(log.records.slice(1).map(({ text: line }) => line)).toEqual(['second', 'third', 'x'.repeat(60)]);
    expect(log.records.map(({ text: line }) => line).join('').length).toBeLessThanOrEqual(SIZE);
  });

  it('keeps a last line that was not ended, and knows continuations', () => {
    const log = read(logOf('<6>one\n<c>and more'));
    expect(log.records.map(({ text, continuation }) => [text, continuation])).toEqual([
      ['one', false],
      ['and more', true],
    ]);
  });

  it('reads what it can when a page is not in the dump', () => {
    const image = logOf(`<6>first\n<6>${'y'.repeat(5000)}\n<6>last\n`, 0, 16384);
    image.states.set(Number(image.address('buffer') >> 12n), 'lost');
    const log = read(image);
    expect(log.records.at(-1)?.text).toBe('last');
    expect(log.problem).toBe('4096 bytes of the log cannot be read');
  });

  it.each([
    ['log_buf_len', 100, /^the log cannot be read: log_buf at 0x[0-9a-f]{16}: log_buf_len is 100, no power of two$/],
    ['log_buf_len', -1, /^the log cannot be read: log_buf at 0x[0-9a-f]{16}: log_buf_len is 4294967295$/],
    ['log_buf', 0, /^128 bytes of the log cannot be read$/],
  ])('says what is wrong: %s = %s', (name, value, problem) => {
    const image = logOf('<6>one\n');
    image.write(name, value);
    const log = read(image);
    expect(log.records).toEqual([]);
    expect(log.problem).toMatch(problem);
  });

  it('says that there is none', () => {
    expect(read(new KernelImage())).toEqual({
      records: [],
      lost: 0,
      problem: "the log cannot be read: no symbol 'log_buf' in this kernel",
      format: undefined,
    });
  });
});

describe('logLines', () => {
  it('puts the time in front of every line, as dmesg does', () => {
    const [record] = read(logOf('<6>[    1.500000] one\n')).records;
    if (record === undefined) throw new Error('no record');
    expect(logLines(record)).toEqual(['[    1.500000] one']);
    expect(logLines({ ...record, text: 'one\ntwo' })).toEqual(['[    1.500000] one', '[    1.500000] two']);
    expect(logLines({ ...record, timeNs: undefined })).toEqual(['one']);
  });
});
