/** `pte`: what an entry of a page table says. */
import { parseAddress } from '../base/address.ts';
import { UsageError } from '../base/errors.ts';
import { entryFlags, swapEntry } from '../kernel/page-tables.ts';
import { defineCommand } from '../model/command.ts';
import { entryLines } from '../shell/page-tables.ts';

const ADDRESS = 0x000ffffffffff000n;

export default defineCommand({
  name: 'pte',
  summary: 'an entry of a page table, explained',
  description: ['The entry is taken as one of a page of 4 KiB.'],
  options: [],
  arguments: [{ name: 'entry', kinds: ['number'], repeated: true }],
  examples: [{ line: 'pte d8e067', what: 'the page and its flags' }],
  run(_context, args) {
    if (args.positionals.length === 0) throw new UsageError('usage: pte entry ...');
    return {
      shape: 'list',
      items: args.positionals.map((text) => {
        const entry = parseAddress(text);
        if (entry === undefined) throw new UsageError(`'${text}' is no number in hex`);
        const swap = swapEntry(entry);
        const page = entry & ADDRESS;
        return {
          shape: 'lines',
          lines:
            swap === undefined
              ? entryLines(entry, page, 4096)
              : [`${entry.toString(16)}  swap area ${swap.type}, page ${swap.offset}`],
          data: () =>
            swap === undefined
              ? { entry: `0x${entry.toString(16)}`, physical: `0x${page.toString(16)}`, flags: entryFlags(entry, 4096) }
              : { entry: `0x${entry.toString(16)}`, swap: { area: swap.type, page: swap.offset } },
        };
      }),
    };
  },
});
