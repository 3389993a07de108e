import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { CancelledError, FormatError, UsageError } from '../base/errors.ts';
import { named } from './system-error.ts';

function messageOf(error: unknown): string {
  if (!(error instanceof UsageError)) throw new TypeError('not a UsageError');
  return error.message;
}

function systemError(): unknown {
  try {
    return readFileSync('/no/such/file');
  } catch (error) {
    return error;
  }
}

it('names the files that an error is about', () => {
  expect(messageOf(named(['a', 'b'], new FormatError('VMCOREINFO', 'is damaged')))).toBe(
    'a, b: VMCOREINFO: is damaged',
  );
  expect(messageOf(named(['a'], systemError()))).toBe('a: no such file or directory');
});

it('leaves alone what names one of them, or what is written', () => {
  for (const text of ['a: damaged', 'folder/one: damaged', 'out: exists']) {
    const error = new UsageError(text);
    expect(named(['a', 'folder/'], error, ['out'])).toBe(error);
  }
  expect(messageOf(named(['a'], new UsageError('out: exists')))).toBe('a: out: exists');
});

it('leaves alone interrupts and mistakes of kwhy', () => {
  for (const error of [new CancelledError('interrupt'), new TypeError('a mistake')])
    expect(named(['a'], error)).toBe(error);
});
