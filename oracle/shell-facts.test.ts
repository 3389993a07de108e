import { expect, test } from 'vitest';
import { compare, type Subject } from './compare.ts';
import { contentOf, factsOf, type Json } from './shell-facts.ts';

const SUBJECT: Subject = { dump: 'd', release: '7.2', format: 'elf', level: 0, live: false };

function differences(theirs: Json, ours: Json | undefined): readonly string[] {
  const facts = factsOf('ps', theirs, ours);
  const tallies = compare(SUBJECT, facts.ours, { oracle: 'drgn', theirs: facts.theirs, complete: () => false }, []);
  return tallies.flatMap(({ unexplained }) => unexplained.map(({ key }) => key));
}

test('rows are told apart by what names them, in any order, and members that only we have are not asked', () => {
  const rows = [
    { task: { pid: 1, task: '0xa' }, cpu: 0 },
    { task: { pid: 2, task: '0xb' }, cpu: 1 },
  ];
  const ours = [
    { task: { pid: 2, task: '0xb', comm: 'b' }, cpu: 1, state: 'IN' },
    { task: { pid: 1, task: '0xa', comm: 'a' }, cpu: 0, state: 'RU' },
  ];
  expect(differences(rows, ours)).toEqual([]);
});

test('another value, a missing row, one too many, and no answer at all are differences', () => {
  const rows = [
    { fd: 0, file: '0xa' },
    { fd: 1, file: '0xb' },
  ];
  expect(
    differences(rows, [
      { fd: 0, file: '0xa' },
      { fd: 1, file: '0xc' },
    ]),
  ).toEqual(['.1.file']);
  expect(differences(rows, [{ fd: 0, file: '0xa' }])).toEqual([' rows', '.1.fd', '.1.file']);
  expect(differences([], [{ fd: 0 }])).toEqual([' rows']);
  expect(differences({ mask: '0x0' }, undefined)).toEqual(['.mask']);
  expect(differences([{ name: 'a' }, { name: 'a' }], [{ name: 'a' }])).toEqual([' rows', '.a (2).name']);
});

test('of a shape its content is compared, not its layout', () => {
  expect(contentOf({ shape: 'table', columns: [], rows: [{ fd: 1 }] })).toEqual([{ fd: 1 }]);
  expect(
    contentOf({
      shape: 'list',
      items: [
        { shape: 'lines', data: { a: 1 } },
        { shape: 'key-values', values: {} },
      ],
    }),
  ).toEqual([{ a: 1 }, {}]);
});
