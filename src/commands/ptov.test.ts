import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import ptov from './ptov.ts';

const { run, json } = commandRunner([ptov]);

test('as crash 9.0.2 on the full dump that the sample was made of', () => {
  expect(run('ptov 56e000').lines).toEqual(['VIRTUAL           PHYSICAL', 'ffff88898056e000  56e000']);
  expect(run('ptov 1000:a').lines).toEqual([
    'PER-CPU OFFSET: 1000',
    '  CPU    VIRTUAL',
    '  [0]  ffff88899e801000',
    '  [1]  ffff88899e901000',
  ]);
  expect(json('ptov 56e000')).toMatchObject({ items: [{ data: { address: '0xffff88898056e000' } }] });
});
