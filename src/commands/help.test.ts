import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import { defineCommand } from '../model/command.ts';
import help from './help.ts';

const ps = defineCommand({
  name: 'ps',
  aliases: [['last', 'ps -l']],
  summary: 'the tasks: state, memory, parents, times',
  options: [
    { flag: 'k', summary: 'kernel threads only' },
    { flag: 'C', value: 'cpus', summary: 'by CPU' },
  ],
  arguments: [{ name: 'pid', kinds: ['task'], optional: true, repeated: true }],
  examples: [{ line: 'ps -p 110', what: 'who started it' }],
  run: () => ({ shape: 'text', lines: [] }),
});
const { run } = commandRunner([help, ps]);

test('the list has every command with its summary, and the aliases', () => {
  const { text } = run('help');
  expect(text).toMatch(/^ps {4}the tasks/m);
  expect(text).toContain('last = ps -l');
});

test('a page has usage, options and examples of the command', () => {
  const { text } = run('help ps');
  expect(text).toContain('usage: ps [-k] [-C cpus] [pid] ...');
  expect(text).toContain('  -C cpus  by CPU');
  expect(text).toContain('  ps -p 110  who started it');
  expect(run('man last').text).toBe(text);
});

test('topics, and words that are none', () => {
  expect(run('help input').text).toContain('repeat [-N] LINE');
  expect(run('help pss').failures).toEqual(["help: no command 'pss'; did you mean ps?"]);
});
