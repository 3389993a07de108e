/** Values as data: a structure built by hand with each kind of member. */
import { expect, test } from 'vitest';
import { KernelImage } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { memoryPlace } from './c-value.ts';
import { valueData } from './c-value-data.ts';

function dataOf(image: KernelImage, label: string, type: string): unknown {
  const program = programOfImage(image);
  const found = program.types.find(type);
  return valueData(found, memoryPlace(program, image.address(label)));
}

test('text of char, numbers of u8, and names of enumerators', () => {
  const image = new KernelImage();
  image.enum('tt', ['TT_NONE', 'TT_NATIVE']);
  image.struct('mixed', { name: 'char[8]', mac: 'u8[6]', delta: 's8[2]', type: 'enum tt', at: 'void *', big: 'u64' });
  image.place('m', 'struct mixed', {
    name: 'caf\u00e9',
    mac: [0x52, 0x54, 0, 0x12, 0x34, 0xff],
    delta: [-1, 2],
    type: 1,
    at: 0xffff888000001000n,
    big: 2n ** 63n,
  });
  expect(dataOf(image, 'm', 'struct mixed')).toEqual({
    name: 'caf\u00e9',
    mac: [0x52, 0x54, 0, 0x12, 0x34, 0xff],
    delta: [-1, 2],
    type: 'TT_NATIVE',
    at: '0xffff888000001000',
    big: '9223372036854775808',
  });
});

test('arrays are whole, as far as one value may go: what is left out is counted', () => {
  const image = new KernelImage();
  image.struct('long', { values: 'int[1000]' });
  image.place('l', 'struct long', { 'values[999]': 7 });
  const { values } = dataOf(image, 'l', 'struct long') as { readonly values: readonly number[] };
  expect(values).toHaveLength(1000);
  expect(values[999]).toBe(7);
  image.struct('row', { cells: 'u8[4096]' });
  image.struct('table', { rows: 'struct row[128]' });
  image.place('t', 'struct table');
  const { rows } = dataOf(image, 't', 'struct table') as {
    readonly rows: readonly { readonly cells: readonly unknown[] }[];
  };
  const cells = rows.flatMap((row) => row.cells ?? []);
  expect(cells.length).toBeLessThan(1 << 18);
  expect(rows.at(-1)).toEqual({ left_out: 128 - (rows.length - 1) });
  expect(rows.at(-2)?.cells.at(-1)).toEqual({ left_out: 4097 - (rows.at(-2)?.cells.length ?? 0) });
});
