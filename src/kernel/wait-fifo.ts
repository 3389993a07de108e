/** Waits in open(2) of a fifo, until somebody opens its other end (fs/pipe.c): the file is no descriptor yet. */
import { isAligned, isKernel, virt, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { FoundWait } from './wait-kinds.ts';
import { nameOfInode } from './wait-pages.ts';
import { isOnStack, type QueuedEntry, type SleeperStack } from './wait-shapes.ts';

/** The fifo, by the `struct inode` on the stack whose `i_pipe` has the queue. @throws FaultError, LookupError */
export function fifoOpenWait(stack: SleeperStack, { queue }: QueuedEntry): FoundWait | undefined {
  const { program, frames } = stack;
  if (queue === undefined || !frames.some(({ func }) => /^(wait_for_partner|fifo_open)$/.test(func ?? '')))
    return undefined;
  const queues = ['rd_wait', 'wr_wait', 'wait'].flatMap(
    (name) => program.tryField('struct pipe_inode_info', name) ?? [],
  );
  const pipes = queues.map((field) => field.container(queue));
  const found = inodeOf(stack, pipes);
  if (found === undefined) return undefined;
  return {
    kind: 'pipe',
    edge: 'fifo without a partner',
    what: 'for somebody to open the other end of the fifo',
    name: attempt(() => nameOfInode(program, found.inode).name),
    object: { address: found.pipe, ctype: 'struct pipe_inode_info' },
    proof: 'structure',
  };
}

/** The `struct inode *` on the stack whose pipe is one of these. */
function inodeOf(
  stack: SleeperStack,
  pipes: readonly VirtAddr[],
): { readonly inode: VirtAddr; readonly pipe: VirtAddr } | undefined {
  const { program, words } = stack;
  const pipeOf = program.field('struct inode', 'i_pipe');
  for (const word of words.words) {
    const inode = virt(word);
    if (!isKernel(inode) || !isAligned(inode, 8) || isOnStack(stack, inode)) continue;
    const pipe = attempt(() => pipeOf.pointer(inode));
    if (pipe !== undefined && pipes.includes(pipe)) return { inode, pipe };
  }
  return undefined;
}
