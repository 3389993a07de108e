import { describe, expect, it } from 'vitest';
import { findingsOf } from '../../../test/builders/facts.ts';
import { KernelImage } from '../../../test/builders/image.ts';
import { placeLog } from '../../../test/builders/log.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { textOf } from '../../../test/builders/text.ts';
import type { Finding } from '../../model/finding.ts';
import kernelOops from './kernel-oops.ts';

const OOPS = [
  '<1>[  500.000000] BUG: kernel NULL pointer dereference, address: 0000000000000018',
  '<1>[  500.000001] #PF: supervisor write access in kernel mode',
  '<4>[  500.000002] Oops: 0002 [#1] PREEMPT SMP NOPTI',
  '<4>[  500.000003] CPU: 1 PID: 126 Comm: telemetryd Not tainted 6.1.0 #1',
  '<4>[  500.000004] RIP: 0010:telemetry_sample+0x5/0x20 [telemetry]',
  '<4>[  500.000005] ---[ end trace 0000000000000000 ]---',
];
const FATAL = '<0>[  500.100000] Kernel panic - not syncing: Fatal exception';

function told(...lines: readonly string[]): readonly Finding[] {
  const image = new KernelImage();
  placeLog(image, lines);
  return findingsOf(kernelOops, programOfImage(image));
}

describe('kernel-oops', () => {
  it('tells what failed where and for whom; the log alone makes it probable', () => {
    const [finding, ...others] = told(...OOPS, FATAL);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'null-pointer-dereference',
      role: 'cause',
      confidence: 'probable',
      details: {
        address: { value: 0x18n },
        access: 'write',
        function: { name: 'telemetry_sample', offset: 5, module: 'telemetry' },
        onStack: false,
      },
    });
    expect(textOf(finding?.title ?? [])).toContain('wrote through a NULL pointer');
  });

  it('tells it where the kernel wrote no panic behind it: kexec came first', () => {
    expect(told(...OOPS)[0]?.cause).toBe('null-pointer-dereference');
  });

  it('is silent about an oops that the machine survived: sysrq or another panic ended it', () => {
    expect(told(...OOPS, '<6>[ 9000.000000] sysrq: Trigger a crash')).toEqual([]);
    expect(told(...OOPS, '<0>[ 9000.000000] Kernel panic - not syncing: hung_task: blocked tasks')).toEqual([]);
  });

  it('is silent without an oops', () => {
    expect(told('<6>[    1.000000] Run /init as init process')).toEqual([]);
    expect(told(FATAL)).toEqual([]);
  });

  it('keeps to what a cut log has', () => {
    const [finding] = told(...OOPS.slice(0, 1));
    expect(finding).toMatchObject({ cause: 'null-pointer-dereference', confidence: 'probable' });
    expect(textOf(finding?.title ?? [])).toContain('a function that the log does not name');
  });
});
