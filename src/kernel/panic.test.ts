import { describe, expect, it } from 'vitest';
import { nanoseconds } from '../base/units.ts';
import type { LogRecord } from './log-record.ts';
import { crashTrigger } from './panic.ts';

function log(...lines: readonly (string | { readonly user: string })[]): LogRecord[] {
  return lines.map((line, i) => ({
    seq: BigInt(i),
    timeNs: nanoseconds(BigInt(i) * 1_000_000_000n),
    level: 0,
    facility: typeof line === 'string' ? 0 : 1,
    caller: undefined,
    continuation: false,
    device: undefined,
    text: typeof line === 'string' ? line : line.user,
  }));
}

describe('crashTrigger', () => {
  it('tells sysrq from the panic that it calls', () => {
    const trigger = crashTrigger(
      log('systemd[1]: started', 'sysrq: Trigger a crash', 'Kernel panic - not syncing: sysrq triggered crash'),
    );
    expect(trigger).toMatchObject({ kind: 'sysrq', panic: 'sysrq triggered crash', record: { seq: 1n } });
  });

  it('knows the older spelling', () => {
    expect(crashTrigger(log('SysRq : Trigger a crash'))).toMatchObject({ kind: 'sysrq', panic: undefined });
  });

  it('names the hung task watchdog, the soft lockup watchdog and an oops as what they are', () => {
    const of = (text: string) => crashTrigger(log(`Kernel panic - not syncing: ${text}`))?.kind;
    expect(of('hung_task: blocked tasks')).toBe('hung-task');
    expect(of('softlockup: hung tasks')).toBe('watchdog');
    expect(of('Fatal exception in interrupt')).toBe('oops');
    expect(of('Out of memory and no killable processes...')).toBe('panic');
  });

  it('takes the last panic, not an older line that looks like one', () => {
    const trigger = crashTrigger(log('Kernel panic - not syncing: first', 'Kernel panic - not syncing: second'));
    expect(trigger?.panic).toBe('second');
  });

  it('does not believe what user space wrote into the log', () => {
    expect(
      crashTrigger(log({ user: 'Kernel panic - not syncing: joke' }, { user: 'sysrq: Trigger a crash' })),
    ).toBeUndefined();
  });

  it('is silent on the log of a living machine', () => {
    expect(crashTrigger(log('sysrq: Show Blocked State', 'usb 1-1: new device'))).toBeUndefined();
    expect(crashTrigger([])).toBeUndefined();
  });
});
