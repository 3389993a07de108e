/** Waits in poll(2) and select(2), by the `struct poll_wqueues` on the stack of the caller (fs/select.c). */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { fileInode } from './files.ts';
import { endOfFile } from './wait-channels.ts';
import type { FoundWait } from './wait-kinds.ts';
import type { EndsOfAll } from './wait-others.ts';
import { nameOfInode } from './wait-pages.ts';
import { nameOfFunction, objectsNamingTask, type SleeperStack } from './wait-shapes.ts';

const POLL = /^(do_poll|do_sys_poll|do_select|core_sys_select)(\.|$)/;
/** N_INLINE_POLL_ENTRIES is 9 on 64 bits; those that do not fit lie in pages of their own. */
const MAX_INLINE = 64;

/**
 * What a `struct poll_wqueues` listens to, and, where that is one file alone, who has its other end.
 * @throws FaultError, LookupError
 */
export function pollWait(stack: SleeperStack, ends: EndsOfAll): FoundWait | undefined {
  const { frames, program } = stack;
  if (!frames.some(({ func }) => POLL.test(func ?? ''))) return undefined;
  const tables = objectsNamingTask(stack, 'struct poll_wqueues', 'polling_task');
  for (const at of tables) {
    const entries = attempt(() => entriesOf(program, at));
    const [first] = entries ?? [];
    if (entries !== undefined && first !== undefined) return fileWait(stack, at, entries, first, ends);
  }
  const empty = tables.find((at) => attempt(() => isEmpty(program, at)));
  if (empty === undefined) return undefined;
  const object = { address: empty, ctype: 'struct poll_wqueues' };
  return { kind: 'poll', what: 'in poll, for nothing but time', object, proof: 'structure' };
}

interface Polled {
  /** `struct file *`. */
  readonly file: VirtAddr;
  /** `struct wait_queue_head *`. */
  readonly queue: VirtAddr;
}

/** Entries that stand in queues, each with a `pollwake` that leads back to the table. */
function entriesOf(program: Program, table: VirtAddr): readonly Polled[] {
  const count = program.field('struct poll_wqueues', 'inline_index').number(table);
  if (count <= 0 || count > MAX_INLINE) return [];
  const entry = (i: number, path: string) => program.field('struct poll_wqueues', `inline_entries[${i}].${path}`);
  const found: Polled[] = [];
  for (let i = 0; i < count; i++) {
    const func = nameOfFunction(program, entry(i, 'wait.func').pointer(table));
    if (func !== 'pollwake' || entry(i, 'wait.private').pointer(table) !== table) return [];
    found.push({ file: entry(i, 'filp').pointer(table), queue: entry(i, 'wait_address').pointer(table) });
  }
  return found;
}

/** A table that nothing was put into. */
function isEmpty(program: Program, table: VirtAddr): boolean {
  const field = (path: string) => program.field('struct poll_wqueues', path);
  const register = field('pt._qproc').pointer(table);
  return (
    field('inline_index').number(table) === 0 &&
    field('error').number(table) === 0 &&
    !isKernel(field('table').pointer(table)) &&
    (register === 0n || nameOfFunction(program, register) === '__pollwait')
  );
}

function fileWait(
  stack: SleeperStack,
  table: VirtAddr,
  entries: readonly Polled[],
  { file, queue }: Polled,
  ends: EndsOfAll,
): FoundWait {
  const { program } = stack;
  const files = new Set(entries.map((entry) => entry.file));
  const more = attempt(() => isKernel(program.field('struct poll_wqueues', 'table').pointer(table))) === true;
  const alone = files.size === 1 && !more;
  const inode = attempt(() => fileInode(program, file));
  const named = inode === undefined ? undefined : attempt(() => nameOfInode(program, inode));
  const which = alone
    ? 'for an event of'
    : `for an event of ${files.size}${more ? ' or more' : ''} files, the first of them`;
  // One that is polled for reading and for writing stands in two queues.
  const other = alone ? endOfFile(stack, file, entries.length === 1 ? queue : undefined, ends) : {};
  const { edge: _edge, ...end } = other;
  return {
    kind: 'poll',
    what: named === undefined ? 'for an event of a file' : `${which} ${named.of}`,
    name: named?.name,
    object: { address: table, ctype: 'struct poll_wqueues' },
    proof: 'structure',
    ...end,
  };
}
