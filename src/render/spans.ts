/**
 * Styled text, before anybody has decided on colour or width: a line is a list of spans, a span is safe text and the
 * role it plays. `span` escapes, and there is no other way to make one from a string.
 */
import { escapeControls, escapeText, joinSafe, type SafeText } from './escape.ts';

/** What a piece of text is, not how it looks. */
export type Style =
  | 'plain'
  | 'title'
  | 'heading'
  | 'label'
  | 'dim'
  | 'address'
  | 'number'
  | 'task'
  | 'name'
  | 'code'
  /** A drawing inside of a sentence. */
  | 'spark'
  | 'good'
  | 'warning'
  | 'bad';

export interface Span {
  readonly text: SafeText;
  readonly style: Style;
  /** True for a value that should stay on one line though there are spaces in it: `7.5 s`. */
  readonly whole: boolean;
}

export type Line = readonly Span[];

/** Raw text becomes a span; it is escaped here. */
export function span(raw: string, style: Style = 'plain', whole = false): Span {
  return safeSpan(escapeText(raw), style, whole);
}

/** The same for text that has its own layout: backslashes stay single. */
export function layoutSpan(raw: string, style: Style = 'plain'): Span {
  return safeSpan(escapeControls(raw), style, true);
}

export function safeSpan(text: SafeText, style: Style, whole = false): Span {
  return { text, style, whole };
}

/** A line of one span. */
export function line(raw: string, style: Style = 'plain'): Line {
  return [span(raw, style)];
}

export const blank: Line = [];

/** The text of a line without its styles. */
export function lineText(spans: Line): SafeText {
  const [first] = spans;
  return spans.length === 1 && first !== undefined ? first.text : joinSafe(spans.map((part) => part.text));
}

/** The words and numbers of the line get a style; other values keep theirs. */
export function emphasize(spans: Line, style: Style): Line {
  return spans.map((part) => (part.style === 'plain' || part.style === 'number' ? { ...part, style } : part));
}
