import { expect, test } from 'vitest';
import { KernelImage } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { safeBuffers } from './printk-safe.ts';

const MESSAGE = '\u00013Kernel panic\n\u0001cnot syncing\n';

function withBuffers(): KernelImage {
  const image = new KernelImage();
  image.struct('printk_safe_seq_buf', { len: 'atomic_t', message_lost: 'atomic_t', buffer: 'char[64]' });
  image.cpus(2);
  image.perCpu('nmi_print_seq', 'struct printk_safe_seq_buf', [
    {},
    { 'len.counter': MESSAGE.length, 'message_lost.counter': 3, buffer: MESSAGE },
  ]);
  image.perCpu('safe_print_seq', 'struct printk_safe_seq_buf', [{}, {}]);
  return image;
}

test('messages of each CPU, without their levels', () => {
  const buffers = safeBuffers(programOfImage(withBuffers()));
  expect(buffers.map(({ name, cpu, length, lost, lines }) => [name, cpu, length, lost, lines])).toEqual([
    ['nmi_print_seq', 0, 0, 0, []],
    ['nmi_print_seq', 1, MESSAGE.length, 3, ['Kernel panic', 'not syncing']],
    ['safe_print_seq', 0, 0, 0, []],
    ['safe_print_seq', 1, 0, 0, []],
  ]);
  expect(safeBuffers(programOfImage(new KernelImage()))).toEqual([]);
});

test('a length that the buffer has not is refused', () => {
  const image = withBuffers();
  image.write('nmi_print_seq@1.len.counter', 65);
  expect(() => safeBuffers(programOfImage(image))).toThrow('has 65 bytes');
});
