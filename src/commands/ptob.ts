/** `ptob`: page numbers to bytes. */
import { UsageError } from '../base/errors.ts';
import { defineCommand } from '../model/command.ts';
import { shown } from '../model/shape.ts';
import { parseNumber } from '../shell/arguments.ts';

export default defineCommand({
  name: 'ptob',
  summary: 'page numbers to bytes',
  description: ['Decimal, and hex with 0x or where a digit says so.'],
  options: [],
  arguments: [{ name: 'page', kinds: ['number'], repeated: true }],
  examples: [{ line: 'ptob 512a', what: 'where this page begins' }],
  run({ program }, args) {
    if (args.positionals.length === 0) throw new UsageError('usage: ptob page ...');
    return {
      shape: 'table',
      header: false,
      columns: [
        { key: 'page', label: 'PAGE', align: 'left' },
        { key: 'bytes', label: 'BYTES', align: 'left', gap: 1 },
      ],
      rows: args.positionals.map((text) => {
        const value = parseNumber(text);
        if (value === undefined || value < 0n) throw new UsageError(`'${text}' is no number`);
        const bytes = (value * BigInt(program.pageSize)).toString(16);
        return [shown(`${value.toString(16)}:`, `0x${value.toString(16)}`), shown(bytes, `0x${bytes}`)];
      }),
    };
  },
});
