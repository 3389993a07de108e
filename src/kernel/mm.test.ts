import { describe, expect, it } from 'vitest';
import { KernelImage, ref, struct } from '../../test/builders/image.ts';
import { OpenFilesBuilder } from '../../test/builders/open-files.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { Vfs } from '../../test/builders/vfs.ts';
import type { Members } from '../../test/builders/types.ts';
import { LookupError, ValidationError } from '../base/errors.ts';
import { percpuCounter, readMm, rssOf } from './mm.ts';

const COUNTERS = ['MM_FILEPAGES', 'MM_ANONPAGES', 'MM_SWAPENTS', 'MM_SHMEMPAGES'];

function withMm(members: Members, counters: readonly string[] = COUNTERS): KernelImage {
  const image = new KernelImage();
  image.cpus(2);
  image.enum(undefined, counters);
  image.struct('percpu_counter', { lock: 'raw_spinlock_t', count: 's64', counters: 's32 *' });
  image.struct('mm_struct', { pgd: 'void *', ...members });
  return image;
}

describe('resident pages', () => {
  it('as in 6.2: what each CPU has not added yet counts', () => {
    const image = withMm({ rss_stat: 'struct percpu_counter[4]' });
    const file = image.perCpuPointer('file', 's32', [3, -1]);
    const anon = image.perCpuPointer('anon', 's32', [-30, -30]);
    const none = image.perCpuPointer('none', 's32', [0, 0]);
    image.place('mm', 'struct mm_struct', {
      rss_stat: [
        { count: 100, counters: file },
        { count: 50, counters: anon },
        { count: 7, counters: none },
        { count: 5, counters: none },
      ],
    });
    // Anonymous pages are below zero, which the kernel shows as none.
    expect(rssOf(programOfImage(image), image.address('mm'), [])).toEqual({
      file: 102,
      anon: 0,
      shmem: 5,
      total: 107,
      swap: 7,
    });
  });

  it('as in 4.5 to 6.1: what each thread has not added yet counts', () => {
    const image = withMm({ rss_stat: 'struct mm_rss_stat' });
    image.struct('mm_rss_stat', { count: 'atomic_long_t[4]' });
    image.struct('task_rss_stat', { events: 'int', count: 'int[4]' });
    image.struct('task_struct', { pid: 'pid_t', rss_stat: 'struct task_rss_stat' });
    image.place('mm', 'struct mm_struct', { 'rss_stat.count': [100, 50, 7, 0] });
    image.place('one', 'struct task_struct', { 'rss_stat.count': [1, 10, 0, 0] });
    image.place('two', 'struct task_struct', { 'rss_stat.count': [2, -63, 1, -3] });
    const tasks = [image.address('one'), image.address('two')];
    const program = programOfImage(image);
    expect(rssOf(program, image.address('mm'), tasks)).toEqual({ file: 103, anon: 0, shmem: 0, total: 103, swap: 8 });
    expect(rssOf(program, image.address('mm'), []).anon).toBe(50);
  });

  it('as in 2.6.34 to 4.4: shared memory is not told apart', () => {
    const image = withMm({ rss_stat: 'struct mm_rss_stat' }, COUNTERS.slice(0, 3));
    image.struct('mm_rss_stat', { count: 'atomic_long_t[3]' });
    image.struct('task_struct', { pid: 'pid_t' });
    image.place('mm', 'struct mm_struct', { 'rss_stat.count': [100, 50, 7] });
    expect(rssOf(programOfImage(image), image.address('mm'), [])).toEqual({
      file: 100,
      anon: 50,
      shmem: undefined,
      total: 150,
      swap: 7,
    });
  });

  it('as in 3.10 of el7: shared memory stands beside the array', () => {
    const image = withMm({ rss_stat: 'struct mm_rss_stat', mm_shmempages: 'atomic_long_t' });
    image.struct('mm_rss_stat', { count: 'atomic_long_t[3]' });
    image.struct('task_struct', { pid: 'pid_t' });
    image.place('mm', 'struct mm_struct', { 'rss_stat.count': [100, 50, 7], mm_shmempages: 20 });
    expect(rssOf(programOfImage(image), image.address('mm'), [])).toMatchObject({ shmem: 20, total: 170 });
  });

  it('as in 2.6.32: a counter each', () => {
    const image = withMm({ _file_rss: 'atomic_long_t', _anon_rss: 'atomic_long_t', _swap_usage: 'atomic_long_t' }, []);
    image.place('mm', 'struct mm_struct', { _file_rss: 100, _anon_rss: 50, _swap_usage: 7 });
    expect(rssOf(programOfImage(image), image.address('mm'), [])).toEqual({
      file: 100,
      anon: 50,
      shmem: undefined,
      total: 150,
      swap: 7,
    });
  });

  it('that no address space could have are a contradiction', () => {
    const image = withMm({ _file_rss: 'atomic_long_t', _anon_rss: 'atomic_long_t', _swap_usage: 'atomic_long_t' }, []);
    image.place('mm', 'struct mm_struct', { _file_rss: -(1n << 62n) });
    const program = programOfImage(image);
    expect(() => rssOf(program, image.address('mm'), [])).toThrow(ValidationError);
  });

  it('of an unknown form are an error and not zero', () => {
    const image = withMm({ pages: 'unsigned long' });
    image.place('mm', 'struct mm_struct');
    const program = programOfImage(image);
    expect(() => rssOf(program, image.address('mm'), [])).toThrow(LookupError);
  });
});

