/**
 * The closed set of shapes that commands return. Columns say what their cells are, so that alignment, hex width and
 * units are decided once, in render/. Where crash has a layout of its own, cells and lines bring their text along, and
 * the same facts as data for JSON.
 */
import type { Growth } from './growth.ts';
import type { Data, Prose, Value } from './value.ts';

/** A cell whose text is given (crash's columns: KiB, bare hex digits), and what it is. */
export interface Shown {
  readonly kind: 'shown';
  readonly text: string;
  readonly data: Data;
}

export const shown = (text: string, data: Data): Shown => ({ kind: 'shown', text, data });

export type Cell = Value | Shown | string | number | undefined;

export interface Column {
  readonly key: string;
  readonly label: string;
  readonly align: 'left' | 'right';
  /** Fixed width: a wider cell pushes the rest of its row, as in crash. Without it as wide as the widest cell. */
  readonly width?: number;
  /** Spaces before it; 2 unless said, none before the first. */
  readonly gap?: number;
  /** Where the label stands; as the cells unless said. */
  readonly labelAlign?: 'left' | 'right' | 'center';
}

export interface Table {
  readonly shape: 'table';
  readonly title?: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
  /** False for rows alone in text; a string where the labels do not stand above their columns. */
  readonly header?: boolean | string;
}

export interface KeyValues {
  readonly shape: 'key-values';
  readonly title?: string;
  readonly rows: readonly { readonly key: string; readonly label: string; readonly value: Cell }[];
  /** `right`: labels end at one column, followed by `: `, as crash's `sys` shows them. */
  readonly labels?: 'left' | 'right';
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
  /** Sentences, and how a crowd grew as a chart of some lines. */
  readonly lines: readonly (Prose | Growth)[];
  /** What JSON has beside the sentences; a chart is only there. */
  readonly data?: () => Data;
}

/** What a piece of a line is; without a style it is plain text. */
export type PieceStyle = 'heading' | 'label' | 'address' | 'symbol' | 'name' | 'dim' | 'warning' | 'bad';

export type Piece = string | { readonly text: string; readonly style: PieceStyle };

/** A line as it stands, columns included. Control characters become visible; backslashes stay as they are. */
export type TextLine = string | readonly Piece[];

/** Lines in a layout of their own, made one by one while they are shown, and the same facts as data. */
export interface Lines {
  readonly shape: 'lines';
  /** A generator may read the dump while it is shown, and is asked once. */
  readonly lines: Iterable<TextLine>;
  /** What JSON has instead. */
  readonly data: () => Data;
}

export interface ShapeList {
  readonly shape: 'list';
  readonly items: Iterable<Shape>;
  /** Whether an empty line stands between the items; it does unless said. */
  readonly spaced?: boolean;
}

export type Shape = Table | KeyValues | Stacks | TextLines | Lines | ShapeList;
