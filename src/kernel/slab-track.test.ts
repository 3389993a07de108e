import { describe, expect, it } from 'vitest';
import { KernelImage } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { add, virt } from '../base/address.ts';
import { type ObjectTracks, objectTracks } from './slab-track.ts';

const OBJECT = virt(0xffff888010000040n);
const STORE_USER = 0x10000;

interface Given {
  readonly flags?: number;
  /** Where the pointer to the next free object lies: 72 is behind the object, and behind its red zone. */
  readonly offset?: number;
  /** Since 6.9 the flag is a bit of an enum. */
  readonly bit?: number;
  readonly caller?: bigint;
}

/** An object of 64 bytes with a red zone of 8: allocated in open_session() by pid 7, freed in fall() by pid 318. */
function tracks(given: Given = {}): ObjectTracks | undefined {
  const image = new KernelImage();
  image.struct('kmem_cache', { flags: 'unsigned int', inuse: 'unsigned int', offset: 'unsigned int' });
  image.struct('track', {
    addr: 'unsigned long',
    handle: 'unsigned int',
    cpu: 'int',
    pid: 'int',
    when: 'unsigned long',
  });
  if (given.bit !== undefined) image.enum('_slab_flag_bits', { _SLAB_STORE_USER: given.bit });
  const open = image.function('open_session');
  const fall = image.function('fall');
  const offset = given.offset ?? 72;
  image.place('cache', 'struct kmem_cache', { flags: given.flags ?? STORE_USER, inuse: 72, offset });
  const end = add(OBJECT, offset >= 72 ? 80 : 72);
  image.place('allocated', 'struct track', { addr: open + 5n, pid: 7 }, { at: end });
  image.place('freed', 'struct track', { addr: given.caller ?? fall + 0x11n, pid: 318 }, { at: add(end, 32) });
  return objectTracks(programOfImage(image), { cache: image.address('cache'), start: OBJECT });
}

describe('objectTracks', () => {
  it('reads who allocated and who freed an object, behind its red zone and the pointer to the next', () => {
    const known = {
      allocated: { func: 'open_session', offset: 5, module: undefined, pid: 7 },
      freed: { func: 'fall', offset: 0x11, module: undefined, pid: 318 },
    };
    expect(tracks()).toEqual(known);
    expect(tracks({ offset: 32 })).toEqual(known);
  });

  it('knows the flag of kernels that number it', () => {
    expect(tracks({ flags: 1 << 7, bit: 7 })?.freed?.pid).toBe(318);
    expect(tracks({ flags: STORE_USER, bit: 7 })).toBeUndefined();
  });

  it('says nothing where the cache notes nothing, or what stands there is no code', () => {
    expect(tracks({ flags: 0x800 })).toBeUndefined();
    expect(tracks({ caller: 0x5a5a5a5a5a5a5a5an })?.freed).toBeUndefined();
    expect(tracks({ caller: 0n })?.freed).toBeUndefined();
  });
});
