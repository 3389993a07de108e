import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import swap from './swap.ts';

const HEADER = 'SWAP_INFO_STRUCT    TYPE       SIZE       USED     PCT  PRI  FILENAME';

function machine(counter: 'unsigned int' | 'atomic_long_t', used: number | bigint) {
  const image = new KernelImage();
  image.struct('swap_info_struct', {
    flags: 'unsigned long',
    prio: 'short',
    pages: 'unsigned int',
    inuse_pages: counter,
    swap_file: 'struct file *',
  });
  image.struct('file', { f_path: 'void *' });
  image.place('area', 'struct swap_info_struct', { flags: 3, prio: -2, pages: 1000, inuse_pages: used });
  image.place('gone', 'struct swap_info_struct', { flags: 0, pages: 7 });
  image.global('swap_info', 'void *[3]', [ref('gone'), ref('area'), 0]);
  image.global('nr_swapfiles', 'unsigned int', 3);
  return commandRunner([swap], programOfImage(image));
}

test('none', () => {
  expect(commandRunner([swap]).run('swap').lines).toEqual([HEADER]);
});

test('one, half full; an area that was switched off is left out', () => {
  const { run, json } = machine('unsigned int', 500);
  expect(run('swap').lines[0]).toBe(HEADER);
  expect(run('swap').lines[1]).toMatch(/^[0-9a-f]{16}  FILE           4000k      2000k  50%   -2/);
  expect(run('swap').lines).toHaveLength(2);
  expect(json('swap')).toMatchObject({ rows: [{ size: 4_096_000, used: 2_048_000, priority: -2 }] });
});

test('since 6.14 a bit of the counter says that the area is full', () => {
  expect(machine('atomic_long_t', (1n << 30n) | 1000n).json('swap')).toMatchObject({ rows: [{ used: 4_096_000 }] });
});
