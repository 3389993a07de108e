import { describe, expect, it } from 'vitest';
import { CancelledError, LookupError } from '../base/errors.ts';
import { firstKnown, known, unknown } from './known.ts';

describe('known', () => {
  it('keeps a value with its source', () => {
    expect(known('x', () => 0)).toEqual({ value: 0, source: 'x', problem: undefined });
  });

  it('makes a problem of what the dump does not give, and of nothing else', () => {
    expect(known('x', () => undefined)).toEqual({ value: undefined, source: 'x', problem: 'this kernel has none' });
    const missing = known('x', () => {
      throw new LookupError('symbol', 'x');
    });
    expect(missing).toEqual({ value: undefined, source: 'x', problem: "no symbol 'x' in this kernel" });
    const cancelled = () => {
      throw new CancelledError('interrupt');
    };
    expect(() => known('x', cancelled)).toThrow(CancelledError);
  });
});

describe('firstKnown', () => {
  it('takes the first that is known, and asks no further', () => {
    const asked: string[] = [];
    const other = (name: string, value: number | undefined) => () => {
      asked.push(name);
      return known(name, () => value);
    };
    expect(firstKnown(unknown('a', 'gone'), other('b', undefined), other('c', 3), other('d', 4)).source).toBe('c');
    expect(asked).toEqual(['b', 'c']);
  });

  it('tells all problems when none is known', () => {
    expect(firstKnown(unknown('a', 'gone'), () => unknown('b', 'lost'))).toEqual({
      value: undefined,
      source: 'a',
      problem: 'gone; b: lost',
    });
  });
});
