import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import { KernelImage } from '../../../test/builders/image.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { textOf } from '../../../test/builders/text.ts';
import { virt } from '../../base/address.ts';
import type { Task } from '../../kernel/sched.ts';
import type { Finding } from '../../model/finding.ts';
import { memoryFact } from '../facts/memory.ts';
import type { OomCandidates } from '../facts/oom-candidates.ts';
import memoryShortage from './memory-shortage.ts';

const GIB = 2 ** 30;
const MIB = 2 ** 20;

const NOBODY: OomCandidates = {
  totalPages: undefined,
  killable: [],
  exempt: [],
  victims: [],
  next: undefined,
  waitsFor: undefined,
  partial: true,
};

/** A kernel that knows MemTotal, MemFree and the reserve, on one zone with a min watermark, and nothing else. */
function machine(state: { readonly total: number; readonly free: number; readonly file?: number }): KernelImage {
  const image = new KernelImage();
  image.enum('zone_stat_item', ['NR_FREE_PAGES']);
  image.enum('node_stat_item', [
    'NR_INACTIVE_FILE',
    'NR_ACTIVE_FILE',
    'NR_SLAB_RECLAIMABLE_B',
    'NR_KERNEL_MISC_RECLAIMABLE',
  ]);
  image.enum('zone_watermarks', ['WMARK_MIN', 'WMARK_LOW', 'WMARK_HIGH']);
  image.struct('zone', {
    _watermark: 'unsigned long[3]',
    watermark_boost: 'unsigned long',
    lowmem_reserve: 'long[2]',
    zone_start_pfn: 'unsigned long',
    managed_pages: 'atomic_long_t',
    spanned_pages: 'unsigned long',
    present_pages: 'unsigned long',
    name: 'char *',
    vm_stat: 'atomic_long_t[1]',
  });
  image.struct('pglist_data', { node_zones: 'struct zone[1]', nr_zones: 'int', node_id: 'int' });
  image.place('zone name', 'char[8]', 'Normal');
  return withCounters(image, state);
}

function withCounters(
  image: KernelImage,
  { total, free, file = 0 }: { readonly total: number; readonly free: number; readonly file?: number },
): KernelImage {
  const pages = (bytes: number): number => bytes / 4096;
  image.global('_totalram_pages', 'atomic_long_t', pages(total));
  image.global('totalreserve_pages', 'unsigned long', 0);
  image.global('vm_zone_stat', 'atomic_long_t[1]', [pages(free)]);
  image.global('vm_node_stat', 'atomic_long_t[4]', [pages(file), 0, 0, 0]);
  image.global('contig_page_data', 'struct pglist_data', {
    'node_zones[0]._watermark[0]': pages(64 * MIB),
    'node_zones[0]._watermark[1]': pages(80 * MIB),
    'node_zones[0]._watermark[2]': pages(96 * MIB),
    'node_zones[0].managed_pages': pages(total),
    'node_zones[0].spanned_pages': pages(total),
    'node_zones[0].present_pages': pages(total),
    'node_zones[0].vm_stat': [pages(free)],
    nr_zones: 1,
  });
  return image;
}

const NONE = { groups: [], total: 0, whole: true, of: () => 0, anonOf: () => 0 };

function findings(image: KernelImage): readonly Finding[] {
  const program = programOfImage(image);
  const memory = contextOf(program).use(memoryFact);
  return memoryShortage.detector.run({ memory, rss: NONE, oom: NOBODY }, program);
}

describe('memory-shortage', () => {
  it('speaks when free memory is below the min watermarks', () => {
    const [finding] = findings(machine({ total: 16 * GIB, free: 30 * MIB }));
    expect(finding).toMatchObject({
      cause: 'memory-short',
      role: 'symptom',
      details: { memory: { memFree: 30 * MIB } },
    });
  });

  it('speaks when hardly anything can be had, watermarks or not', () => {
    const [finding] = findings(machine({ total: 16 * GIB, free: 100 * MIB, file: 50 * MIB }));
    expect(finding?.cause).toBe('memory-short');
  });

  it('is silent where the memory is full of page cache: it can be had', () => {
    expect(findings(machine({ total: 16 * GIB, free: 100 * MIB, file: 12 * GIB }))).toEqual([]);
  });

  it('is silent where half of the memory is free', () => {
    expect(findings(machine({ total: 16 * GIB, free: 8 * GIB }))).toEqual([]);
  });

  it('shows its counters, and who holds most', () => {
    const program = programOfImage(machine({ total: 16 * GIB, free: 30 * MIB }));
    const memory = contextOf(program).use(memoryFact);
    const largest = { pid: 7, comm: 'java', address: virt(0xffff888000000000n) } as Task;
    const groups = [{ comm: 'java', processes: 2, bytes: 9 * GIB, largest, swap: 0, largestBytes: 5 * GIB }];
    const [finding] = memoryShortage.detector.run(
      { memory, rss: { ...NONE, groups, total: 9 * GIB }, oom: NOBODY },
      program,
    );
    expect(finding?.evidence.map(({ show }) => show)).toEqual(['kmem -i', 'kmem -z', 'ps -G 7']);
    expect(finding?.details).toMatchObject({ groups: [{ processes: 2, rss: { value: 9 * GIB } }] });
    const textIn = (part: Finding | undefined): string => (part?.story ?? []).map(({ text }) => textOf(text)).join(' ');
    expect(textIn(finding)).toMatch(/ 2 processes named java: 9663676416/);
    // Processes that could not be read may be of any of these names.
    const [partly] = memoryShortage.detector.run(
      { memory, rss: { ...NONE, groups, total: 9 * GIB, whole: false }, oom: NOBODY },
      program,
    );
    expect(textIn(partly)).toMatch(/At least 2 processes named java: at least 9663676416/);
    expect(partly?.details).toMatchObject({ residentSumComplete: false });
  });

  it('asks only dumps with types', () => {
    expect(memoryShortage.appliesTo(programOfImage(new KernelImage()))).toBe(true);
    const without = programOfImage(new KernelImage(), { types: false });
    expect(memoryShortage.appliesTo(without)).toMatch(/no types/);
  });

  it('claims nothing when the counters cannot be read', () => {
    const image = new KernelImage();
    const program = programOfImage(image);
    const memory = contextOf(program).use(memoryFact);
    expect(memory.verdict).toBe('unknown');
    expect(memoryShortage.detector.run({ memory, rss: NONE, oom: NOBODY }, program)).toEqual([]);
  });
});
