/**
 * The only place where colour is put on: lines of spans become the final text. Whether there is colour is the caller's
 * decision (terminal, NO_COLOR, `--color`); `styleText` is told so and asks no stream.
 */
import { styleText } from 'node:util';
import { type Line, lineText, type Style } from './spans.ts';

type Format = Parameters<typeof styleText>[0];

const formats: { readonly [S in Style]: Format | undefined } = {
  plain: undefined,
  title: 'bold',
  heading: ['bold', 'blue'],
  label: 'bold',
  dim: 'gray',
  address: 'cyan',
  number: undefined,
  task: ['bold', 'magenta'],
  name: 'yellow',
  code: 'green',
  spark: 'yellow',
  good: 'green',
  warning: ['bold', 'yellow'],
  bad: ['bold', 'red'],
};

/** Neighbours of one style as one. */
function merge(spans: Line): { style: Style; text: string }[] {
  const out: { style: Style; text: string }[] = [];
  for (const { text, style } of spans) {
    const last = out.at(-1);
    if (last?.style === style) last.text += text;
    else out.push({ style, text });
  }
  return out;
}

function paintLine(spans: Line, colour: boolean): string {
  if (!colour) return lineText(spans).trimEnd();
  return merge(spans)
    .map(({ text, style }) => {
      const format = formats[style];
      return format === undefined ? text : styleText(format, text, { validateStream: false });
    })
    .join('');
}

/** The text of the lines, each ended by a newline. */
export function paint(lines: readonly Line[], colour: boolean): string {
  return lines.map((each) => `${paintLine(each, colour)}\n`).join('');
}
