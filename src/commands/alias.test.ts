import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import alias from './alias.ts';

test('words are made, shown and removed', () => {
  const { run, session } = commandRunner([alias]);
  expect(run('alias un "ps | grep UN"')).toMatchObject({ text: '', failures: [] });
  expect(session.aliases.get('un')).toBe('ps | grep UN');
  expect(run('alias un').lines).toEqual(['ORIGIN   ALIAS    COMMAND', 'session  un       ps | grep UN']);
  expect(run('alias').lines).toEqual(
    expect.arrayContaining(['builtin  hex      set radix 16', 'builtin  sf       set scroll off']),
  );
  run('alias un ""');
  expect(run('alias un').failures).toEqual(["alias: no alias 'un'"]);
  run('alias two words of one line');
  expect(session.aliases.get('two')).toBe('words of one line');
});

test('a command stays what it is', () => {
  const { run } = commandRunner([alias]);
  expect(run('alias alias ps').failures).toEqual(['alias: alias is a command already']);
  expect(run('alias "a b" ps').failures).toEqual(["alias: 'a b' cannot be a word for a line"]);
});
