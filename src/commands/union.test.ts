import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import { defineCommand } from '../model/command.ts';
import union from './union.ts';

const struct = defineCommand({
  name: 'struct',
  summary: '',
  options: ['o', 'r', 'p', 'x', 'd'].map((flag) => ({ flag, summary: '' })),
  arguments: [],
  examples: [{ line: 'struct', what: '' }],
  run: (_context, args) => ({ shape: 'text', lines: [[`${args.has('o')} ${args.has('x')} ${args.text}`]] }),
});

test('hands everything to struct', () => {
  expect(commandRunner([union, struct]).run('union -ox sigval ffff88899fc4a0c0').lines).toEqual([
    'true true sigval ffff88899fc4a0c0',
  ]);
});
