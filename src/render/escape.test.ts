import fc from 'fast-check';
import { expect, test } from 'vitest';
import { escapeJson, escapeText, sliceSafe } from './escape.ts';

// Written down here by number and not taken from the code under test.
const forbidden: readonly (readonly [number, number])[] = [
  [0x00, 0x1f],
  [0x7f, 0x9f],
  [0xad, 0xad],
  [0x34f, 0x34f],
  [0x61c, 0x61c],
  [0x115f, 0x1160],
  [0x180b, 0x180f],
  [0x200b, 0x200f],
  [0x2028, 0x202e],
  [0x2060, 0x206f],
  [0x2800, 0x2800],
  [0x3164, 0x3164],
  [0xd800, 0xdfff],
  [0xfe00, 0xfe0f],
  [0xfeff, 0xfeff],
  [0xffa0, 0xffa0],
  [0xfff9, 0xfffb],
  [0xe0000, 0xe007f],
];

function offenders(text: string): string[] {
  return Array.from(text)
    .map((char) => char.codePointAt(0) ?? 0)
    .filter((code) => forbidden.some(([from, to]) => code >= from && code <= to))
    .map((code) => code.toString(16));
}

/** Reads escaped text back. */
function unescape(text: string): string {
  return text.replace(
    /\\(?:\\|x([0-9a-f]{2})|u([0-9a-f]{4})|u\{([0-9a-f]+)\})/g,
    (_all, x: string | undefined, u: string | undefined, long: string | undefined) => {
      const code = x ?? u ?? long;
      return code === undefined ? '\\' : String.fromCodePoint(Number.parseInt(code, 16));
    },
  );
}

const hostile = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  // Unpaired surrogates too.
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((codes) => String.fromCharCode(...codes)),
  fc
    .array(
      fc.constantFrom('\u001b[31m', '\u001b]0;x\u0007', '\u202e', '\u2066', '\u009b', '\\', 'x1b', '\n', '\ud800', 'a'),
    )
    .map((parts) => parts.join('')),
);

test('no control, bidi, invisible or unpaired character survives', () => {
  for (const [from, to] of forbidden) {
    for (let code = from; code <= to; code++) expect(offenders(escapeText(String.fromCodePoint(code)))).toEqual([]);
  }
  fc.assert(
    fc.property(hostile, (text) => {
      expect(offenders(escapeText(text))).toEqual([]);
    }),
  );
});

test('what was escaped can be read back without doubt', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      expect(unescape(escapeText(text))).toBe(text);
    }),
  );
});

test('each kind of character has its form', () => {
  expect(escapeText('\u001b[2J')).toBe('\\x1b[2J');
  expect(escapeText('a\nb\tc\u007f')).toBe('a\\x0ab\\x09c\\x7f');
  expect(escapeText('\u009b31m')).toBe('\\x9b31m');
  expect(escapeText('gpj.\u202eexe')).toBe('gpj.\\u202eexe');
  expect(escapeText('\ud800')).toBe('\\ud800');
  expect(escapeText('\u{e0041}')).toBe('\\u{e0041}');
  expect(escapeText('C:\\x1b')).toBe('C:\\\\x1b');
});

test('visible text of any script stays as it is', () => {
  for (const text of ['/data/übung', '数据', 'данные', 'नमस्ते', 'e\u0301', '🙂', ' two  spaces ', '~!"#$%&']) {
    expect(escapeText(text)).toBe(text);
  }
});

test('a part of safe text is the same part of the string', () => {
  expect(sliceSafe(escapeText('abcdef'), 1, 3)).toBe('bc');
});

test('JSON keeps its value and loses its dangerous characters', () => {
  fc.assert(
    fc.property(fc.dictionary(hostile, hostile), (value) => {
      const json = escapeJson(JSON.stringify(value, null, 2));
      expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(value)));
      expect(offenders(json.replaceAll('\n', ''))).toEqual([]);
    }),
  );
});
