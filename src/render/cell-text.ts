/**
 * Cells of tables and of key-value lists as spans. What is unknown is `-`. A plain number is an identifier (a pid, a
 * CPU) and stays as it is; what is counted comes as a value.
 */
import type { Cell } from '../model/shape.ts';
import type { Data } from '../model/value.ts';
import { type Span, layoutSpan, span, type Style } from './spans.ts';
import { valueSpan } from './value-text.ts';

export function cellSpan(cell: Cell): Span {
  if (cell === undefined) return span('-', 'dim');
  if (typeof cell === 'string') return span(cell);
  if (typeof cell === 'number') return span(String(cell), 'number', true);
  if (cell.kind === 'shown') return layoutSpan(cell.text, styleOf(cell.data));
  return valueSpan(cell);
}

/** How a cell that brings its text is painted: by what it is. */
function styleOf(data: Data): Style {
  if (typeof data !== 'object' || !('kind' in data)) return 'plain';
  switch (data.kind) {
    case 'address':
      return 'address';
    case 'name':
      return 'name';
    case 'symbol':
    case 'ctype':
      return 'code';
    default:
      return 'plain';
  }
}
