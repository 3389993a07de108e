/**
 * The shapes that commands return, as text. Tables are as wide as their cells: a terminal wraps them, `less -S` and
 * `grep` want whole rows. Stacks look as crash shows them.
 */
import { hex } from '../base/address.ts';
import type { FrameView, KeyValues, Shape, Stacks, Table } from '../model/shape.ts';
import { cellSpan } from './cell-text.ts';
import { columnsOf } from './columns.ts';
import { pad } from './layout.ts';
import { paint } from './paint.ts';
import { blank, type Line, line, type Span, span } from './spans.ts';
import { proseSpans } from './value-text.ts';

function titleLines(title: string | undefined): Line[] {
  return title === undefined ? [] : [line(title, 'heading')];
}

function tableLines({ title, columns, rows }: Table): Line[] {
  const header = columns.map(({ label }) => span(label, 'label'));
  const all = [header, ...rows.map((row) => columns.map((_column, i) => cellSpan(row[i])))];
  const widths = columns.map((_column, i) =>
    all.reduce((most, row) => Math.max(most, columnsOf(row[i]?.text ?? span('').text)), 0),
  );
  const aligned = (cell: Span, i: number): Span[] => {
    const space = pad((widths[i] ?? 0) - columnsOf(cell.text));
    return columns[i]?.align === 'right' ? [space, cell] : [cell, space];
  };
  const body = all.map((row) => row.flatMap((cell, i) => (i === 0 ? aligned(cell, i) : [pad(2), ...aligned(cell, i)])));
  return [...titleLines(title), ...body];
}

function keyValueLines({ title, rows }: KeyValues): Line[] {
  const labels = rows.map(({ label }) => span(label, 'label'));
  const width = labels.reduce((most, { text }) => Math.max(most, columnsOf(text)), 0);
  return [
    ...titleLines(title),
    ...rows.map(({ value }, i) => {
      const label = labels[i] ?? span('');
      return [label, pad(width - columnsOf(label.text) + 2), cellSpan(value)];
    }),
  ];
}

/** ` #0 [0xffffc90000147c40] __schedule+0x2eb at 0xffffffff81a2b3cb [nfs]`; the way it was found when not by ORC. */
function frameLine(frame: FrameView, index: number): Line {
  const { pc, sp, symbol, offset, module, how } = frame;
  const name = symbol ?? '(unknown)';
  const out = [
    span(`#${index}`.padStart(3)),
    span(' ['),
    span(hex(sp), 'address'),
    span('] '),
    span(offset === undefined ? name : `${name}+0x${offset.toString(16)}`, symbol === undefined ? 'dim' : 'code'),
    span(' at '),
    span(hex(pc), 'address'),
  ];
  if (module !== undefined) out.push(span(` [${module}]`));
  if (how !== 'orc' && how !== 'registers') out.push(span(` (${how})`, 'dim'));
  return out;
}

function stackLines({ stacks }: Stacks): Line[] {
  return stacks.flatMap(({ heading, frames, note }, i) => [
    ...(i > 0 ? [blank] : []),
    proseSpans(heading),
    ...frames.map(frameLine),
    ...(note === undefined ? [] : [line(`    ${note}`, 'warning')]),
  ]);
}

function shapeLines(shape: Shape): Line[] {
  switch (shape.shape) {
    case 'table':
      return tableLines(shape);
    case 'key-values':
      return keyValueLines(shape);
    case 'stacks':
      return stackLines(shape);
    case 'text':
      return shape.lines.map(proseSpans);
    case 'list':
      return shape.items.flatMap((item, i) => [...(i > 0 ? [blank] : []), ...shapeLines(item)]);
  }
}

/** Ends with a newline unless there is nothing to show. */
export function shapeText(shape: Shape, options: { readonly colour: boolean }): string {
  return paint(shapeLines(shape), options.colour);
}
