/** The queues of all block devices, with their requests and who waits for these; undefined where they cannot be read. */
import { attempt } from '../../base/errors.ts';
import { type BlockSearch, blockSearch } from '../../kernel/wait-block.ts';
import { waitClocks } from '../../kernel/wait-timers.ts';
import { defineFact } from '../../model/diagnosis.ts';

export const blocksFact = defineFact<BlockSearch | undefined>({
  id: 'blocks',
  derive: ({ program }) => attempt(() => blockSearch(program, waitClocks(program))),
});
