/** Shapes with a layout of their own, as crash's: fixed columns, given lines, lists without gaps; and that all is escaped. */
import { expect, test } from 'vitest';
import { virt } from '../base/address.ts';
import { type Shape, shown, type Table } from '../model/shape.ts';
import { address, byteCount, name } from '../model/value.ts';
import { shapeJson } from './shape-json.ts';
import { shapeChunks, shapeText } from './shape-text.ts';

const at = virt(0xffff88899fd6d080n);
const hostile = 'a\u001b[2J\u202e\\x';
const text = (shape: Shape): string[] => shapeText(shape, { colour: false }).split('\n').slice(0, -1);
const result = (shape: Shape): unknown =>
  (JSON.parse(shapeJson(shape, { complete: true })) as { result: unknown }).result;

const table: Table = {
  shape: 'table',
  columns: [
    { key: 'mark', label: '', align: 'left', width: 1 },
    { key: 'pid', label: 'PID', align: 'right', width: 4, gap: 1 },
    { key: 'task', label: 'TASK', align: 'right', width: 16, labelAlign: 'center' },
    { key: 'rss', label: 'RSS', align: 'right', width: 3, gap: 1 },
    { key: 'comm', label: 'COMM', align: 'left', width: 1 },
  ],
  rows: [
    [
      shown('>', true),
      7,
      shown('ffff88899fd6d080', address(at)),
      shown('12345', byteCount(12345 * 1024)),
      shown(hostile, name(hostile)),
    ],
    ['', 12345, undefined, 1, 'x'],
  ],
};

test('columns of fixed width; what is too wide pushes its own row only', () => {
  expect(text(table)).toEqual([
    '   PID        TASK       RSS  COMM',
    String.raw`>    7  ffff88899fd6d080 12345  a\x1b[2J\u202e\x`,
    '  12345                 -   1  x',
  ]);
  expect(text({ ...table, header: false, rows: [] })).toEqual([]);
  expect(text({ ...table, header: 'AS IT STANDS', rows: [] })).toEqual(['AS IT STANDS']);
});

test('JSON has what the cells are', () => {
  expect(result(table)).toMatchObject({
    rows: [{ mark: true, pid: 7, task: '0xffff88899fd6d080', rss: 12345 * 1024, comm: hostile }, { pid: 12345 }],
  });
});

test('labels that end at one column', () => {
  const rows = [
    { key: 'a', label: 'LONG LABEL', value: 1 },
    { key: 'b', label: 'B', value: shown('two', 2) },
  ];
  expect(text({ shape: 'key-values', labels: 'right', rows })).toEqual(['LONG LABEL: 1', '         B: two']);
});

test('lines stand as they are, escaped, backslashes single', () => {
  const shape: Shape = {
    shape: 'lines',
    lines: ['  two  blanks', ['piece ', { text: hostile, style: 'name' }, ' \\000']],
    data: () => ({ comm: name(hostile) }),
  };
  expect(text(shape)).toEqual(['  two  blanks', String.raw`piece a\x1b[2J\u202e\x \000`]);
  expect(shapeText(shape, { colour: true })).not.toContain('\u001b[2J');
  expect(result(shape)).toEqual({ shape: 'lines', data: { comm: hostile } });
});

test('lines are made when they are asked for, and what they throw comes then', () => {
  const made: number[] = [];
  const lines = function* (): Generator<string> {
    for (let i = 0; i < 3; i++) {
      made.push(i);
      yield String(i);
    }
    throw new TypeError('late');
  };
  const chunks = shapeChunks({ shape: 'lines', lines: lines(), data: () => undefined }, { colour: false });
  expect(chunks.next().value).toBe('0\n');
  expect(made).toEqual([0]);
  expect(() => [...chunks]).toThrow('late');
});

test('lists with and without gaps', () => {
  const item = (word: string): Shape => ({ shape: 'text', lines: [[word]] });
  expect(text({ shape: 'list', items: [item('a'), item('b')] })).toEqual(['a', '', 'b']);
  expect(text({ shape: 'list', spaced: false, items: [item('a'), item('b')] })).toEqual(['a', 'b']);
});
