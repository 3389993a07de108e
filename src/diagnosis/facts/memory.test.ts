import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import { KernelImage } from '../../../test/builders/image.ts';
import { placeLog } from '../../../test/builders/log.ts';
import { placeMemory } from '../../../test/builders/memory-counters.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { textOf } from '../../../test/builders/text.ts';
import { memoryData, memoryFact, type MemoryState, memoryText } from './memory.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

function memoryOf(total: number, free: number, damage: (image: KernelImage) => void = () => {}): MemoryState {
  const image = new KernelImage();
  placeMemory(image, { total, free });
  damage(image);
  return contextOf(programOfImage(image)).use(memoryFact);
}

describe('memory', () => {
  it('is enough when half of it is free, with the numbers that say so', () => {
    const state = memoryOf(16 * GIB, 8 * GIB);
    expect(state).toMatchObject({ verdict: 'enough', available: 0.5, minWatermark: 64 * MIB });
    expect(textOf(memoryText(state))).toBe(`Not short: ${8 * GIB} of ${16 * GIB} available (0.5), ${8 * GIB} free.`);
    expect(memoryData(state)).toMatchObject({ verdict: 'enough', memTotal: 16 * GIB, memFree: 8 * GIB });
  });

  it('says what cannot be read instead of leaving a hole', () => {
    const state = memoryOf(16 * GIB, 8 * MIB);
    const unknown = { value: undefined, source: 'MemAvailable', problem: 'lost' };
    const without = (info: Partial<MemoryState['info']>): string =>
      textOf(memoryText({ ...state, info: { ...state.info, memAvailable: unknown, ...info } }));
    expect(without({})).toBe(`Short: ${8 * MIB} free; what else could be had cannot be read.`);
    expect(without({ memFree: unknown })).toBe('Short: how much is left cannot be read.');
  });

  it.each([
    [16 * GIB, 0.031 * 16 * GIB, 'enough'],
    [16 * GIB, 0.029 * 16 * GIB, 'short'],
    // 6 % of a small machine, but below the watermark at which only emergencies get a page.
    [1 * GIB, 63 * MIB, 'short'],
    [1 * GIB, 65 * MIB, 'enough'],
  ] as const)('of %d bytes with %d free is %s', (total, free, verdict) => {
    expect(memoryOf(total, Math.floor(free / 4096) * 4096).verdict).toBe(verdict);
  });

  it('tells what is tight, and what is short for another reason, with the thresholds', () => {
    const said = (total: number, free: number): string => textOf(memoryText(memoryOf(total, free)));
    expect(said(16 * GIB, GIB)).toBe(
      `Tight: ${GIB} of ${16 * GIB} available (0.0625), ${GIB} free. Below 0.1 counts as tight, below 0.03 as short.`,
    );
    expect(said(GIB, 60 * MIB)).toMatch(
      /^Short: .* free: less than the 67108864 that the kernel keeps for emergencies/,
    );
    expect(said(16 * GIB, 128 * MIB)).toMatch(/^Short: .* free\.$/);
  });

  it.each([
    ['System is deadlocked on memory', 'short'],
    ['Out of memory and no killable processes...', 'short'],
    ['Out of memory: system-wide panic_on_oom is enabled', 'short'],
    // Of a cpuset or a memory policy, perhaps.
    ['Out of memory: compulsory panic_on_oom is enabled', 'enough'],
    ['Attempted to kill init! exitcode=0x00000009', 'enough'],
  ] as const)('that ran out stays short, whatever came free since: %s', (panic, verdict) => {
    const state = memoryOf(16 * GIB, 8 * GIB, (image) =>
      placeLog(image, [`<0>[    7.600000] Kernel panic - not syncing: ${panic}`]),
    );
    expect(state).toMatchObject({ verdict, ranOut: verdict === 'short' });
    expect(textOf(memoryText(state))).toMatch(
      verdict === 'short' ? /^Ran out, as the OOM killer says; / : /^Not short: /,
    );
  });

  it('is not judged without its counters', () => {
    const state = memoryOf(16 * GIB, 8 * GIB, (image) => {
      image.symbols.splice(0, image.symbols.length);
    });
    expect(state).toMatchObject({ verdict: 'unknown', available: undefined });
    expect(textOf(memoryText(state))).toMatch(/^Not known/);
    expect(memoryData(state)).not.toHaveProperty('memTotal');
  });

  it('is not judged by a total of zero', () => {
    expect(memoryOf(0, 8 * GIB).verdict).toBe('unknown');
  });
});
