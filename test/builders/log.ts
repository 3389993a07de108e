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
