/**
 * Numbers as one word for the middle of a sentence: a sign for each, the more ink the more, beside the largest. ASCII, since
 * nobody knows where the text will be read; for a terminal whose locale is UTF-8 the same as bars.
 */
import { type Line, span } from './spans.ts';

const ASCII = '.:-=+*%#';
const BARS = '▁▂▃▄▅▆▇█';

export function sparkline(counts: readonly number[]): string {
  const most = counts.reduce((a, b) => Math.max(a, b), 1);
  return counts.map((each) => ASCII[Math.max(0, Math.ceil((each / most) * ASCII.length) - 1)] ?? '?').join('');
}

/** The same line with bars, as far as the drawing is ours: names of the dump stay as they are. */
export function barSparks(spans: Line): Line {
  return spans.map((part) =>
    part.style === 'spark'
      ? span(
          part.text.replace(/./g, (each) => BARS[ASCII.indexOf(each)] ?? each),
          'spark',
          true,
        )
      : part,
  );
}
