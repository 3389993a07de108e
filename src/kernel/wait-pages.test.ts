import { describe, expect, it } from 'vitest';
import { KernelImage, type Value } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { pagesOfFolio } from './wait-pages.ts';

const WORD = 'unsigned long';
const HEAD = 1n << 6n;

/** `struct folio` of several kernels, and the member that has the order of a large one. */
const ERAS: { readonly [era: string]: readonly [members: Record<string, string>, flags: string, order: string] } = {
  '5.17': [
    { flags: WORD, spare: 'u64[7]', _flags_1: WORD, _head_1: WORD, _folio_order: 'unsigned char' },
    'flags',
    '_folio_order',
  ],
  '6.6': [{ flags: WORD, spare: 'u64[7]', _flags_1: WORD }, 'flags', '_flags_1'],
  '6.18': [{ flags: 'memdesc_flags_t', spare: 'u64[7]', _flags_1: 'memdesc_flags_t' }, 'flags.f', '_flags_1.f'],
};

describe.each(Object.entries(ERAS))('pages of a folio, as of %s', (_, [members, flags, order]) => {
  function pages(value: { readonly [path: string]: Value }): number {
    const image = new KernelImage();
    image.enum('pageflags', { PG_locked: 0, PG_head: 6 });
    image.typedef('memdesc_flags_t', { kind: 'struct', members: { f: WORD } });
    image.struct('folio', members);
    image.place('folio', 'struct folio', value);
    return pagesOfFolio(programOfImage(image), image.address('folio'));
  }

  it('are one, where it is no head: what lies behind it is another page', () => {
    expect(pages({ [flags]: 1, [order]: 3 })).toBe(1);
  });

  it('are a power of two, and no more than a huge page has where the order is damaged', () => {
    expect(pages({ [flags]: HEAD, [order]: 3 })).toBe(8);
    expect(pages({ [flags]: HEAD, [order]: 0xff })).toBe(1024);
  });
});
