/**
 * The closed set of shapes that commands return. Columns say what their cells are, so that alignment, hex width and
 * units are decided once, in render/.
 */
import type { Prose, Value } from './value.ts';

export type Cell = Value | string | number | undefined;

export interface Column {
  readonly key: string;
  readonly label: string;
  readonly align: 'left' | 'right';
}

export interface Table {
  readonly shape: 'table';
  readonly title?: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

export interface KeyValues {
  readonly shape: 'key-values';
  readonly title?: string;
  readonly rows: readonly { readonly key: string; readonly label: string; readonly value: Cell }[];
}

export interface FrameView {
  readonly pc: bigint;
  readonly sp: bigint;
  readonly symbol: string | undefined;
  readonly offset: number | undefined;
  readonly module: string | undefined;
  /** How the frame was found: 'registers', 'orc', 'scan' ... */
  readonly how: string;
}

export interface Stacks {
  readonly shape: 'stacks';
  readonly stacks: readonly {
    readonly heading: Prose;
    readonly frames: readonly FrameView[];
    readonly note?: string;
  }[];
}

export interface TextLines {
  readonly shape: 'text';
  readonly lines: readonly Prose[];
}

export interface ShapeList {
  readonly shape: 'list';
  readonly items: readonly Shape[];
}

export type Shape = Table | KeyValues | Stacks | TextLines | ShapeList;
