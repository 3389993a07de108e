import { expect, test } from 'vitest';
import { fakeSink } from '../../test/builders/cli.ts';
import { speaksUtf8, wantsColour, widthOf } from './terminal.ts';

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

test('UTF-8: the first variable of the locale that is set decides, and without one it is plain ASCII', () => {
  expect(speaksUtf8({ LANG: 'de_DE.UTF-8' })).toBe(true);
  expect(speaksUtf8({ LANG: 'C.utf8', LC_ALL: '' })).toBe(true);
  expect(speaksUtf8({ LANG: 'C.UTF-8', LC_ALL: 'C' })).toBe(false);
  expect(speaksUtf8({ LANG: 'C', LC_CTYPE: 'en_GB.UTF-8' })).toBe(true);
  expect(speaksUtf8({ LANG: 'de_DE@euro' })).toBe(false);
  expect(speaksUtf8({})).toBe(false);
});
