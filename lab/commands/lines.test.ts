import { expect, test } from 'vitest';
import { type Command, defineCommand } from '../../src/model/command.ts';
import { linesOf } from './lines.ts';
import type { Values } from './values.ts';

const VALUES: Values = {
  task: ['1', '99999999'],
  symbol: ['init_task'],
  address: ['ffff888000000000', 'zz'],
  type: ['page'],
  member: ['page.flags'],
  expression: ['1 + 2'],
  command: ['ps'],
  path: ['/'],
  number: ['7'],
  cpus: ['0', 'zz'],
  text: ['x'],
};

const look = defineCommand({
  name: 'look',
  summary: '',
  options: [
    { flag: 'a', summary: '' },
    { flag: 'b', summary: '' },
    { flag: 'c', value: 'cpus', kind: 'cpus', summary: '' },
    { flag: 'i', value: 'what', optionalValue: true, kind: 'number', summary: '' },
  ],
  arguments: [{ name: 'task', kinds: ['task'], optional: true }],
  examples: [{ line: 'look -a 1 | head', what: '' }],
  run: () => ({ shape: 'lines', lines: [], data: () => [] }),
});
const set: Command = { ...look, name: 'set', options: [], arguments: [], examples: [{ line: 'set', what: '' }] };

test('each option alone, with its values, with and without arguments', () => {
  const lines = linesOf([look], VALUES, false);
  expect(lines).toEqual(
    expect.arrayContaining([
      'look',
      'look 1',
      'look 99999999',
      'look -a',
      'look -a 1',
      'look -b 1',
      'look -c 0',
      'look -c zz 1',
    ]),
  );
  expect(lines).toEqual(expect.arrayContaining(['look -i', 'look -i=7', 'look -a -b -i 1', 'foreach look']));
  expect(new Set(lines).size).toBe(lines.length);
});

test('thoroughly: pairs, doubled, misused and hostile ones', () => {
  const lines = linesOf([look], VALUES, true);
  expect(lines).toEqual(
    expect.arrayContaining([
      'look -a -b 1',
      'look -aa 1',
      'look -c',
      'look -~',
      'help look',
      'how look 1',
      'foreach user look -a',
    ]),
  );
  expect(lines.some((line) => line.includes('\u001b'))).toBe(true);
});

test('examples start no programs; what changes the session comes last', () => {
  const lines = linesOf([set, look], VALUES, true);
  expect(lines).toContain('look -a 1');
  expect(lines.some((line) => /[|>]/.test(line))).toBe(false);
  expect(lines.findIndex((line) => line.startsWith('set'))).toBeGreaterThan(lines.lastIndexOf('look -a -b 1'));
});
