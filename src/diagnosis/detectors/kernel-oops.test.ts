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

  it('leaves to others what they tell better, and nothing else', () => {
    const fault = (address: string): string =>
      `<1>[  500.000000] general protection fault, probably for non-canonical address 0x${address}: 0000 [#1] SMP`;
    expect(told(fault('6b6b6b6b6b6b6b6b'), ...OOPS.slice(3), FATAL)).toEqual([]);
    expect(told('<1>[  500.0] BUG: TASK stack guard page was hit at 00000000aabbccdd', ...OOPS.slice(3))).toEqual([]);
    expect(told(fault('4141414141414141'), ...OOPS.slice(3), FATAL)).toMatchObject([
      { cause: 'general-protection-fault', details: { address: { value: 0x4141414141414141n } } },
    ]);
    const bug = (file: string): readonly Finding[] =>
      told(
        '<1>[  400.000000] list_del corruption, ff253929c2479f08->next is NULL',
        `<1>[  500.000000] kernel BUG at ${file}:59!`,
        ...OOPS.slice(3),
        FATAL,
      );
    expect(bug('lib/list_debug.c')).toEqual([]);
    expect(bug('fs/ext4/inode.c')).toMatchObject([{ cause: 'kernel-bug' }]);
  });

  it('keeps to what a cut log has', () => {
    const [finding] = told(...OOPS.slice(0, 1));
    expect(finding).toMatchObject({ cause: 'null-pointer-dereference', confidence: 'probable' });
    expect(textOf(finding?.title ?? [])).toContain('a function that the log does not name');
  });
});
