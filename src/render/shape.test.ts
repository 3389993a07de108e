import { expect, test } from 'vitest';
import { virt } from '../base/address.ts';
import type { Shape } from '../model/shape.ts';
import { address, byteCount, duration, name, prose, task } from '../model/value.ts';
import { shapeJson } from './shape-json.ts';
import { shapeText } from './shape-text.ts';

const at = virt(0xffff88899fd6d080n);

const table: Shape = {
  shape: 'table',
  title: 'Tasks',
  columns: [
    { key: 'pid', label: 'PID', align: 'right' },
    { key: 'comm', label: 'COMM', align: 'left' },
    { key: 'rss', label: 'RSS', align: 'right' },
    { key: 'wait', label: 'WAIT', align: 'right' },
  ],
  rows: [
    [1, name('数据'), byteCount(10_616 * 1024), duration(7_540_000_000n)],
    [24156, name('a\u001b[0m'), undefined],
  ],
};

const stacks: Shape = {
  shape: 'stacks',
  stacks: [
    {
      heading: prose`${task({ pid: 96, comm: 'ps', address: at })}`,
      frames: [
        {
          pc: 0xffffffff81a2b3cbn,
          sp: 0xffffc90000147c40n,
          symbol: '__schedule',
          offset: 0x2eb,
          module: undefined,
          how: 'orc',
        },
        {
          pc: 0xffffffffc0401010n,
          sp: 0xffffc90000147c90n,
          symbol: 'nfs_wait',
          offset: 16,
          module: 'nfs',
          how: 'scan',
        },
        { pc: 0x41n, sp: 0xffffc90000147ca0n, symbol: undefined, offset: undefined, module: undefined, how: 'orc' },
      ],
      note: 'the rest lies in a lost page',
    },
  ],
};

test('a table is aligned by columns of the terminal', () => {
  expect(shapeText(table, { colour: false }).split('\n')).toEqual([
    'Tasks',
    '  PID  COMM           RSS   WAIT',
    '    1  数据      10.4 MiB  7.5 s',
    String.raw`24156  a\x1b[0m         -      -`,
    '',
  ]);
});

test('stacks look as in crash', () => {
  expect(shapeText(stacks, { colour: false }).split('\n')).toEqual([
    'ps (pid 96)',
    ' #0 [0xffffc90000147c40] __schedule+0x2eb at 0xffffffff81a2b3cb',
    ' #1 [0xffffc90000147c90] nfs_wait+0x10 at 0xffffffffc0401010 [nfs] (scan)',
    ' #2 [0xffffc90000147ca0] (unknown) at 0x0000000000000041',
    '    the rest lies in a lost page',
    '',
  ]);
});

test('key-values, lines and lists', () => {
  const shape: Shape = {
    shape: 'list',
    items: [
      {
        shape: 'key-values',
        rows: [
          { key: 'lock', label: 'lock', value: address(at) },
          { key: 'file', label: 'its file', value: 'x\ny' },
        ],
      },
      { shape: 'text', lines: [prose`${name("it's\u0007")}`] },
    ],
  };
  expect(shapeText(shape, { colour: false })).toBe(`lock      0xffff88899fd6d080\nits file  x\\x0ay\n\nit's\\x07\n`);
});

test('the same as JSON, exact and by keys', () => {
  expect(JSON.parse(shapeJson(table, { complete: false }))).toEqual({
    schema: 'kwhy-result',
    version: 1,
    complete: false,
    result: {
      shape: 'table',
      title: 'Tasks',
      columns: [
        { key: 'pid', label: 'PID' },
        { key: 'comm', label: 'COMM' },
        { key: 'rss', label: 'RSS' },
        { key: 'wait', label: 'WAIT' },
      ],
      rows: [
        { pid: 1, comm: '数据', rss: 10_870_784, wait: { ns: '7540000000', seconds: 7.54 } },
        { pid: 24156, comm: 'a\u001b[0m' },
      ],
    },
  });
  expect(JSON.parse(shapeJson(stacks, { complete: true }))).toMatchObject({
    complete: true,
    result: {
      shape: 'stacks',
      stacks: [
        {
          heading: 'ps (pid 96)',
          frames: [
            { pc: '0xffffffff81a2b3cb', sp: '0xffffc90000147c40', symbol: '__schedule', offset: 747, how: 'orc' },
            { module: 'nfs', how: 'scan' },
            { pc: '0x0000000000000041' },
          ],
          note: 'the rest lies in a lost page',
        },
      ],
    },
  });
});
