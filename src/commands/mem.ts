/**
 * `mem`: where the memory went. Every page frame of the machine is in exactly one line, by its page structure and not by the
 * counters, which overlap; beside it stands in what the counters differ.
 */
import { UsageError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import { defineCommand } from '../model/command.ts';
import { comparisonTable, countersOnly, memoryTree } from '../shell/mem-tree.ts';
import { memViews } from '../shell/mem-views.ts';

export default defineCommand({
  name: 'mem',
  summary: 'where the memory went: every page once',
  description: [
    'Groups of uses, largest first; shares are of all memory that the firmware gives. What fits no use is unclassified: it is ' +
      'counted, never got by subtraction, and described below.',
    `--by has: ${memViews.map(({ key, summary }) => `${key} (${summary})`).join('; ')}.`,
  ],
  options: [
    { flag: 'a', summary: 'all slab caches, callers, files and so on, not only the largest' },
    { flag: 'c', summary: 'row by row beside the counters of the kernel' },
    { flag: '-fast', summary: 'the counters alone' },
    { flag: '-by', value: 'what', summary: `summed by ${memViews.map(({ key }) => key).join(', ')}` },
  ],
  arguments: [],
  examples: [
    { line: 'mem', what: 'the ledger of all page frames' },
    { line: 'mem -c', what: 'each row beside the counter of the kernel' },
    { line: 'mem --by file', what: 'page cache and shared memory by file' },
    { line: 'mem --by slab', what: 'the slab caches by their memory' },
  ],
  run(context, args) {
    const [extra] = args.positionals;
    if (extra !== undefined) throw new UsageError(`'${extra}': mem takes no arguments; --by says by what it is summed`);
    const by = args.value('-by');
    if (by !== undefined) {
      const view = memViews.find(({ key }) => key === by);
      if (view !== undefined) return view.run(context, args.has('a'));
      const keys = memViews.map(({ key }) => key);
      const guess = nearest(by, keys);
      throw new UsageError(
        `--by ${by}: ${guess === undefined ? `there are ${keys.join(', ')}` : `did you mean ${guess}?`}`,
      );
    }
    if (args.has('-fast')) return countersOnly(context);
    return args.has('c') ? comparisonTable(context) : memoryTree(context, { all: args.has('a') });
  },
});
