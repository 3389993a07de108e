/**
 * Cells of tables and of key-value lists as spans. What is unknown is `-`. A plain number is an identifier (a pid, a
 * CPU) and stays as it is; what is counted comes as a value.
 */
import type { Cell } from '../model/shape.ts';
import { type Span, span } from './spans.ts';
import { valueSpan } from './value-text.ts';

export function cellSpan(cell: Cell): Span {
  if (cell === undefined) return span('-', 'dim');
  if (typeof cell === 'string') return span(cell);
  if (typeof cell === 'number') return span(String(cell), 'number', true);
  return valueSpan(cell);
}
