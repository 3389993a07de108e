import { expect, it } from 'vitest';
import { contextOf, type TestContext } from '../../../test/builders/facts.ts';
import type { KernelImage } from '../../../test/builders/image.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { Vfs } from '../../../test/builders/vfs.ts';
import { bytes } from '../../base/units.ts';
import type { Fact } from '../../model/diagnosis.ts';
import { memoryFact } from './memory.ts';
import { type Tmpfs, tmpfsFact } from './tmpfs.ts';

const PAGE = 4096;
const MIB = 2 ** 20;

/** The tmpfs on /srv/data, of a machine of 100 MiB of which `shmem` are shared. */
function read(
  shmem: number,
  change: (image: KernelImage) => void = () => {},
): [readonly Tmpfs[], TestContext, KernelImage] {
  const { image } = new Vfs('6.1');
  image.write('report_inode.i_data.nrpages', 5000);
  image.write('data_root_inode.i_data.nrpages', 0);
  image.write('gone_inode.i_data.nrpages', 700);
  image.write('root_inode.i_data.nrpages', 9000);
  change(image);
  const context = contextOf(programOfImage(image));
  const memory = context.use(memoryFact);
  const known = (mib: number) => ({ value: bytes(mib * MIB), source: 'test', problem: undefined });
  const info = { ...memory.info, memTotal: known(100), shmem: known(shmem) };
  const use = <T>(fact: Fact<T>): T => (Object.is(fact, memoryFact) ? ({ ...memory, info } as T) : context.use(fact));
  return [tmpfsFact.derive({ ...context, use }), context, image];
}

it('sums the pages of files that have a name, those without apart, and names the largest', () => {
  const [found, context, image] = read(30);
  expect(found).toEqual([
    {
      superBlock: image.address('data_sb'),
      directories: ['/srv/data'],
      live: 5000 * PAGE,
      files: 1,
      deleted: 700 * PAGE,
      largest: [{ inode: image.address('report_inode'), path: '/srv/data/report', bytes: 5000 * PAGE }],
    },
  ]);
  expect(context.coverage.at(-1)).toMatchObject({ read: 1, total: 1 });
});

it('does not look where shared memory is a small part', () => {
  expect(read(10)[0]).toEqual([]);
});

it('keeps what it read of a list that breaks off, and says so', () => {
  const [found, context] = read(30, (image) => image.write('report_inode.i_sb_list.next', 0xffff880000000000n));
  expect(found).toMatchObject([{ live: 5000 * PAGE, deleted: 0 }]);
  expect(context.coverage.at(-1)).toMatchObject({ read: 1, total: undefined });
});

it('goes on where the list of file systems breaks off, and says so', () => {
  const [found, context] = read(30, (image) => image.write('data_sb.s_list.next', 0xffff880000000000n));
  expect(found).toMatchObject([{ live: 5000 * PAGE }]);
  expect(context.coverage.at(-1)).toMatchObject({
    read: 1,
    total: undefined,
    missing: ['the list of file systems cannot be read to its end'],
  });
});
