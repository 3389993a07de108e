import { describe, expect, it } from 'vitest';
import { findingsOf } from '../../../test/builders/facts.ts';
import { KernelImage } from '../../../test/builders/image.ts';
import { placeLog } from '../../../test/builders/log.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { textOf } from '../../../test/builders/text.ts';
import type { Finding } from '../../model/finding.ts';
import hardLockup from './hard-lockup.ts';

function told(...lines: readonly string[]): readonly Finding[] {
  const image = new KernelImage();
  placeLog(
    image,
    lines.map((line, i) => `<1>[  500.${String(i).padStart(6, '0')}] ${line}`),
  );
  return findingsOf(hardLockup, programOfImage(image));
}

const WHERE = ['CPU: 1 PID: 161 Comm: ringd Not tainted 6.1.0 #1', 'RIP: 0010:ring_wait+0x9/0x20 [ringdev]'];
const PANIC = 'Kernel panic - not syncing: ';

describe('hard-lockup', () => {
  const LINES = ['NMI watchdog: Watchdog detected hard LOCKUP on cpu 1'];

  it('tells from the log where the CPU is; without memory that says so it is possible only', () => {
    const [finding, ...others] = told(...LINES, ...WHERE, `${PANIC}Hard LOCKUP`);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'hard-lockup',
      role: 'cause',
      confidence: 'possible',
      details: { cpu: 1, function: { name: 'ring_wait', module: 'ringdev' }, confirmed: false },
    });
    expect(textOf(finding?.title)).toContain('on CPU 1 in ring_wait+0x9 of module ringdev, with interrupts off');
  });

  it('is silent where the CPU went on, and something else stopped the machine', () => {
    expect(told(...LINES, ...WHERE, 'sysrq: Trigger a crash', `${PANIC}sysrq triggered crash`)).toEqual([]);
    expect(told(...LINES, ...WHERE, `${PANIC}Out of memory: system-wide panic_on_oom is enabled`)).toEqual([]);
  });

  it('is silent about other watchdogs', () => {
    expect(
      told('watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [ringd:161]', ...WHERE, `${PANIC}softlockup: hung tasks`),
    ).toEqual([]);
  });

  it('speaks from a cut log, and not without one', () => {
    const [finding] = told(...LINES, `${PANIC}Hard LOCKUP`);
    expect(finding?.cause).toBe('hard-lockup');
    expect(finding?.details['function']).toBeUndefined();
    expect(told()).toEqual([]);
  });
});
