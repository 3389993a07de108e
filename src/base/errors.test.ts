import { describe, expect, it } from 'vitest';
import { limitedBudget, unlimited } from './budget.ts';
import {
  attempt,
  CancelledError,
  FaultError,
  FormatError,
  isDataError,
  LookupError,
  UsageError,
  ValidationError,
} from './errors.ts';

describe('errors', () => {
  it('tell people what and where', () => {
    expect(new FaultError('virtual', 0xffff8880n, 'excluded').message).toBe(
      'cannot read virtual memory at 0x00000000ffff8880: excluded',
    );
    expect(new LookupError('member', 'struct mutex.owner').message).toBe(
      "no member 'struct mutex.owner' in this kernel",
    );
    expect(new ValidationError('struct list_head', 1n, 'is odd').message).toBe(
      'struct list_head at 0x0000000000000001: is odd',
    );
    expect(new FormatError('ELF', 'no magic').message).toBe('ELF: no magic');
  });

  it('of the dump become undefined in an attempt; others are bugs or wishes and pass', () => {
    const data = [
      new FaultError('physical', 0n, 'lost'),
      new LookupError('symbol', 'x'),
      new ValidationError('x', 0n, 'x'),
      new FormatError('x', 'x'),
    ];
    for (const error of data) {
      expect(isDataError(error)).toBe(true);
      expect(
        attempt(() => {
          throw error;
        }),
      ).toBeUndefined();
    }
    for (const error of [
      new UsageError('x'),
      new CancelledError('interrupt'),
      new TypeError('x'),
      new RangeError('x'),
    ]) {
      expect(isDataError(error)).toBe(false);
      expect(() =>
        attempt(() => {
          throw error;
        }),
      ).toThrow(error);
    }
    expect(attempt(() => 5)).toBe(5);
  });
});

describe('limitedBudget', () => {
  it('ends with its deadline', () => {
    let now = 0;
    const budget = limitedBudget(() => now, 10);
    now = 10;
    expect(() => budget.check()).not.toThrow();
    now = 10.5;
    expect(() => budget.check()).toThrow(expect.objectContaining({ name: 'CancelledError', reason: 'time-limit' }));
  });

  it('ends with an interrupt, which counts first', () => {
    const flag = new Int32Array(1);
    const budget = limitedBudget(() => 5, 1, flag);
    expect(() => budget.check()).toThrow('time limit reached');
    flag[0] = 1;
    expect(() => budget.check()).toThrow(expect.objectContaining({ reason: 'interrupt' }));
  });

  it('lasts where there is no limit', () => {
    expect(() => limitedBudget(() => Number.MAX_VALUE, undefined).check()).not.toThrow();
    expect(() => unlimited.check()).not.toThrow();
  });
});