describe('percpuCounter', () => {
  it('is its count alone without SMP', () => {
    const image = new KernelImage();
    image.struct('percpu_counter', { count: 's64' });
    image.place('counter', 'struct percpu_counter', { count: -5 });
    expect(percpuCounter(programOfImage(image), image.address('counter'))).toBe(-5n);
  });

  it('leaves out CPUs that are not online', () => {
    const image = new KernelImage();
    image.cpus(3, 2);
    image.struct('percpu_counter', { count: 's64', counters: 's32 *' });
    const counters = image.perCpuPointer('c', 's32', [1, 2, 1000]);
    image.place('counter', 'struct percpu_counter', { count: 10, counters });
    expect(percpuCounter(programOfImage(image), image.address('counter'))).toBe(13n);
  });
});

describe('an address space', () => {
  const common: Members = {
    total_vm: 'unsigned long',
    map_count: 'int',
    mm_users: 'atomic_t',
    pgd: 'void *',
    exe_file: 'struct file *',
  };

  function readWith(members: Members, values: { readonly [path: string]: number }) {
    const vfs = new Vfs('6.1');
    const { image } = vfs;
    image.struct('mm_struct', { ...common, ...members });
    new OpenFilesBuilder(vfs).file('exe', { entry: 'report', count: 1 });
    image.place('mm', 'struct mm_struct', {
      total_vm: 565,
      map_count: 10,
      mm_users: 2,
      pgd: 0xffff888000005000n,
      exe_file: ref('exe'),
      ...values,
    });
    return readMm(programOfImage(image), image.address('mm'));
  }

  it('tells its size, its users, its page tables and its program', () => {
    expect(readWith({ pgtables_bytes: 'atomic_long_t' }, { pgtables_bytes: 28672 })).toMatchObject({
      totalVm: 565,
      mapCount: 10,
      users: 2,
      pgd: 0xffff888000005000n,
      pageTables: 28672,
      exe: { text: '/srv/data/report' },
    });
  });

  it('counts page tables in pages until 4.14', () => {
    const modern = readWith({ nr_ptes: 'atomic_long_t', nr_pmds: 'atomic_long_t' }, { nr_ptes: 5, nr_pmds: 2 });
    expect(modern.pageTables).toBe(7 * 4096);
    const old = readWith({ nr_ptes: 'unsigned long' }, { nr_ptes: 5 });
    expect(old.pageTables).toBe(5 * 4096);
    expect(readWith({ nr_ptes: 'unsigned long' }, { nr_ptes: 5, exe_file: 0 }).exe).toBeUndefined();
  });

  it('whose page tables are counted in no known way is an error', () => {
    const image = new KernelImage();
    image.struct('mm_struct', { ...common, odd: struct({ x: 'int' }) });
    image.place('mm', 'struct mm_struct');
    const program = programOfImage(image);
    expect(() => readMm(program, image.address('mm'))).toThrow(LookupError);
  });
});
