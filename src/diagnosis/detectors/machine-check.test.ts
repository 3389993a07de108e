import { describe, expect, it } from 'vitest';
import { findingsOf } from '../../../test/builders/facts.ts';
import { KernelImage } from '../../../test/builders/image.ts';
import { placeLog } from '../../../test/builders/log.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { storyOf, textOf } from '../../../test/builders/text.ts';
import type { Finding } from '../../model/finding.ts';
import machineCheck from './machine-check.ts';

function told(...lines: readonly string[]): readonly Finding[] {
  return toldIn(new KernelImage(), ...lines);
}

function toldIn(image: KernelImage, ...lines: readonly string[]): readonly Finding[] {
  placeLog(
    image,
    lines.map((line) => `<0>[  900.250000] ${line}`),
  );
  return findingsOf(machineCheck, programOfImage(image));
}

/** What CPU 7 noted of its last exception. */
function noted(note: { readonly [member: string]: number | bigint }): KernelImage {
  const image = new KernelImage();
  image.struct('mce', {
    status: 'unsigned long long',
    addr: 'unsigned long long',
    mcgstatus: 'unsigned long long',
    ip: 'unsigned long long',
    tsc: 'unsigned long long',
    cs: 'unsigned char',
    bank: 'unsigned char',
  });
  image.cpus(8);
  const taken = { mcgstatus: 6, ip: 0x7f181dce2d3cn, cs: 0x33, ...note };
  image.perCpu(
    'mces_seen',
    'struct mce',
    Array.from({ length: 8 }, (_, cpu) => (cpu === 7 ? taken : {})),
  );
  return image;
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
      'Status 0xbe00000000800400: not corrected (UC), at physical address 0x0000000ee30a0040; what the processor was doing is lost (PCC); error code 0x0400.',
    );
  });

  it('is confirmed by what the CPU noted itself, and by the page that the kernel marked', () => {
    const [finding] = toldIn(
      noted({ status: 0xbe00000000800400n, addr: 0xee30a0040n, bank: 4 }),
      UNCORRECTED,
      ADDRESS,
      PANIC,
    );
    expect(finding?.details).toMatchObject({ inMemory: 'bank', resource: '0x0000000ee30a0040' });
    expect(storyOf(finding, 'proof')).toBe(
      "By the log; in memory that CPU's own record has the same bank, status and address.",
    );
    const [atOnce] = toldIn(noted({ tsc: 0x4d1c1b3a }), UNCORRECTED, ADDRESS, PANIC);
    expect(atOnce?.details).toMatchObject({ inMemory: 'exception' });
    expect(storyOf(atOnce, 'proof')).toMatch(/has the exception, taken at user address 0x00007f181dce2d3c\.$/);
  });

  it.each([
    ['another bank', { status: 0xbe00000000800400n, addr: 0xee30a0040n, bank: 3 }],
    ['another address', { status: 0xbe00000000800400n, addr: 0xee30a0080n, bank: 4 }],
    ['an exception at another time', { tsc: 0x4d1c1b3b }],
    ['none', { mcgstatus: 0 }],
  ])('is by the log alone where the CPU noted %s', (_, note) => {
    const [finding] = toldIn(noted(note), UNCORRECTED, ADDRESS, PANIC);
    expect(finding?.details).toMatchObject({ inMemory: undefined });
    expect(storyOf(finding, 'proof')).toBe('By the log alone: memory has no record of it.');
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
