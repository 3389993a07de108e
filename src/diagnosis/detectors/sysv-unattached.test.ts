import { describe, expect, it } from 'vitest';
import { memoryWith, mib } from '../../../test/builders/memory-state.ts';
import { textOf } from '../../../test/builders/text.ts';
import { virt } from '../../base/address.ts';
import type { ShmSegment } from '../../kernel/sysv-shm.ts';
import type { Finding } from '../../model/finding.ts';
import sysvUnattached from './sysv-unattached.ts';

const segment = (id: number, size: number): ShmSegment => ({
  address: virt(0xffff888100200000n),
  id,
  key: 0x0c000000 + id,
  uid: 54321,
  attached: 0,
  size: mib(size),
  bytes: mib(size),
  creator: 812,
});

function told(unattached: readonly ShmSegment[], available: number, whole = true): readonly Finding[] {
  const { memory, program } = memoryWith(available);
  const idle = unattached.reduce((sum, { bytes }) => sum + bytes, 0);
  return sysvUnattached.detector.run({ shm: { unattached, idle, used: mib(20), whole }, memory }, program);
}

describe('sysv-unattached', () => {
  it('names the segments that nobody is attached to', () => {
    const [finding, ...more] = told([segment(7, 300), segment(9, 200)], 20);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'sysv-unattached',
      role: 'cause',
      confidence: 'probable',
      details: { segments: 2, held: { value: mib(500) }, largest: [{ id: 7, creator: 812 }, { id: 9 }] },
    });
    expect(textOf(finding?.remedies[0]?.action ?? [])).toBe('Remove them: ipcrm -m 7 -m 9.');
  });

  it('says at least when a table breaks off', () => {
    expect(textOf(told([segment(7, 300)], 20, false)[0]?.title ?? [])).toMatch(/at least/);
  });

  it('is only context where memory is left', () => {
    expect(told([segment(7, 300)], 500)).toMatchObject([{ role: 'context' }]);
  });

  it('is silent about small ones', () => {
    expect(told([segment(7, 190)], 20)).toEqual([]);
    expect(told([], 20)).toEqual([]);
  });
});
