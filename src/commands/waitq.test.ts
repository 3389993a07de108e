import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import waitq from './waitq.ts';

const { run, json } = commandRunner([waitq]);

test('an empty one, by name and by address: as crash 9.0.2', () => {
  expect(run('waitq log_wait').lines).toEqual(['wait queue "log_wait" (ffffffff9b2d2350) is empty']);
  expect(run('waitq ffffffff9b2d2350').problems).toEqual([]);
  expect(json('waitq log_wait')).toMatchObject({ data: { entries: [] } });
});

test('one inside of a struct; a name that is none', () => {
  expect(run('waitq signal_struct.wait_chldexit ffff8889811fd680').failures).toEqual([]);
  expect(run('waitq nothing_there').failures.join()).toMatch(/nothing_there/);
});
