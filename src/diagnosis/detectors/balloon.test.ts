import { describe, expect, it } from 'vitest';
import { memoryWith } from '../../../test/builders/memory-state.ts';
import { textOf } from '../../../test/builders/text.ts';
import { virt } from '../../base/address.ts';
import type { Finding } from '../../model/finding.ts';
import type { BallooningState } from '../facts/balloon.ts';
import balloon from './balloon.ts';

const MIB_PAGES = 256;
const PAGES = 300 * MIB_PAGES;
const DEVICE = virt(0xffff888004a988f0n);

/** A machine of 1000 MiB; the balloon has 300. */
const INFLATED: BallooningState = {
  balloons: [{ device: DEVICE, driver: 'virtio_balloon', pages: PAGES }],
  pages: PAGES,
  counted: PAGES,
  source: 'vm_event_states',
  pageSize: 4096,
  memory: 1000 * MIB_PAGES,
  crashKernel: 0,
  looked: 1,
};

function told(state: BallooningState | undefined, available: number | undefined): readonly Finding[] {
  const { memory } = memoryWith(available);
  return balloon.detector.run({ ballooning: state, memory }, memoryWith(available).program);
}

describe('balloon', () => {
  it('says what else MemTotal lacks, where it adds up', () => {
    const why = (crashKernel: number): string =>
      textOf(
        told({ ...INFLATED, memory: 1600 * MIB_PAGES, crashKernel }, 20)[0]?.story.find(({ topic }) => topic === 'why')
          ?.text ?? [],
      );
    expect(why(160 * MIB_PAGES)).toMatch(
      /without 167772160 for the crash kernel, and without \d+ that the kernel took at boot\.$/,
    );
    expect(why(0)).toContain('mostly without them');
  });

  it('says how much the host has taken while memory is short, from which structure', () => {
    const [finding, ...more] = told(INFLATED, 20);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'balloon',
      role: 'cause',
      confidence: 'certain',
      weight: PAGES,
      details: { pages: PAGES, resource: { value: DEVICE }, driver: { value: 'virtio_balloon' } },
    });
    expect(textOf(finding?.title ?? [])).toContain('The host has taken');
    // Of what the machine has, where its map of memory says that; else of what its kernel had to give.
    const of = (mib: number): string => textOf(told({ ...INFLATED, memory: mib * MIB_PAGES }, 20)[0]?.title);
    expect(of(1500)).toMatch(/^The host has taken 314572800 of the machine's 1572864000 \(0.2\)/);
    expect(of(1300)).toMatch(/^The host has taken 314572800 of the kernel's 1363148800 /);
    expect(finding?.evidence[0]).toMatchObject({ address: DEVICE, ctype: 'struct balloon_dev_info' });
  });

  it('is less sure where memory is only tight, or not every page structure was looked at', () => {
    expect(told(INFLATED, 60)).toMatchObject([{ role: 'cause', confidence: 'probable' }]);
    const half = { ...INFLATED, pages: PAGES / 2, looked: 0.5 };
    expect(told(half, 20)).toMatchObject([{ confidence: 'probable', details: { pages: PAGES } }]);
  });

  it('is only context where memory is left, or it is not known', () => {
    expect(told(INFLATED, 400)).toMatchObject([{ role: 'context', confidence: 'possible' }]);
    expect(told(INFLATED, undefined)).toMatchObject([{ role: 'context', confidence: 'possible' }]);
  });

  it('is silent where page structures contradict the events', () => {
    expect(told({ ...INFLATED, counted: PAGES * 2 }, 20)).toEqual([]);
    expect(told({ ...INFLATED, pages: PAGES * 2 }, 20)).toEqual([]);
    expect(told({ ...INFLATED, pages: PAGES * 2, looked: 0.5 }, 20)).toEqual([]);
  });

  it('is silent below its share, and without a balloon that pages name', () => {
    const little = { ...INFLATED, pages: 100 * MIB_PAGES, counted: 100 * MIB_PAGES };
    expect(told(little, 20)).toEqual([]);
    expect(told({ ...INFLATED, balloons: [] }, 20)).toEqual([]);
    expect(told(undefined, 20)).toEqual([]);
  });
});
