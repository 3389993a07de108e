import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import evaluate from './eval.ts';

const { run, json } = commandRunner([evaluate]);

test('as crash 9.0.2', () => {
  expect(run('eval 128m').lines).toEqual([
    'hexadecimal: 8000000  (128MB)',
    '    decimal: 134217728',
    '      octal: 1000000000',
    `     binary: ${'1'.padEnd(28, '0').padStart(64, '0')}`,
  ]);
  expect(run('eval -l 4g').lines).toEqual(run('eval 0x100000000').lines);
  expect(run('eval -l 4g').lines[0]).toBe('hexadecimal: 100000000  (4GB)');
  expect(run('eval -b 4294967311').lines[4]).toBe('   bits set: 32 3 2 1 0');
  expect(run('eval 0x400 * 3').lines[0]).toBe('hexadecimal: c00  (3KB)');
  expect(run('eval -5').lines[1]).toBe('    decimal: 18446744073709551611  (-5)');
  expect(json('eval (1 << 4) + 3')).toMatchObject({ data: { value: 19, bits: [4, 1, 0] } });
});
