import { expect, it } from 'vitest';
import { KernelImage } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { ValidationError } from '../base/errors.ts';
import { hugePagePools } from './hugetlb.ts';

function image(): KernelImage {
  const built = new KernelImage();
  built.struct('hstate', {
    order: 'unsigned int',
    nr_huge_pages: 'unsigned long',
    free_huge_pages: 'unsigned long',
    resv_huge_pages: 'unsigned long',
    surplus_huge_pages: 'unsigned long',
    name: 'char[32]',
  });
  built.global('hugetlb_max_hstate', 'int', 2);
  built.global('hstates', 'struct hstate[2]', [
    { order: 18, name: 'hugepages-1048576kB' },
    {
      order: 9,
      nr_huge_pages: 40,
      free_huge_pages: 12,
      resv_huge_pages: 3,
      surplus_huge_pages: 1,
      name: 'hugepages-2048kB',
    },
  ]);
  return built;
}

it('the pools of huge pages', () => {
  expect(hugePagePools(programOfImage(image()))).toMatchObject([
    { name: 'hugepages-1048576kB', size: 2 ** 30, total: 0, free: 0 },
    { name: 'hugepages-2048kB', size: 2 ** 21, total: 40, free: 12, reserved: 3, surplus: 1 },
  ]);
});

it('there are none without hugetlb', () => {
  expect(hugePagePools(programOfImage(new KernelImage()))).toEqual([]);
});

it('absurd numbers are errors', () => {
  const built = image();
  built.write('hstates[0].order', 200);
  expect(() => hugePagePools(programOfImage(built))).toThrow(ValidationError);
  built.write('hugetlb_max_hstate', 1000);
  expect(() => hugePagePools(programOfImage(built))).toThrow(ValidationError);
});
