import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import { Incident } from '../../../test/builders/incident.ts';
import type { KernelImage } from '../../../test/builders/image.ts';
import { setFree } from '../../../test/builders/memory-counters.ts';
import { storyOf, textOf } from '../../../test/builders/text.ts';
import type { AllocationFailure } from '../../kernel/allocation-failure.ts';
import type { Finding } from '../../model/finding.ts';
import { nanoseconds } from '../../base/units.ts';
import { memoryInPieces } from '../../model/condition.ts';
import { memoryFact } from '../facts/memory.ts';
import type { Uncounted } from '../facts/uncounted.ts';
import allocationFailure from './allocation-failure.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

const ATOMIC: AllocationFailure = {
  timeNs: nanoseconds(5_000_000_000n),
  comm: 'ksoftirqd/0',
  order: 0,
  gfpMask: 0x40820,
  gfpFlags: 'GFP_ATOMIC|__GFP_COMP',
  atomic: true,
  stalledMs: undefined,
  pid: 13,
  inInterrupt: false,
  modules: new Map(),
  stack: ['dump_stack_lvl', 'warn_alloc', '__alloc_pages', 'napi_alloc_skb', 'virtnet_poll'],
  memory: undefined,
};

/** One zone with these kilobytes free above a min watermark of 1 MiB, in single pages, and one block of `largest`. */
function large(order: number, freeKb: number, largest: number): AllocationFailure {
  const freeBlocks = Array.from({ length: 11 }, (_, i) => (i === 0 ? freeKb / 4 : i === largest ? 1 : 0));
  const zone = {
    node: 0,
    name: 'Normal',
    kilobytes: new Map([
      ['free', freeKb],
      ['min', 1024],
    ]),
    freeBlocks,
    lowmemReserve: 0,
  };
  const memory = { pages: new Map(), zones: [zone], swapFree: 0, swapTotal: 0, ram: undefined };
  return { ...ATOMIC, comm: 'insmod', order, atomic: false, gfpFlags: 'GFP_KERNEL', memory };
}

/** On a machine of 16 GiB, half of it free, whose reserve is 16 MiB. */
function told(
  failures: readonly AllocationFailure[],
  change: (image: KernelImage) => void = () => {},
  reserveKb = 16 * 1024,
  uncounted?: Uncounted,
): readonly Finding[] {
  const program = new Incident().program((image) => {
    image.global('min_free_kbytes', 'int', reserveKb);
    change(image);
  });
  const memory = contextOf(program).use(memoryFact);
  return allocationFailure.detector.run({ log: { reports: [], failures }, memory, uncounted }, program);
}

describe('allocations that could not wait', () => {
  it('tell that the reserve is too small, with the number for this machine', () => {
    const [finding, ...more] = told([ATOMIC, { ...ATOMIC, timeNs: nanoseconds(9_000_000_000n) }]);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'min-free-too-low',
      role: 'cause',
      confidence: 'probable',
      details: { failures: 2, function: { value: 'napi_alloc_skb' }, wantedMinFree: { value: 167_772 * 1024 } },
    });
    expect(JSON.stringify(finding?.remedies)).toContain('vm.min_free_kbytes=167772');
  });

  it('name the module, and the task that an interrupt came to as that and no more', () => {
    const modules = new Map([['napi_alloc_skb', 'vnic']]);
    const [finding] = told([{ ...ATOMIC, comm: 'backup', pid: 346, inInterrupt: true, modules }]);
    expect(textOf(finding?.title)).toMatch(/^At least 1 allocation .* failed in napi_alloc_skb of module vnic, while/);
    expect(storyOf(finding, 'what')).toMatch(
      /4096 \(order 0\) failed, in an interrupt that came while backup \(pid 346\) ran,/,
    );
    expect(storyOf(told([{ ...ATOMIC, pid: undefined }])[0], 'what')).toMatch(/failed, for ksoftirqd\/0,/);
  });

  it('give no advice where the reserve is large already', () => {
    const [finding] = told([ATOMIC], undefined, 512 * 1024);
    expect(finding).toMatchObject({ role: 'context', remedies: [] });
  });

  it('are no cause of their own where memory is short', () => {
    expect(told([ATOMIC], (image) => setFree(image, 10 * MIB))).toEqual([]);
  });

  it('is silent about those that could wait, that were slow, and without any', () => {
    expect(
      told([
        { ...ATOMIC, atomic: false },
        { ...ATOMIC, stalledMs: 10_000 },
      ]),
    ).toEqual([]);
    expect(told([])).toEqual([]);
  });
});

describe('large allocations', () => {
  it('tell that memory is in pieces where enough was free, and no block so large', () => {
    const [finding, ...more] = told([large(4, 40_960, 3)]);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'memory-fragmented',
      role: 'cause',
      confidence: 'certain',
      details: { order: 4, bytes: { value: 65_536 }, free: { value: 40 * MIB } },
    });
  });

  it('names pages that cannot be moved as what keeps free ones apart, and does not promise to move them', () => {
    const pagesOf = (order: number): Uncounted => ({
      gap: 4 * GIB,
      pages: GIB / 1024,
      bytes: 4 * GIB,
      looked: 1,
      modules: [],
      unclassified: {
        pages: GIB / 1024,
        blocks: [{ order, blocks: GIB / 1024 / 2 ** order, pages: GIB / 1024 }],
        flags: [],
        references: [],
        oddities: [],
        neighbours: [],
        contents: { read: 0, missing: 0, zero: 0, text: 0, targets: [] },
      },
    });
    const [finding] = told([large(4, 40_960, 3)], undefined, undefined, pagesOf(0));
    expect(storyOf(finding, 'holder')).toMatch(/^Probably 4294967296 \(0\.25 of memory\) in pages that no counter has/);
    expect(JSON.stringify(finding?.remedies)).toContain('cannot');
    expect(finding?.restsOn).toEqual([memoryInPieces]);
    // Large blocks leave large ones free beside them.
    expect(told([large(4, 40_960, 3)], undefined, undefined, pagesOf(4))[0]?.restsOn).toEqual([]);
  });

  it('is silent where a block was free, or too little, or the blocks are not known', () => {
    expect(told([large(4, 40_960, 5)])).toEqual([]);
    expect(told([large(4, 1028, 3)])).toEqual([]);
    const { memory, ...rest } = large(4, 40_960, 3);
    expect(told([{ ...rest, memory: undefined }])).toEqual([]);
    expect(memory?.zones).toHaveLength(1);
    expect(told([large(2, 40_960, 1)])).toEqual([]);
  });

  it('is silent where what is free is kept back for others', () => {
    const failure = large(4, 2048, 3);
    const zones = failure.memory?.zones.map((zone) => ({ ...zone, lowmemReserve: 265 })) ?? [];
    const reserved = failure.memory === undefined ? failure : { ...failure, memory: { ...failure.memory, zones } };
    expect(told([failure])).toHaveLength(1);
    expect(told([reserved])).toEqual([]);
  });
});
