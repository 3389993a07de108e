import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import btop from './btop.ts';

const { run, json } = commandRunner([btop]);

test('as crash 9.0.2', () => {
  expect(run('btop 512a000').lines).toEqual(['512a000: 512a']);
  expect(run('btop ffff8889820826c0').lines).toEqual(['ffff8889820826c0: ffff888982082']);
  expect(json('btop 512a000')).toMatchObject({ rows: [{ page: '0x512a' }] });
  expect(run('btop x').failures).toEqual(["btop: 'x' is no number in hex"]);
});
