import { describe, expect, it } from 'vitest';
import { findingsOf } from '../../../test/builders/facts.ts';
import { KernelImage } from '../../../test/builders/image.ts';
import { placeLog } from '../../../test/builders/log.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { textOf } from '../../../test/builders/text.ts';
import type { Finding } from '../../model/finding.ts';
import crashTrigger from './crash-trigger.ts';

function imageWithLog(lines: readonly string[]): KernelImage {
  const image = new KernelImage();
  placeLog(image, lines);
  return image;
}

const findingsOfLog = (...lines: readonly string[]): readonly Finding[] =>
  findingsOf(crashTrigger, programOfImage(imageWithLog(lines)));

const PANIC = '<0>[  500.000000] Kernel panic - not syncing: ';

describe('crash-trigger', () => {
  it('says that sysrq-c is no cause, and when it was pressed', () => {
    const [finding, ...others] = findingsOfLog(
      '<6>[    1.000000] Run /init as init process',
      '<6>[   11.300000] sysrq: Trigger a crash',
      '<0>[   11.300100] Kernel panic - not syncing: sysrq triggered crash',
    );
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'crash-by-sysrq',
      role: 'trigger',
      confidence: 'certain',
      details: { kind: 'sysrq', logTime: { kind: 'duration', ns: 11_300_000_000n } },
    });
    expect(textOf(finding?.title)).toBe('Triggered by hand through sysrq, 11.3 s after boot: that is not the cause.');
    expect(textOf(finding?.evidence[0]?.claim)).toBe('The log says: sysrq: Trigger a crash');
  });

  it.each([
    ['crash-by-hung-task-watchdog', 'hung_task: blocked tasks'],
    ['crash-by-watchdog', 'softlockup: hung tasks'],
    ['crash-by-oops', 'Fatal exception in interrupt'],
    ['crash-by-panic', 'VFS: Unable to mount root fs on unknown-block(0,0)'],
  ])('tells %s from the text of the panic', (cause, text) => {
    const [finding] = findingsOfLog(`${PANIC}${text}`, '<0>[  500.000001] ---[ end Kernel panic ]---');
    expect(finding).toMatchObject({
      cause,
      role: 'trigger',
      details: { panic: { kind: 'name', value: text }, logTime: { ns: 500_000_000_000n } },
    });
    expect(textOf(finding?.title)).toMatch(cause === 'crash-by-hung-task-watchdog' ? /, 500 s after boot/ : text);
  });

  it('says no time where the log has none', () => {
    const [finding] = findingsOfLog('<6>sysrq: Trigger a crash');
    expect(textOf(finding?.title)).toBe('Triggered by hand through sysrq: that is not the cause.');
    expect(finding?.details['logTime']).toBeUndefined();
  });

  it('is silent about a log without a crash, and about user space that writes what looks like one', () => {
    expect(findingsOfLog('<6>[    1.000000] Linux version 6.1')).toEqual([]);
    expect(
      findingsOfLog(
        '<14>[    2.000000] sysrq: Trigger a crash',
        '<14>[    3.000000] Kernel panic - not syncing: says a prankster',
        '<14>[    4.000000] BUG: not one',
      ),
    ).toEqual([]);
  });

  it('is silent about lines that only mention a crash', () => {
    expect(
      findingsOfLog('<6>[    1.0] the word sysrq: Trigger a crash', '<6>[    1.0] no Kernel panic - not syncing: here'),
    ).toEqual([]);
  });

  it('keeps what the log holds as data', () => {
    const hostile = '\u001b[2J\u001b]0;owned\u0007';
    const [finding] = findingsOfLog(`${PANIC}${hostile}`);
    const ownWords = [...(finding?.title ?? []), ...(finding?.evidence[0]?.claim ?? [])].filter(
      (part) => typeof part === 'string',
    );
    expect(ownWords.join('')).not.toContain('\u001b');
    expect(finding?.details['panic']).toEqual({ kind: 'name', value: hostile });
  });

  it('speaks from what is left of a log whose first page is lost', () => {
    const image = new KernelImage();
    placeLog(image, [`<6>${'x'.repeat(5000)}`, '<6>[   11.300000] SysRq : Trigger a crash'], 8192);
    image.states.set(Number(image.address('log ring') >> 12n), 'lost');
    expect(findingsOf(crashTrigger, programOfImage(image))).toMatchObject([{ cause: 'crash-by-sysrq' }]);
  });

  it('is silent when there is no log at all', () => {
    expect(findingsOf(crashTrigger, programOfImage(new KernelImage()))).toEqual([]);
  });
});
