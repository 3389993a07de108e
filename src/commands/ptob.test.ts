import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import ptob from './ptob.ts';

const { run, json } = commandRunner([ptob]);

test('as crash 9.0.2', () => {
  expect(run('ptob 512a').lines).toEqual(['512a: 512a000']);
  expect(run('ptob 1000').lines).toEqual(['3e8: 3e8000']);
  expect(json('ptob 3')).toMatchObject({ rows: [{ bytes: '0x3000' }] });
  expect(run('ptob x').failures).toEqual(["ptob: 'x' is no number"]);
});
