import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import { KernelImage, ref } from '../../../test/builders/image.ts';
import { PhysicalImage } from '../../../test/builders/page-tables.ts';
import { DIRECT_MAP, userProgram } from '../../../test/builders/user-program.ts';
import type { Task } from '../../kernel/sched.ts';
import type { Fact } from '../../model/diagnosis.ts';
import { type Resident, residentFact } from './resident.ts';
import { tasksFact } from './tasks.ts';

const PAGE = 4096;
/** Roots of the page tables of three programs. */
const ROOTS = { java: 0x10000n, ps: 0x80000n, top: 0x90000n };

/**
 * java has two threads, 3 pages of its own, 1 that all three share, a large page and one page in swap; ps and top share one
 * more.
 */
function resident(
  change: (memory: PhysicalImage) => void = () => {},
  describe: (image: KernelImage) => void = () => {},
): {
  readonly value: Resident;
  readonly missing: number;
} {
  const memory = new PhysicalImage({ root: ROOTS.java });
  for (const root of Object.values(ROOTS)) memory.page(root);
  for (let i = 0n; i < 3n; i++) memory.map(0x1000n * i, 0x4000000n + 0x1000n * i, {}, ROOTS.java);
  memory.map(0x40000000n, 0x6000000n, { level: 1 }, ROOTS.java);
  memory.map(0x5000n, 0n, { entry: 0x0000_1234_5678_0000n }, ROOTS.java);
  for (const root of Object.values(ROOTS)) memory.map(0x7f0000000000n, 0x5000000n, {}, root);
  for (const root of [ROOTS.ps, ROOTS.top]) memory.map(0x7f0000001000n, 0x5001000n, {}, root);
  change(memory);
  const image = new KernelImage();
  image.struct('mm_struct', { map_count: 'int', pgd: 'void *', mmap: 'void *' });
  const tasks = Object.entries(ROOTS).flatMap(([comm, root], i): Task[] => {
    image.place(`mm of ${comm}`, 'struct mm_struct', { pgd: DIRECT_MAP + root });
    const mm = image.address(`mm of ${comm}`);
    const leader = { pid: 10 * i + 10, tgid: 10 * i + 10, comm, mm, kthread: false, address: mm } as Task;
    return comm === 'java' ? [{ ...leader, pid: 11, comm: 'GC' } as Task, leader] : [leader];
  });
  describe(image);
  const kernel = { pid: 2, tgid: 2, comm: 'kthreadd', mm: undefined, kthread: true } as Task;
  const context = contextOf(userProgram(image, memory));
  const table = { tasks: [kernel, ...tasks] };
  const use = <T>(fact: Fact<T>): T => (Object.is(fact, tasksFact) ? (table as T) : context.use(fact));
  const value = residentFact.derive({ ...context, use });
  return { value, missing: context.coverage.at(-1)?.missing.length ?? -1 };
}

describe('what programs have resident', () => {
  it('each page once, shared ones divided, each address space once', () => {
    const { value, missing } = resident();
    expect(
      value.processes.map(({ task, users, rss, uss, pss, swap }) => [
        task.comm,
        users.length,
        rss / PAGE,
        uss / PAGE,
        pss / PAGE,
        swap / PAGE,
      ]),
    ).toEqual([
      ['java', 2, 516, 515, expect.closeTo(515 + 1 / 3, 3), 1],
      ['ps', 1, 2, 0, expect.closeTo(1 / 2 + 1 / 3, 3), 0],
      ['top', 1, 2, 0, expect.closeTo(1 / 2 + 1 / 3, 3), 0],
    ]);
    expect([value.unique / PAGE, value.sum / PAGE, value.unread, missing]).toEqual([517, 520, 0, 0]);
    // Shares add up to what is there.
    expect(value.processes.reduce((sum, { pss }) => sum + pss, 0) / PAGE).toBeCloseTo(517, 2);
  });

  it('counts pages of hugetlb pools apart, as the kernel does', () => {
    const { value } = resident(undefined, (image) => {
      image.struct('hstate', {
        order: 'unsigned int',
        nr_huge_pages: 'unsigned long',
        free_huge_pages: 'unsigned long',
        resv_huge_pages: 'unsigned long',
        surplus_huge_pages: 'unsigned long',
        name: 'char[32]',
      });
      image.global('hugetlb_max_hstate', 'int', 1);
      image.global('hstates', 'struct hstate[1]', [{ order: 9, nr_huge_pages: 4, free_huge_pages: 3 }]);
      image.struct('vm_area_struct', {
        vm_start: 'unsigned long',
        vm_end: 'unsigned long',
        vm_next: 'struct vm_area_struct *',
        vm_mm: 'struct mm_struct *',
        vm_flags: 'unsigned long',
        vm_pgoff: 'unsigned long',
        vm_file: 'struct file *',
      });
      image.place('pool', 'struct vm_area_struct', {
        vm_start: 0x40000000,
        vm_end: 0x40200000,
        vm_mm: ref('mm of java'),
        vm_flags: 0x400073,
      });
      image.write('mm of java.mmap', ref('pool'));
    });
    const [first] = value.processes.filter(({ task }) => task.comm === 'java');
    expect([first?.rss, first?.uss, first?.hugetlb].map((bytes) => (bytes ?? 0) / PAGE)).toEqual([4, 3, 512]);
    expect([value.unique / PAGE, value.sum / PAGE]).toEqual([5, 8]);
  });

  it('says what it could not read', () => {
    const { value, missing } = resident((memory) => memory.pages.delete(Number(ROOTS.ps >> 12n)));
    expect([value.unread, missing, value.processes.length]).toEqual([1, 1, 2]);
  });
});
