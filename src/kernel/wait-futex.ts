/** Waits in futex(2): the key of the `struct futex_q` on the stack says which word of user memory it is (kernel/futex/). */
import { attempt } from '../base/errors.ts';
import type { VirtAddr } from '../base/address.ts';
import type { Program } from '../program/program.ts';
import { fileInode } from './files.ts';
import { vmasOf } from './vma.ts';
import type { FoundWait } from './wait-kinds.ts';
import { type NamedInode, nameOfInode } from './wait-pages.ts';
import { isLinked, objectsNamingTask, type SleeperStack } from './wait-shapes.ts';

/** Low bits of a futex key's offset: FUT_OFF_INODE, FUT_OFF_MMSHARED. */
const FUTEX_FLAGS = 3n;
const FUTEX_INODE = 1n;
const PAGE_SHIFT = 12n;

/** The word of a `struct futex_q` that is queued. Who holds it, only user memory tells. @throws FaultError, LookupError */
export function futexWait(stack: SleeperStack): FoundWait | undefined {
  const { program, frames, task } = stack;
  if (!frames.some(({ func }) => /^(__)?futex_wait/.test(func ?? ''))) return undefined;
  for (const at of objectsNamingTask(stack, 'struct futex_q', 'task')) {
    const field = (path: string) => program.field('struct futex_q', path);
    // Who waits stands in the list of its bucket.
    if (!isLinked(program, field('list.node_list').address(at))) continue;
    const offset = field('key.both.offset').u64(at);
    const shared = (offset & FUTEX_INODE) !== 0n;
    const mm = program.field('struct task_struct', 'mm').pointer(task);
    const object = { address: at, ctype: 'struct futex_q' };
    if (shared) {
      const file = attempt(() => fileOfKey(program, mm, at));
      const where = (field('key.both.word').u64(at) << PAGE_SHIFT) + (offset & ~FUTEX_FLAGS);
      return {
        kind: 'futex',
        edge: 'futex, shared',
        what: file === undefined ? 'for a futex in memory that is shared' : `for the futex at ${where} of ${file.of}`,
        name: file?.name,
        object,
        proof: 'structure',
      };
    }
    // A private key holds the address space and the page.
    if (field('key.private.mm').pointer(at) !== mm) continue;
    const word = field('key.private.address').u64(at) + (offset & ~FUTEX_FLAGS);
    return {
      kind: 'futex',
      edge: 'futex, private',
      what: `for the futex at 0x${word.toString(16)} of its memory`,
      object,
      proof: 'structure',
    };
  }
  return undefined;
}

/**
 * The file that a shared key is of: the one that the task has mapped whose number of identity is that of the key. Such a
 * number since 5.6 (commit 8019ad13ef7f); a pointer to the inode before.
 */
function fileOfKey(program: Program, mm: VirtAddr, at: VirtAddr): NamedInode | undefined {
  const key = program.tryField('struct futex_q', 'key.shared.i_seq')?.u64(at);
  const sequence = program.tryField('struct inode', 'i_sequence.counter');
  if (key === undefined || sequence === undefined) return undefined;
  for (const { file } of vmasOf(program, mm).vmas) {
    const inode = file === undefined ? undefined : attempt(() => fileInode(program, file));
    if (inode !== undefined && attempt(() => sequence.u64(inode)) === key) return nameOfInode(program, inode);
  }
  return undefined;
}
