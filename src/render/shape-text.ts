/**
 * The shapes that commands return, as text. Tables are as wide as their cells: a terminal wraps them, `less -S` and
 * `grep` want whole rows. Stacks look as crash shows them.
 */
import { hex } from '../base/address.ts';
import type {
  Cell,
  Column,
  FrameView,
  KeyValues,
  Lines,
  PieceStyle,
  Shape,
  ShapeList,
  Stacks,
  Table,
  TextLine,
} from '../model/shape.ts';
import { cellSpan } from './cell-text.ts';
import { columnsOf } from './columns.ts';
import { growthLines } from './growth-chart.ts';
import { pad } from './layout.ts';
import { paint } from './paint.ts';
import { blank, layoutSpan, type Line, line, type Span, span, type Style } from './spans.ts';
import { proseSpans } from './value-text.ts';

/** A chart stands under a sentence that is indented like this. */
const CHART_INDENT = 3;
const CHART_WIDTH = 100;

function titleLines(title: string | undefined): Line[] {
  return title === undefined ? [] : [line(title, 'heading')];
}

function* tableLines({ title, columns, rows, header = true }: Table): Generator<Line> {
  const labels = columns.map(({ label }) => span(label, 'label'));
  const spansOf = (row: readonly Cell[]): readonly Span[] => columns.map((_column, i) => cellSpan(row[i]));
  // A long table whose widths are given is made line by line, as it is written.
  const isFixed = columns.every(({ width }) => width !== undefined);
  const body = isFixed ? [] : rows.map(spansOf);
  const measured = header === true ? [labels, ...body] : body;
  const widths = columns.map(
    ({ width }, i) =>
      width ?? measured.reduce((most, row) => Math.max(most, columnsOf(row[i]?.text ?? span('').text)), 0),
  );
  yield* titleLines(title);
  if (typeof header === 'string') yield [layoutSpan(header, 'label')];
  if (header === true) yield rowLine(columns, widths, labels, ({ align, labelAlign }) => labelAlign ?? align);
  const sides = (column: Column): Column['align'] => column.align;
  if (isFixed) for (const row of rows) yield rowLine(columns, widths, spansOf(row), sides);
  else for (const row of body) yield rowLine(columns, widths, row, sides);
}

function rowLine(
  columns: readonly Column[],
  widths: readonly number[],
  cells: readonly Span[],
  place: (column: Column) => 'left' | 'right' | 'center',
): Line {
  const out: Span[] = [];
  columns.forEach((column, i) => {
    const cell = cells[i] ?? span('');
    const room = (widths[i] ?? 0) - columnsOf(cell.text);
    const side = place(column);
    const before = side === 'right' ? room : side === 'center' ? Math.ceil(room / 2) : 0;
    out.push(pad((i === 0 ? 0 : (column.gap ?? 2)) + Math.max(0, before)), cell, pad(room - before));
  });
  return out;
}

function keyValueLines({ title, rows, labels: side = 'left' }: KeyValues): Line[] {
  const labels = rows.map(({ label }) => span(label, 'label'));
  const width = labels.reduce((most, { text }) => Math.max(most, columnsOf(text)), 0);
  return [
    ...titleLines(title),
    ...rows.map(({ value }, i) => {
      const label = labels[i] ?? span('');
      const room = pad(width - columnsOf(label.text) + (side === 'left' ? 2 : 0));
      return side === 'left' ? [label, room, cellSpan(value)] : [room, label, span(': '), cellSpan(value)];
    }),
  ];
}

const pieceStyles: { readonly [S in PieceStyle]: Style } = {
  heading: 'heading',
  label: 'label',
  address: 'address',
  symbol: 'code',
  name: 'name',
  dim: 'dim',
  warning: 'warning',
  bad: 'bad',
};

function textLine(text: TextLine): Line {
  if (typeof text === 'string') return [layoutSpan(text)];
  return text.map((piece) =>
    typeof piece === 'string' ? layoutSpan(piece) : layoutSpan(piece.text, pieceStyles[piece.style]),
  );
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

function* shapeLines(shape: Shape): Generator<Line> {
  switch (shape.shape) {
    case 'table':
      yield* tableLines(shape);
      return;
    case 'key-values':
      yield* keyValueLines(shape);
      return;
    case 'stacks':
      yield* stackLines(shape);
      return;
    case 'text':
      for (const each of shape.lines) {
        if ('kind' in each) yield* growthLines(each, CHART_WIDTH, CHART_INDENT);
        else yield proseSpans(each);
      }
      return;
    case 'lines':
      yield* madeLines(shape);
      return;
    case 'list':
      yield* listLines(shape);
  }
}

function* madeLines({ lines }: Lines): Generator<Line> {
  for (const each of lines) yield textLine(each);
}

function* listLines({ items, spaced = true }: ShapeList): Generator<Line> {
  let first = true;
  for (const item of items) {
    if (!first && spaced) yield blank;
    first = false;
    yield* shapeLines(item);
  }
}

/** The text in pieces, made as they are asked for: what a command reads late is read then, and throws then. */
export function* shapeChunks(shape: Shape, options: { readonly colour: boolean }): Generator<string> {
  for (const each of shapeLines(shape)) yield paint([each], options.colour);
}

/** Ends with a newline unless there is nothing to show. */
export function shapeText(shape: Shape, options: { readonly colour: boolean }): string {
  return [...shapeChunks(shape, options)].join('');
}
