/**
 * Values and prose as styled spans. Here, and for all outputs alike, is decided how an address, a task or a wait looks.
 */
import { formatBytes } from '../base/byte-size.ts';
import { hex } from '../base/address.ts';
import type { Prose, Value } from '../model/value.ts';
import { escapeText, joinSafe, quoteText, type SafeText } from './escape.ts';
import { sparkline } from './sparkline.ts';
import { formatCount, formatDuration, formatRatio, formatWallClock } from './quantities.ts';
import { type Line, lineText, type Span, safeSpan, span } from './spans.ts';

/** Names longer than this are cut in their middle inside of sentences: a path may have 4095 bytes. */
const LONGEST_NAME = 160;

function shorten(name: string): string {
  if (name.length <= LONGEST_NAME) return name;
  const half = LONGEST_NAME / 2;
  return `${name.slice(0, half)}…${name.slice(-half)} (${formatCount(name.length)} characters)`;
}

/** In a sentence, a name that is empty or has spaces, quotes or brackets in it stands in quotes. */
function inSentence(name: string): SafeText {
  const short = shorten(name);
  return /^[^\s'"()]+$/.test(name) ? escapeText(short) : quoteText(short);
}

/** A value as it stands in a cell of its own. */
export function valueSpan(value: Value): Span {
  switch (value.kind) {
    case 'address':
      return span(hex(value.value), 'address', true);
    case 'count':
      return span(formatCount(value.value), 'number', true);
    case 'bytes':
      return span(formatBytes(value.value), 'number', true);
    case 'ratio':
      return span(formatRatio(value.value), 'number', true);
    case 'duration':
      return span(formatDuration(value.ns), 'number', true);
    case 'wall-clock':
      return span(formatWallClock(value.seconds), 'number', true);
    case 'task':
      return safeSpan(joinSafe([inSentence(value.comm), escapeText(` (pid ${value.pid})`)]), 'task', true);
    case 'name':
      return span(value.value, 'name');
    case 'symbol':
    case 'ctype':
    case 'command':
      return span(value.value, 'code', true);
    case 'spark':
      return span(sparkline(value.counts), 'spark', true);
  }
}

/** A sentence. A value that is all of it (a line of the log, a command) is shown as it is, without quotes. */
export function proseSpans(text: Prose): Line {
  return text.map((part) => {
    if (typeof part === 'string') return span(part);
    if (part.kind === 'name' && text.length > 1) return safeSpan(inSentence(part.value), 'name');
    if (part.kind === 'command' && text.length > 1) return span(`\`${part.value}\``, 'code', true);
    return valueSpan(part);
  });
}

/** The same as one string, without styles: for titles and sentences in JSON. */
export function proseText(text: Prose): SafeText {
  return lineText(proseSpans(text));
}
