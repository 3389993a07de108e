/**
 * How many columns of a terminal safe text takes: East-Asian wide characters and emoji two, combining marks none.
 * By ranges of blocks, as terminals do it roughly; ambiguous-width characters count one.
 */
import { type SafeText, sliceSafe } from './escape.ts';

const ascii = /^[\x20-\x7e]*$/;
const combining = /^\p{M}$/u;
const wide =
  /^[\u1100-\u115f\u231a\u231b\u2329\u232a\u23e9-\u23ec\u2614\u2615\u26a1\u2705\u274c\u2728\u2b50\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18cff}\u{1b000}-\u{1b2ff}\u{1f18e}\u{1f191}-\u{1f19a}\u{1f200}-\u{1f320}\u{1f32d}-\u{1f335}\u{1f337}-\u{1f37c}\u{1f37e}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1faff}\u{20000}-\u{3fffd}]$/u;

function charColumns(char: string): number {
  if (ascii.test(char)) return 1;
  return combining.test(char) ? 0 : wide.test(char) ? 2 : 1;
}

/** Columns of the whole text. */
export function columnsOf(text: SafeText): number {
  if (ascii.test(text)) return text.length;
  let columns = 0;
  for (const char of text) columns += charColumns(char);
  return columns;
}

/** Cuts text into what fits into `columns` (at least one character) and the rest. */
export function splitAtColumn(text: SafeText, columns: number): readonly [SafeText, SafeText] {
  let used = 0;
  let end = 0;
  for (const char of text) {
    used += charColumns(char);
    if (used > columns && end > 0) break;
    end += char.length;
  }
  return [sliceSafe(text, 0, end), sliceSafe(text, end)];
}
