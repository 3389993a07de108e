/** Numbers as one word for the middle of a sentence: a sign for each, as high as it is beside the largest. */
import { type Line, span } from './spans.ts';

const BLOCKS = '▁▂▃▄▅▆▇█';
/** For terminals that know nothing but ASCII: the more ink, the more. */
const ASCII = '.:-=+*%#';

export function sparkline(counts: readonly number[]): string {
  const most = counts.reduce((a, b) => Math.max(a, b), 1);
  return counts.map((each) => BLOCKS[Math.max(0, Math.ceil((each / most) * BLOCKS.length) - 1)] ?? '?').join('');
}

/** The same line without signs that are not ASCII, as far as they are ours: names of the dump stay as they are. */
export function asciiSparks(spans: Line): Line {
  return spans.map((part) =>
    part.style === 'spark'
      ? span(
          part.text.replace(/[▁-█]/g, (each) => ASCII[BLOCKS.indexOf(each)] ?? each),
          'spark',
          true,
        )
      : part,
  );
}
