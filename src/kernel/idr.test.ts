import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { ValidationError } from '../base/errors.ts';
import { idrEntries, idrFind } from './idr.ts';

/** Ids 1 and 3, as an IDR with base 1 keeps them on an XArray. */
function onXArray(): KernelImage {
  const image = new KernelImage();
  image.struct('xarray', { xa_lock: 'spinlock_t', xa_flags: 'unsigned int', xa_head: 'void *' });
  image.struct('xa_node', { shift: 'unsigned char', parent: 'struct xa_node *', slots: 'void *[64]' });
  image.struct('idr', { idr_rt: 'struct xarray', idr_base: 'unsigned int', idr_next: 'unsigned int' });
  image.place('idr', 'struct idr', { 'idr_rt.xa_head': ref('node', 2), idr_base: 1 });
  image.place('node', 'struct xa_node', { 'slots[0]': 0xffff888000001000n, 'slots[2]': 0xffff888000003000n });
  return image;
}

/** Ids 2 and 256 + 7 on the layers that there were until 4.10. */
function onLayers(): KernelImage {
  const image = new KernelImage();
  image.struct('idr_layer', { prefix: 'int', layer: 'int', ary: 'struct idr_layer *[256]', count: 'int' });
  image.struct('idr', { hint: 'struct idr_layer *', top: 'struct idr_layer *', layers: 'int' });
  image.place('idr', 'struct idr', { top: ref('top'), layers: 2 });
  image.place('top', 'struct idr_layer', { layer: 1, 'ary[0]': ref('low'), 'ary[1]': ref('high') });
  image.place('low', 'struct idr_layer', { 'ary[2]': 0xffff888000002000n });
  image.place('high', 'struct idr_layer', { prefix: 256, 'ary[7]': 0xffff888000007000n });
  return image;
}

describe('idrEntries and idrFind', () => {
  it('count from the base of an IDR on an XArray', () => {
    const image = onXArray();
    const program = programOfImage(image);
    const idr = image.address('idr');
    expect([...idrEntries(program, idr)]).toEqual([
      { id: 1, value: 0xffff888000001000n },
      { id: 3, value: 0xffff888000003000n },
    ]);
    expect([0, 1, 2, 3, 1000].map((id) => idrFind(program, idr, id))).toEqual([
      undefined,
      0xffff888000001000n,
      undefined,
      0xffff888000003000n,
      undefined,
    ]);
  });

  it('walk the layers of old kernels', () => {
    const image = onLayers();
    const program = programOfImage(image);
    const idr = image.address('idr');
    expect([...idrEntries(program, idr)]).toEqual([
      { id: 2, value: 0xffff888000002000n },
      { id: 263, value: 0xffff888000007000n },
    ]);
    expect(idrFind(program, idr, 263)).toBe(0xffff888000007000n);
    expect(idrFind(program, idr, 7)).toBeUndefined();
  });

  it('give nothing for an IDR without layers', () => {
    const image = onLayers();
    image.write('idr.top', 0);
    expect([...idrEntries(programOfImage(image), image.address('idr'))]).toEqual([]);
  });

  it('end with ValidationError at a layer below itself or out of memory', () => {
    const image = onLayers();
    image.write('top.ary[0]', ref('top'));
    expect(() => [...idrEntries(programOfImage(image), image.address('idr'))]).toThrow(ValidationError);
    image.write('top.ary[0]', 8);
    expect(() => [...idrEntries(programOfImage(image), image.address('idr'))]).toThrow(ValidationError);
    image.write('top.layer', 9);
    expect(() => [...idrEntries(programOfImage(image), image.address('idr'))]).toThrow(ValidationError);
  });
});
