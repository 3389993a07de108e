import { describe, expect, it } from 'vitest';
import { memoryWith, mib } from '../../../test/builders/memory-state.ts';
import { textOf } from '../../../test/builders/text.ts';
import { virt } from '../../base/address.ts';
import type { Finding } from '../../model/finding.ts';
import type { VmallocCaller } from '../facts/vmalloc-callers.ts';
import vmallocLeak from './vmalloc-leak.ts';

const DRIVER: VmallocCaller = {
  address: virt(0xffffffffc0201040n),
  function: 'session_open',
  module: 'sessdrv',
  areas: 3200,
  bytes: mib(200),
  usualSize: 65536,
};

function told(callers: readonly VmallocCaller[], available: number, whole = true): readonly Finding[] {
  const { memory, program } = memoryWith(available);
  return vmallocLeak.detector.run({ vmalloc: { callers, whole }, memory }, program);
}

describe('vmalloc-leak', () => {
  it('names the function and module that took a fifth of memory', () => {
    const [finding, ...more] = told([DRIVER, { ...DRIVER, function: 'load_module', bytes: mib(2) }], 50);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'vmalloc-leak',
      role: 'cause',
      confidence: 'probable',
      details: { function: { value: 'session_open' }, module: { value: 'sessdrv' }, areas: 3200 },
    });
  });

  it('says at least when the areas could not be followed to their end', () => {
    const [finding] = told([DRIVER], 50, false);
    expect(textOf(finding?.title ?? [])).toMatch(/holds at least/);
    expect(finding?.details['complete']).toBe(false);
  });

  it('is only context where memory is left', () => {
    expect(told([DRIVER], 500)).toMatchObject([{ role: 'context', confidence: 'possible' }]);
  });

  it('is silent about small ones', () => {
    expect(told([{ ...DRIVER, bytes: mib(140) }], 20)).toEqual([]);
    expect(told([], 20)).toEqual([]);
  });
});
