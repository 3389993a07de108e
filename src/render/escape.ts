/**
 * The one place that all text passes. Names of tasks and files and lines of the log are chosen by whoever ran on the
 * machine: a name may hold terminal escapes, a line break, or bidi marks that reorder a line. All of these become
 * visible here. `SafeText` can be made nowhere else, and spans take nothing but `SafeText`.
 *
 * `\` becomes `\\`, everything below U+0100 that is not to be shown `\x1b`, else `\u202e` or `\u{e0001}`: so what
 * stands there can be read back without doubt. Visible characters of any script stay. Lookalikes are not handled.
 */
import type { Brand } from '../base/brand.ts';

/** Text without control, formatting, invisible or unpaired characters. */
export type SafeText = Brand<string, 'SafeText'>;

const plain = /^[\x20-\x5b\x5d-\x7e]*$/;
const printable = /^[\x20-\x7e]*$/;

// C: control, format (bidi, zero width), surrogates, private use, unassigned. Zl, Zp: line and paragraph separator.
// DI: default ignorable code points, which terminals draw as nothing (fillers, variation selectors, tags).
// U+2800 is an empty Braille pattern: it looks like a space.
const dangerous = /[\p{C}\p{Zl}\p{Zp}\p{DI}\u2800]/u;
const dangerousOrBackslash = new RegExp(`${dangerous.source}|\\\\`, 'gu');
const everyDangerous = new RegExp(dangerous.source, 'gu');

function visible(char: string): string {
  if (char === '\\') return '\\\\';
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`;
  if (code < 0x10000) return `\\u${code.toString(16).padStart(4, '0')}`;
  return `\\u{${code.toString(16)}}`;
}

/** Makes any text harmless to show on one line of a terminal. */
export function escapeText(raw: string): SafeText {
  return (plain.test(raw) ? raw : raw.replace(dangerousOrBackslash, visible)) as SafeText;
}

/**
 * The same for a line that has its own layout: backslashes stay as they are, as doubling them would shift columns and
 * change what was typed. `\\x1b` there may be an escape or four characters of the dump; JSON has the exact text.
 */
export function escapeControls(raw: string): SafeText {
  return (printable.test(raw) ? raw : raw.replace(everyDangerous, visible)) as SafeText;
}

/** The same in single quotes, with quotes inside escaped: for a name that could be taken for the sentence around it. */
export function quoteText(raw: string): SafeText {
  return `'${escapeText(raw).replaceAll("'", String.raw`\x27`)}'` as SafeText;
}

/** A part of safe text; `start` and `end` as in `String.slice`, never inside of a surrogate pair. */
export function sliceSafe(text: SafeText, start: number, end?: number): SafeText {
  return text.slice(start, end) as SafeText;
}

/** Safe texts one after the other. */
export function joinSafe(parts: readonly SafeText[]): SafeText {
  return parts.join('') as SafeText;
}

/**
 * The same characters in JSON, as `\u` escapes: what JSON.stringify leaves (C1, bidi, zero width) becomes harmless too.
 * @param json - text of JSON, in which such characters can stand only inside strings
 */
export function escapeJson(json: string): string {
  return json.replace(everyDangerous, (char) => {
    // Line breaks between the members are JSON's own; inside strings JSON.stringify has escaped them.
    if (char === '\n') return char;
    let out = '';
    for (let i = 0; i < char.length; i++) out += `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`;
    return out;
  });
}
