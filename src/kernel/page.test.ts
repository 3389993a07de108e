import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { SLAB_ERAS, Slabs } from '../../test/builders/slab.ts';
import { add, virt } from '../base/address.ts';
import { LookupError, ValidationError } from '../base/errors.ts';
import { compoundHead, frameOfPage, pageFlag, pageOfAddress, pageOfFrame, vmemmapBase } from './page.ts';

describe('the memmap', () => {
  it('leads from memory to page structures and back', () => {
    const image = new KernelImage();
    const slabs = new Slabs(image, '6.1');
    const program = programOfImage(image);
    const page = pageOfAddress(program, add(slabs.start, 3 * 4096 + 17));
    expect(page).toBe(image.address('memmap[3]'));
    expect(pageOfFrame(program, frameOfPage(program, page))).toBe(page);
    expect(() => frameOfPage(program, add(page, 8))).toThrow(ValidationError);
  });

  it('ends where the dump ends', () => {
    const image = new KernelImage();
    image.struct('page', { flags: 'unsigned long[8]' });
    image.global('vmemmap_base', 'unsigned long', 0xffffea0000000000n);
    const program = programOfImage(image, { dump: { maxPfn: 1000 } });
    expect(frameOfPage(program, virt(0xffffea0000000000n + 64n * 999n))).toBe(999);
    expect(() => frameOfPage(program, virt(0xffffea0000000000n + 64n * 1001n))).toThrow(ValidationError);
    expect(() => frameOfPage(program, virt(0xffffe90000000000n))).toThrow(ValidationError);
  });

  it('lies at a constant place on x86-64 without the variable, and elsewhere is not known', () => {
    expect(vmemmapBase(programOfImage(new KernelImage(), { arch: { name: 'x86_64' } }))).toBe(0xffffea0000000000n);
    const elsewhere = programOfImage(new KernelImage());
    expect(() => vmemmapBase(elsewhere)).toThrow(LookupError);
  });
});

describe.each(SLAB_ERAS)('compound pages as in %s', (era) => {
  it('have one head', () => {
    const image = new KernelImage();
    const slabs = new Slabs(image, era);
    slabs.cache('cache', { name: 'c', size: 64, objects: 256 });
    slabs.slab('cache', 1);
    slabs.slab('cache', 4);
    const program = programOfImage(image);
    const head = (i: number) => compoundHead(program, image.address(`memmap[${i}]`));
    expect(head(0)).toBe(image.address('memmap[0]'));
    expect([4, 5, 7].map(head)).toEqual([4, 4, 4].map((i) => image.address(`memmap[${i}]`)));
    expect(head(8)).toBe(image.address('memmap[8]'));
  });
});

describe('compound pages', () => {
  it('whose compound_info is a pointer have it for a head', () => {
    const image = new KernelImage();
    new Slabs(image, '7.1');
    image.write('memmap[5].compound_info', ref('memmap[3]', 1));
    const program = programOfImage(image);
    expect(compoundHead(program, image.address('memmap[5]'))).toBe(image.address('memmap[3]'));
  });

  it.each([
    ['behind the page', ref('memmap[6]', 1)],
    ['no page structure', ref('memmap[3].page_type', 1)],
    ['a user address', 0x1001],
  ])('whose head is %s are a contradiction', (_what, head) => {
    const image = new KernelImage();
    new Slabs(image, '6.1');
    image.write('memmap[5].compound_head', head);
    const program = programOfImage(image);
    expect(() => compoundHead(program, image.address('memmap[5]'))).toThrow(ValidationError);
  });
});

describe('pageFlag', () => {
  it('is a bit by its name, and undefined where there is none of that name', () => {
    const image = new KernelImage();
    new Slabs(image, '6.1');
    image.write('memmap[1].flags', 0b10);
    const program = programOfImage(image);
    const page = image.address('memmap[1]');
    expect(pageFlag(program, page, 'PG_referenced')).toBe(true);
    expect(pageFlag(program, page, 'PG_locked')).toBe(false);
    expect(pageFlag(program, page, 'PG_nonesuch')).toBeUndefined();
  });
});
