import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import { CancelledError, ValidationError } from '../base/errors.ts';
import { defineCommand, type Command } from '../model/command.ts';
import { defineFact } from '../model/diagnosis.ts';

const command = (name: string, run: Command['run'], rest: Partial<Command> = {}): Command =>
  defineCommand({ name, summary: '', options: [], arguments: [], examples: [{ line: name, what: '' }], ...rest, run });

const counted = { derived: 0 };
const half = defineFact<number>({
  id: 'half',
  derive({ cover }) {
    counted.derived++;
    cover({ what: 'things', read: 1, total: 2, missing: ['one is lost'] });
    return 7;
  },
});

const commands = [
  command('half', ({ use }) => ({ shape: 'text', lines: [[String(use(half))]] })),
  command('calls', ({ call }) => call('half', [])),
  command('broken', () => {
    throw new ValidationError('struct x', 1n, 'is odd');
  }),
  command('late', () => ({
    shape: 'lines',
    lines: (function* () {
      yield 'first';
      throw new ValidationError('struct y', 2n, 'is odd');
    })(),
    data: () => undefined,
  })),
  command('cancelled', () => {
    throw new CancelledError('interrupt');
  }),
  command('bug', () => {
    throw new TypeError('oops');
  }),
  command('struct', (_context, args) => ({ shape: 'text', lines: [[args.text]] }), { optionsFirst: true }),
  command('p', (_context, args) => ({ shape: 'text', lines: [[`p ${args.text}`]] }), {
    optionsFirst: true,
    aliases: [['px', 'p -x']],
  }),
];
const runner = commandRunner(commands);

test('what a fact could not read is told each time, and it is derived once', () => {
  for (const line of ['half', 'half', 'calls']) {
    expect(runner.run(line)).toMatchObject({
      text: '7\n',
      problems: ['things: 1 of 2 read: one is lost'],
      failures: [],
    });
  }
  expect(counted.derived).toBe(1);
});

test('errors of the dump are the answer of a command, late ones too', () => {
  expect(runner.run('broken').failures).toEqual(['broken: struct x at 0x0000000000000001: is odd']);
  expect(runner.run('late')).toMatchObject({
    text: 'first\n',
    failures: ['late: struct y at 0x0000000000000002: is odd'],
  });
});

test('an interrupt and a bug are not', () => {
  expect(() => runner.run('cancelled')).toThrow(CancelledError);
  expect(() => runner.run('bug')).toThrow(TypeError);
});

test('bare types, symbols and expressions are understood', () => {
  expect(runner.run('task_struct.pid,comm ffff88899fc4a0c0').text).toBe('task_struct.pid,comm ffff88899fc4a0c0\n');
  expect(runner.run('*task_struct.pid ffff88899fc4a0c0').text).toBe('task_struct.pid ffff88899fc4a0c0\n');
  expect(runner.run('jiffies').text).toBe('p jiffies\n');
  expect(runner.run('(1 + 2) * 3').text).toBe('p (1 + 2) * 3\n');
});

test('an unknown word names the nearest', () => {
  expect(runner.run('hallf').failures[0]).toBe("hallf: no command, symbol or type 'hallf'; did you mean half?");
  expect(runner.run('qqqqqq').failures[0]).toContain("'help' lists the commands");
});
