import { describe, expect, it } from 'vitest';
import { findingsOf } from '../../../test/builders/facts.ts';
import { KernelImage } from '../../../test/builders/image.ts';
import { placeLog } from '../../../test/builders/log.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { storyOf, textOf } from '../../../test/builders/text.ts';
import type { Finding } from '../../model/finding.ts';
import machineCheck from './machine-check.ts';

function told(...lines: readonly string[]): readonly Finding[] {
  const image = new KernelImage();
  placeLog(
    image,
    lines.map((line) => `<0>[  900.250000] ${line}`),
  );
  return findingsOf(machineCheck, programOfImage(image));
}

const UNCORRECTED = 'mce: [Hardware Error]: CPU 7: Machine Check Exception: 5 Bank 4: be00000000800400';
const ADDRESS = 'mce: [Hardware Error]: TSC 4d1c1b3a ADDR ee30a0040 MISC 900040004001e8c';
const CORRECTED = 'mce: [Hardware Error]: CPU 1: Machine Check: 0 Bank 11: 8c00004f000800c2';
const PANIC = 'Kernel panic - not syncing: Fatal machine check';

describe('machine-check', () => {
  it('is the cause for certain where an uncorrected error stopped the kernel', () => {
    const [finding, ...more] = told(CORRECTED, UNCORRECTED, ADDRESS, PANIC);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'machine-check',
      role: 'cause',
      confidence: 'certain',
      details: { errors: 2, uncorrected: 1, cpu: 7, bank: 4, contextCorrupt: true },
    });
    expect(textOf(finding?.title)).toMatch(/bank 4 of CPU 7, and the kernel stopped\.$/);
    expect(storyOf(finding, 'why')).toBe(
      'Status 0xbe00000000800400: not corrected, at physical address 0x0000000ee30a0040; what the processor was doing is lost.',
    );
  });

  it('is probable by the panic alone', () => {
    expect(told('Kernel panic - not syncing: Fatal hardware error!')).toMatchObject([
      { role: 'cause', confidence: 'probable', details: { errors: 0 } },
    ]);
  });

  it('is only told of where the machine went on', () => {
    expect(told(CORRECTED, 'sysrq: Trigger a crash')).toMatchObject([{ role: 'context', confidence: 'possible' }]);
    expect(told(CORRECTED, 'Kernel panic - not syncing: Fatal exception')).toMatchObject([{ role: 'context' }]);
  });

  it('is silent about a machine whose hardware said nothing', () => {
    expect(told('mce: CPU supports 7 MCE banks', 'Kernel panic - not syncing: Fatal exception')).toEqual([]);
  });
});
