/**
 * Breaking lines of spans at a width, with hanging indents. A `whole` span is broken only when it does not fit into a
 * line of its own. Runs of spaces between words become one space, as prose wants it; tables do not come here.
 */
import { columnsOf, splitAtColumn } from './columns.ts';
import { sliceSafe } from './escape.ts';
import { type Line, type Span, span } from './spans.ts';

/** Spans that stand together without a space between them. */
type Word = readonly Span[];

function widthOf(spans: Line): number {
  return spans.reduce((sum, part) => sum + columnsOf(part.text), 0);
}

/** A span cut at its spaces; the pieces keep the style. Spaces are empty entries. */
function pieces(part: Span): (Span | 'space')[] {
  if (part.whole) return [part];
  const out: (Span | 'space')[] = [];
  for (const match of part.text.matchAll(/ +|[^ ]+/g)) {
    if (match[0].startsWith(' ')) out.push('space');
    else out.push({ ...part, text: sliceSafe(part.text, match.index, match.index + match[0].length) });
  }
  return out;
}

function words(spans: Line): Word[] {
  const out: Word[] = [];
  let current: Span[] = [];
  for (const piece of spans.flatMap(pieces)) {
    if (piece !== 'space') current.push(piece);
    else if (current.length > 0) {
      out.push(current);
      current = [];
    }
  }
  if (current.length > 0) out.push(current);
  return out;
}

/** A word that is too wide for any line, in pieces that fit: at its inner spaces, else anywhere. */
function breakWord(word: Word, room: number): Word[] {
  if (word.some((part) => part.whole)) {
    return words(word.map((part) => ({ ...part, whole: false }))).flatMap((inner) =>
      widthOf(inner) > room ? breakWord(inner, room) : [inner],
    );
  }
  const out: Word[] = [];
  for (const part of word) {
    let rest = part.text;
    while (rest !== '') {
      const [head, tail] = splitAtColumn(rest, room);
      out.push([{ ...part, text: head }]);
      rest = tail;
    }
  }
  return out;
}

export interface Indent {
  /** Stands before the first line: a label, a number. */
  readonly lead: Line;
  /** Columns before every line; a lead that is wider gets a line of its own. */
  readonly columns: number;
}

function spaces(columns: number): Span {
  return span(' '.repeat(columns));
}

/** Tables take two for each cell. */
const PADS: readonly Span[] = Array.from({ length: 64 }, (_, columns) => spaces(columns));

/** Spaces up to a column. */
export function pad(columns: number): Span {
  const wanted = Math.max(0, columns);
  return PADS[wanted] ?? spaces(wanted);
}

/**
 * Breaks a line at `width` columns. The lead stands at the left of the first line; all lines start at the indent's
 * column. On terminals narrower than the indent and 20 columns, text runs over rather than becoming a ladder.
 */
export function wrap(spans: Line, width: number, indent: Indent = { lead: [], columns: 0 }): Line[] {
  const room = Math.max(20, width - indent.columns);
  const rows: Span[][] = [[]];
  let used = 0;
  for (const word of words(spans).flatMap((each) => (widthOf(each) > room ? breakWord(each, room) : [each]))) {
    const wanted = widthOf(word);
    if (used > 0 && used + 1 + wanted > room) {
      rows.push([]);
      used = 0;
    }
    const row = rows.at(-1) ?? [];
    if (used > 0) {
      const before = row.at(-1)?.style;
      // Between two words of one style the space has it too, so that they are painted in one go.
      row.push(span(' ', before !== undefined && before === word[0]?.style ? before : 'plain'));
      used++;
    }
    row.push(...word);
    used += wanted;
  }
  const leadWidth = widthOf(indent.lead);
  const gap = indent.columns - leadWidth;
  const out: Line[] = rows.map((row, i) =>
    i === 0 && gap >= 0 ? [...indent.lead, ...padded(gap), ...row] : [...padded(indent.columns), ...row],
  );
  return gap < 0 ? [indent.lead, ...out] : out;
}

function padded(columns: number): Line {
  return columns > 0 ? [pad(columns)] : [];
}
