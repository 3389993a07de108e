import { expect, test } from 'vitest';
import { commandRunner } from '../../test/builders/commands.ts';
import ascii from './ascii.ts';

const { run } = commandRunner([ascii]);

test('as crash 9.0.2', () => {
  expect(run('ascii 62696c2f7273752f').lines).toEqual(['62696c2f7273752f: /usr/lib']);
  expect(run('ascii 0x7069726373').lines).toEqual(['0000007069726373: scrip<NUL><NUL><NUL>']);
  // crash has ' and ` the wrong way round.
  expect(run('ascii').lines.slice(1, 5)).toEqual([
    '      0    1   2   3   4   5   6   7',
    '    +-------------------------------',
    '  0 | NUL DLE  SP  0   @   P   `   p',
    '  1 | SOH DC1  !   1   A   Q   a   q',
  ]);
});
