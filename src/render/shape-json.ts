/** The shapes that commands return, as the JSON of docs/json-schema.md: rows are objects by the keys of their columns. */
import { hex } from '../base/address.ts';
import { SCHEMA_VERSION } from '../model/report.ts';
import type { Cell, FrameView, Shape } from '../model/shape.ts';
import type { Data } from '../model/value.ts';
import { encodeData, type JsonValue, jsonObject, jsonText } from './json.ts';
import { proseText } from './value-text.ts';

function frameJson({ pc, sp, symbol, offset, module, how }: FrameView): JsonValue {
  return jsonObject({ pc: hex(pc), sp: hex(sp), symbol, offset, module, how });
}

function dataOf(cell: Cell): Data {
  return typeof cell === 'object' && cell.kind === 'shown' ? cell.data : cell;
}

function rowJson(keys: readonly string[], cells: readonly Cell[]): JsonValue {
  return jsonObject(Object.fromEntries(keys.map((key, i) => [key, encodeData(dataOf(cells[i]))])));
}

/** One shape; for documents that hold several. */
export function encodeShape(shape: Shape): JsonValue {
  switch (shape.shape) {
    case 'table': {
      const keys = shape.columns.map(({ key }) => key);
      return jsonObject({
        shape: 'table',
        title: shape.title,
        columns: shape.columns.map(({ key, label }) => ({ key, label })),
        rows: shape.rows.map((row) => rowJson(keys, row)),
      });
    }
    case 'key-values': {
      const keys = shape.rows.map(({ key }) => key);
      const values = shape.rows.map(({ value }) => value);
      return jsonObject({ shape: 'key-values', title: shape.title, values: rowJson(keys, values) });
    }
    case 'stacks':
      return {
        shape: 'stacks',
        stacks: shape.stacks.map(({ heading, frames, note }) =>
          jsonObject({ heading: proseText(heading), frames: frames.map(frameJson), note }),
        ),
      };
    case 'text':
      return jsonObject({
        shape: 'text',
        lines: shape.lines.flatMap((each) => ('kind' in each ? [] : [proseText(each)])),
        data: shape.data === undefined ? undefined : encodeData(shape.data()),
      });
    case 'lines':
      return jsonObject({ shape: 'lines', data: encodeData(shape.data()) });
    case 'list':
      return { shape: 'list', items: Array.from(shape.items, encodeShape) };
  }
}

/** The result of a command. Ends with a newline. */
export function shapeJson(shape: Shape, options: { readonly complete: boolean }): string {
  return jsonText({
    schema: 'kwhy-result',
    version: SCHEMA_VERSION,
    complete: options.complete,
    result: encodeShape(shape),
  });
}
