import { expect, test } from 'vitest';
import { fakeSink } from '../../test/builders/cli.ts';
import { wantsColour, widthOf } from './terminal.ts';

const terminal = fakeSink({ isTTY: true, columns: 80 });
const pipe = fakeSink();

test('colour: the option, then FORCE_COLOR, then NO_COLOR, then the terminal', () => {
  expect(wantsColour('auto', {}, terminal)).toBe(true);
  expect(wantsColour('auto', {}, pipe)).toBe(false);
  expect(wantsColour('auto', {}, undefined)).toBe(false);
  expect(wantsColour('auto', { NO_COLOR: '1' }, terminal)).toBe(false);
  expect(wantsColour('auto', { NO_COLOR: '' }, terminal)).toBe(true);
  expect(wantsColour('auto', { TERM: 'dumb' }, terminal)).toBe(false);
  expect(wantsColour('auto', { FORCE_COLOR: '1' }, pipe)).toBe(true);
  expect(wantsColour('auto', { FORCE_COLOR: '1', NO_COLOR: '1' }, pipe)).toBe(true);
  expect(wantsColour('auto', { FORCE_COLOR: '0' }, terminal)).toBe(false);
  expect(wantsColour('always', { NO_COLOR: '1' }, pipe)).toBe(true);
  expect(wantsColour('never', { FORCE_COLOR: '1' }, terminal)).toBe(false);
});

test('width: the option, else the terminal up to what can be read, else 100', () => {
  expect(widthOf(undefined, terminal)).toBe(80);
  expect(widthOf(undefined, fakeSink({ isTTY: true, columns: 300 }))).toBe(120);
  expect(widthOf(undefined, fakeSink({ isTTY: true, columns: 0 }))).toBe(100);
  expect(widthOf(undefined, pipe)).toBe(100);
  expect(widthOf(300, terminal)).toBe(300);
});
