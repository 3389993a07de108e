import { expect, test } from 'vitest';
import { defineCommand } from '../model/command.ts';
import { parseCommandArguments, parseCount, parseCpus, parseNumber, rangesOf, usageOf, wordsOf } from './arguments.ts';

const command = defineCommand({
  name: 'demo',
  summary: 'for tests',
  options: [
    { flag: 'T', summary: '' },
    { flag: 'm', summary: '' },
    { flag: 'F', summary: '' },
    { flag: 'C', value: 'cpus', summary: '' },
    { flag: '32', summary: '' },
    { flag: 'i', value: 'shared', optionalValue: true, summary: '' },
  ],
  arguments: [{ name: 'pid', kinds: ['task'], optional: true, repeated: true }],
  examples: [{ line: 'demo', what: '' }],
  run: () => ({ shape: 'text', lines: [] }),
});

const parse = (...words: string[]) => parseCommandArguments(command, wordsOf(words));

test('options stand in bundles, anywhere, and are counted', () => {
  const args = parse('-Tm', '1', '-FF', '2');
  expect(['T', 'm', 'F', 'C'].map((flag) => args.count(flag))).toEqual([1, 1, 2, 0]);
  expect(args.positionals).toEqual(['1', '2']);
});

test('values are joined or apart; the last counts', () => {
  expect(parse('-C0-1').value('C')).toBe('0-1');
  expect(parse('-TC', '3').value('C')).toBe('3');
  expect(parse('-C', '1', '-C', '2').value('C')).toBe('2');
  expect(parse('-C', '-1').value('C')).toBe('-1');
});

test('an optional value only stands behind =', () => {
  const apart = parse('-i', 'shared');
  expect([apart.value('i'), apart.positionals]).toEqual(['', ['shared']]);
  expect(parse('-i=shared').value('i')).toBe('shared');
  expect(parse('-T').value('i')).toBeUndefined();
});

test('numbers are arguments, except for options that are called so', () => {
  expect(parse('-5', '-0x10').positionals).toEqual(['-5', '-0x10']);
  expect(parse('-32').has('32')).toBe(true);
  expect(parse('--', '-T').positionals).toEqual(['-T']);
});

test('what stands in quotes is no option', () => {
  const args = parseCommandArguments(command, [{ text: '-T', raw: "'-T'" }]);
  expect([args.has('T'), args.positionals, args.raws]).toEqual([false, ['-T'], ["'-T'"]]);
});

test.each([
  [['-x'], 'demo: unknown option -x; usage: demo [-TmF] [-C cpus] [-32] [-i[=shared]] [pid] ...'],
  [['-t'], 'demo: unknown option -t; did you mean -T?'],
  [['-C'], 'demo: -C needs cpus'],
  [['-TC'], 'demo: -C needs cpus'],
])('a wrong option %j is named', (words, message) => {
  expect(() => parse(...words)).toThrow(message);
});

test('options of a command that takes expressions end with the first argument', () => {
  const args = parseCommandArguments({ ...command, optionsFirst: true }, wordsOf(['-T', 'a', '-m', '-x']));
  expect([args.has('T'), args.has('m'), args.text]).toEqual([true, false, 'a -m -x']);
});

test('the usage is made of the options', () => {
  expect(usageOf(command)).toBe('demo [-TmF] [-C cpus] [-32] [-i[=shared]] [pid] ...');
});

test('lists of CPUs', () => {
  expect(parseCpus('0,2-4', [0, 1, 2, 3])).toEqual([0, 2, 3]);
  expect(parseCpus('a', [0, 5])).toEqual([0, 5]);
  expect(() => parseCpus('7', [0, 1])).toThrow('there is no CPU 7; there are 0-1');
  expect(() => parseCpus('x', [0])).toThrow("'x' is no list of CPUs");
  expect(rangesOf([0, 1, 2, 6, 8, 9])).toBe('0-2,6,8-9');
});

test('numbers are decimal unless only hex is possible', () => {
  expect([parseNumber('96'), parseNumber('0x96'), parseNumber('ff'), parseNumber('-0x10'), parseNumber('xyz')]).toEqual(
    [96n, 0x96n, 0xffn, -16n, undefined],
  );
  expect(() => parseCount('0', 'COUNT', 1, 9)).toThrow("COUNT '0': must be a number from 1 to 9");
});
