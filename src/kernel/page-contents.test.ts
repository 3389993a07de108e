import { expect, it } from 'vitest';
import { KernelImage } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { Slabs } from '../../test/builders/slab.ts';
import { pfn, virt } from '../base/address.ts';
import { FrameTable } from './frame-table.ts';
import { codeOf } from './page-class.ts';
import { pageContents } from './page-contents.ts';
import { slabCaches } from './slab.ts';

it('what pages hold and point to', () => {
  const image = new KernelImage();
  const slabs = new Slabs(image, '6.1');
  slabs.cache('small', { name: 'kmalloc-64', size: 64, objects: 64 });
  const slab = slabs.slab('small', 1);
  image.function('leaky_callback');
  // Addresses are physical here as well. The slabs' memory has page structures; the page at +32 is of no slab.
  const other = slabs.start + 32n * 4096n;
  const first = slabs.start + 40n * 4096n;
  const words = (i: number, values: readonly bigint[]): number => {
    const bytes = Buffer.alloc(4096);
    values.forEach((value, at) => bytes.writeBigUInt64LE(value, at * 8));
    image.bytes(`page ${i}`, bytes, { at: first + BigInt(i * 4096) });
    return Number(first >> 12n) + i;
  };
  const frames = [
    words(0, [slab + 64n, slab + 128n, 5n]),
    words(1, [slab, image.address('leaky_callback') + 4n, 0xffffffff00000001n]),
    words(2, []),
    words(3, [other]),
  ];
  image.bytes('text', Buffer.from('line of a log\n'.repeat(292).padEnd(4096)), { at: first + 4n * 4096n });
  frames.push(Number(first >> 12n) + 4, 0x50);
  image.bytes('other', new Uint8Array(4096), { at: other });
  const program = programOfImage(image);
  const classes = new FrameTable([{ first: pfn(Number(slabs.start >> 12n)), count: 64, online: true }]);
  classes.set(Number(other >> 12n), codeOf('table'));
  const contents = pageContents(program, frames, classes, slabCaches(program));
  expect(contents).toMatchObject({ read: 5, missing: 1, zero: 1, text: 1 });
  expect(contents.targets).toEqual([
    { target: 'slab kmalloc-64', pages: 2 },
    { target: 'symbol leaky_callback', pages: 1 },
    { target: 'pages: kernel, page tables of programs', pages: 1 },
  ]);
});

it('frames that cannot be', () => {
  const program = programOfImage(new KernelImage());
  const contents = pageContents(program, [2 ** 51, -1], new FrameTable([]), new Map([[virt(1n), 'x']]));
  expect(contents).toEqual({ read: 0, missing: 2, zero: 0, text: 0, targets: [] });
});
