/** `btop`: addresses to page numbers. */
import { parseAddress } from '../base/address.ts';
import { UsageError } from '../base/errors.ts';
import { defineCommand } from '../model/command.ts';
import { shown } from '../model/shape.ts';

export default defineCommand({
  name: 'btop',
  summary: 'bytes to page numbers',
  options: [],
  arguments: [{ name: 'address', kinds: ['address'], repeated: true }],
  examples: [{ line: 'btop 512a000', what: 'the page that holds this physical address' }],
  run({ program }, args) {
    if (args.positionals.length === 0) throw new UsageError('usage: btop address ...');
    return {
      shape: 'table',
      header: false,
      columns: [
        { key: 'bytes', label: 'BYTES', align: 'left' },
        { key: 'page', label: 'PAGE', align: 'left', gap: 1 },
      ],
      rows: args.positionals.map((text) => {
        const value = parseAddress(text);
        if (value === undefined) throw new UsageError(`'${text}' is no number in hex`);
        const page = (value / BigInt(program.pageSize)).toString(16);
        return [shown(`${value.toString(16)}:`, `0x${value.toString(16)}`), shown(page, `0x${page}`)];
      }),
    };
  },
});
