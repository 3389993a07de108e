/**
 * A kernel log in a KernelImage, in its simplest form (until 3.4): characters in a ring. `<6>` is a line of the kernel,
 * `<14>` one that user space wrote.
 */
import { type KernelImage, ref } from './image.ts';

/** @param length - bytes of the ring, a power of two; older lines are overwritten as in the kernel */
export function placeLog(image: KernelImage, lines: readonly string[], length = 4096): void {
  const text = Buffer.from(lines.map((line) => `${line}\n`).join(''));
  const ring = new Uint8Array(length);
  text.forEach((byte, i) => {
    ring[i % length] = byte;
  });
  image.bytes('log ring', ring, { align: 4096 });
  image.global('log_buf', 'char *', ref('log ring'));
  image.global('log_buf_len', 'int', length);
  image.global('log_end', 'unsigned int', text.length);
  image.global('logged_chars', 'unsigned int', Math.min(text.length, length));
}

/** A record of the log of 3.5 to 5.9. */
export interface TestRecord {
  /** Nanoseconds since boot. */
  readonly time: bigint;
  readonly text: string;
}

/** A log of `struct log` (3.5 to 3.10), which the image's types must have; what the kernel itself printed. */
export function placeLogRecords(image: KernelImage, records: readonly TestRecord[], length = 4096): void {
  const header = 16;
  image.bytes('log ring', new Uint8Array(length), { align: 4096 });
  let end = 0;
  records.forEach(({ time, text }, i) => {
    const bytes = Buffer.from(text);
    const size = Math.ceil((header + bytes.length) / 8) * 8;
    if (end + size + header > length) throw new Error('the records do not fit into the log');
    const at = image.address('log ring') + BigInt(end);
    image.place(`log ${i}`, 'struct log', { ts_nsec: time, len: size, text_len: bytes.length, level: 6 }, { at });
    image.bytes(`log text ${i}`, bytes, { at: at + BigInt(header) });
    end += size;
  });
  image.global('log_buf', 'char *', ref('log ring'));
  image.global('log_buf_len', 'u32', length);
  image.global('log_first_idx', 'u32', 0);
  image.global('log_next_idx', 'u32', end);
  image.global('log_first_seq', 'u64', 0);
}
