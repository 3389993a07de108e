import fc from 'fast-check';
import { expect, test } from 'vitest';
import { columnsOf, splitAtColumn } from './columns.ts';
import { escapeText } from './escape.ts';
import { wrap } from './layout.ts';
import { type Line, lineText, span } from './spans.ts';

const texts = (lines: readonly Line[]): string[] => lines.map(lineText);

test('columns: wide characters count two, combining marks none', () => {
  expect(columnsOf(escapeText('abc'))).toBe(3);
  expect(columnsOf(escapeText('数据'))).toBe(4);
  expect(columnsOf(escapeText('e\u0301'))).toBe(1);
  expect(columnsOf(escapeText('🙂ü'))).toBe(3);
});

test('splitting never cuts a wide character or a pair in two', () => {
  expect(splitAtColumn(escapeText('数据'), 3)).toEqual(['数', '据']);
  expect(splitAtColumn(escapeText('🙂🙂'), 1)).toEqual(['🙂', '🙂']);
});

test('breaks at spaces and hangs under the label', () => {
  const lines = wrap([span('one two three four five six')], 30, { lead: [span('Why')], columns: 8 });
  expect(texts(lines)).toEqual(['Why     one two three four', '        five six']);
});

test('a label wider than its column gets a line of its own', () => {
  expect(texts(wrap([span('text')], 40, { lead: [span('Launched by')], columns: 4 }))).toEqual([
    'Launched by',
    '    text',
  ]);
});

test('a value stays on one line, and so does the punctuation around it', () => {
  const lines = wrap([span('waits since ('), span('2 h 13 min', 'number', true), span('), too long')], 26);
  expect(texts(lines)).toEqual(['waits since (2 h 13 min),', 'too long']);
});

test('a word wider than the line is broken', () => {
  expect(texts(wrap([span('x'.repeat(50))], 20))).toEqual(['x'.repeat(20), 'x'.repeat(20), 'x'.repeat(10)]);
  expect(texts(wrap([span(`a ${'y'.repeat(22)} b`, 'code', true)], 20))).toEqual(['a', 'y'.repeat(20), 'yy b']);
});

test('nothing is lost and no line is too wide', () => {
  const spans = fc.array(
    fc
      .tuple(fc.string({ unit: fc.constantFrom('a', ' ', '数', '\u001b', 'bcd') }), fc.boolean())
      .map(([text, whole]) => span(text, 'plain', whole)),
  );
  fc.assert(
    fc.property(spans, fc.integer({ min: 30, max: 60 }), (parts, width) => {
      const lines = wrap(parts, width, { lead: [span('L')], columns: 5 });
      for (const each of lines) expect(columnsOf(lineText(each))).toBeLessThanOrEqual(width);
      expect(texts(lines).join('').replaceAll(' ', '')).toBe(`L${lineText(parts).replaceAll(' ', '')}`);
    }),
  );
});
