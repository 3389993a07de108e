import { describe, expect, it } from 'vitest';
import { KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { add, virt } from '../base/address.ts';
import { FaultError } from '../base/errors.ts';
import { oomScoreAdj, oomStanding } from './oom.ts';

const PAGE = 4096;
/** 1000 thousandths of so many pages: scores are easily followed. */
const TOTAL = 100_000;

interface Case {
  readonly adj?: number;
  readonly flags?: bigint;
  readonly oomMm?: boolean;
  readonly vfork?: 'own' | 'of its parent';
  readonly since59?: boolean;
  readonly since71?: boolean;
  /** What oom_badness() calls. */
  readonly calls?: 'sum' | 'another' | 'unread';
}

/** A process with 20,000 pages resident, 500 in swap and 100 pages of page tables; 64 more wait on a CPU. */
function image({ adj = 0, flags = 0n, oomMm = false, vfork, since59 = true, since71, calls }: Case = {}): KernelImage {
  const built = new KernelImage();
  if (since71 === true) built.struct('rw_semaphore', { first_waiter: 'void *' });
  if (calls !== undefined) placeCode(built, calls);
  built.cpus(1);
  built.enum(undefined, ['MM_FILEPAGES', 'MM_ANONPAGES', 'MM_SWAPENTS', 'MM_SHMEMPAGES']);
  built.enum('node_stat_item', since59 ? ['NR_SLAB_RECLAIMABLE_B'] : ['NR_SLAB_RECLAIMABLE']);
  built.struct('percpu_counter', { count: 's64', counters: 's32 *' });
  built.struct('mm_struct', {
    pgd: 'void *',
    flags: 'unsigned long',
    pgtables_bytes: 'atomic_long_t',
    rss_stat: 'struct percpu_counter[4]',
  });
  built.struct('signal_struct', { nr_threads: 'int', oom_score_adj: 'short', oom_mm: 'struct mm_struct *' });
  built.struct('task_struct', {
    pid: 'pid_t',
    signal: 'struct signal_struct *',
    mm: 'struct mm_struct *',
    real_parent: 'struct task_struct *',
    vfork_done: 'void *',
  });
  const late = built.perCpuPointer('late', 's32', [64]);
  const none = built.perCpuPointer('none', 's32', [0]);
  const mm = {
    flags,
    'pgtables_bytes.counter': 100 * PAGE,
    rss_stat: [
      { count: 1000, counters: none },
      { count: 19_000, counters: late },
      { count: 500, counters: none },
      { count: -3, counters: none },
    ],
  };
  built.place('mm', 'struct mm_struct', mm);
  built.place('other', 'struct mm_struct', mm);
  built.place('signal', 'struct signal_struct', { oom_score_adj: adj, ...(oomMm ? { oom_mm: ref('mm') } : {}) });
  built.place('parent', 'struct task_struct', { mm: ref(vfork === 'of its parent' ? 'mm' : 'other') });
  built.place('task', 'struct task_struct', {
    signal: ref('signal'),
    mm: ref('mm'),
    real_parent: ref('parent'),
    vfork_done: vfork === undefined ? 0 : ref('parent'),
  });
  return built;
}

/** oom_badness() with a call of what lies 256 bytes behind it, between bytes that look like the beginning of a call. */
function placeCode(built: KernelImage, calls: 'sum' | 'another' | 'unread'): void {
  const code = Uint8Array.of(0x55, 0xe8, 0xe8, 0, 1, 0, 0, 0xc3, 0xe8, 0x90);
  const at = calls === 'unread' ? virt(0xffffffffaa000000n) : built.bytes('code', code);
  built.symbol('oom_badness', at, code.length, 't');
  built.symbol('__percpu_counter_sum', add(at, 2 + 5 + 256 + (calls === 'another' ? 16 : 0)), 16, 't');
}

function standing(of: Case, more: { readonly pid?: number; readonly kthread?: boolean } = {}) {
  const built = image(of);
  const process = { task: built.address('task'), pid: 100, kthread: false, mm: built.address('mm'), ...more };
  return oomStanding(programOfImage(built), process, TOTAL);
}

describe('oom_score_adj', () => {
  it('is signed', () => {
    const built = image({ adj: -1000 });
    expect(oomScoreAdj(programOfImage(built), built.address('task'))).toBe(-1000);
  });

  it('is not known of a process whose signal_struct cannot be read', () => {
    const built = image();
    built.write('task.signal', 0xffff888000000000n);
    expect(() => oomScoreAdj(programOfImage(built), built.address('task'))).toThrow(FaultError);
  });
});

describe('the standing of a process', () => {
  it('counts resident, swapped and page tables, by the counters that the kernel reads in a hurry', () => {
    // 20,000 + 500 + 100 of 100,000: 206 thousandths; (1000 + 206) * 2 / 3 = 804.
    expect(standing({})).toEqual({
      scoreAdj: 0,
      exemption: undefined,
      badness: 20_600,
      pages: 20_600,
      score: 804,
      victim: false,
    });
  });

  it('counts what CPUs have not added, when its code calls the function that does', () => {
    expect(standing({ calls: 'sum' })).toMatchObject({ badness: 20_664, score: 804 });
    // Of a kernel that has later types as well, the code decides.
    expect(standing({ calls: 'another', since71: true })).toMatchObject({ badness: 20_600 });
  });

  it('counts what CPUs have not added, since 7.1, when its code cannot be read', () => {
    expect(standing({ since71: true })).toMatchObject({ badness: 20_664, score: 804 });
    expect(standing({ calls: 'unread', since71: true })).toMatchObject({ badness: 20_664 });
    expect(standing({ calls: 'unread' })).toMatchObject({ badness: 20_600 });
  });

  it('is moved by oom_score_adj, since 5.9 below zero', () => {
    // 20,600 - 998 * 100 = -79,200: -792 thousandths; (1000 - 792) * 2 / 3 = 138.
    expect(standing({ adj: -998 })).toMatchObject({ exemption: undefined, badness: -79_200, score: 138 });
    expect(standing({ adj: 1000 })).toMatchObject({ badness: 120_600, score: 1470 });
  });

  it('is at least 1 until 5.8, and the score is in thousandths', () => {
    expect(standing({ adj: -998, since59: false })).toMatchObject({ badness: 1, score: 0 });
    expect(standing({ since59: false })).toMatchObject({ badness: 20_600, score: 206 });
  });

  it('-1000 exempts, and -999 does not', () => {
    expect(standing({ adj: -1000 })).toMatchObject({ exemption: 'adj', badness: undefined, score: 0 });
    expect(standing({ adj: -999 }).exemption).toBeUndefined();
  });

  it('init, kernel threads and who has no memory are left alone', () => {
    expect(standing({}, { pid: 1 }).exemption).toBe('init');
    expect(standing({}, { kthread: true }).exemption).toBe('kernel-thread');
    const built = image();
    const empty = { task: built.address('task'), pid: 5, kthread: false, mm: undefined };
    expect(oomStanding(programOfImage(built), empty, TOTAL)).toMatchObject({ exemption: 'no-mm', pages: undefined });
  });

  it('MMF_OOM_SKIP exempts, the bits beside it do not', () => {
    expect(standing({ flags: 1n << 21n }).exemption).toBe('skip');
    expect(standing({ flags: (1n << 20n) | (1n << 22n) }).exemption).toBeUndefined();
  });

  it('a child of vfork() exempts while it has the memory of its parent', () => {
    expect(standing({ vfork: 'of its parent' }).exemption).toBe('vfork');
    expect(standing({ vfork: 'own' }).exemption).toBeUndefined();
  });

  it('who was chosen before is a victim', () => {
    expect(standing({ oomMm: true }).victim).toBe(true);
  });

  it('is not known where the counters cannot be read', () => {
    const built = image();
    const process = { task: built.address('task'), pid: 100, kthread: false, mm: built.address('mm') };
    built.write('task.signal', 0xffff888000000000n);
    expect(() => oomStanding(programOfImage(built), process, TOTAL)).toThrow(FaultError);
  });
});
