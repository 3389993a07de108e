/**
 * Waits of system calls, by what lies on the stack of the caller: `struct futex_q`, `struct file_lock` (flock(2) and
 * fcntl(2)), `struct wait_opts` (wait4(2)), `struct poll_wqueues` (poll(2), select(2)).
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import { fileLockOwners } from './file-lock-owners.ts';
import { fileInode } from './files.ts';
import { slabObjectAt } from './slab.ts';
import { type EndsOfAll, polledEnd } from './wait-channels.ts';
import type { Machine } from './wait-completions.ts';
import type { Awaited, FoundWait } from './wait-kinds.ts';
import { nameOfInode } from './wait-pages.ts';
import { isOnStack, objectsNamingTask, type QueuedEntry, type SleeperStack } from './wait-shapes.ts';

/** Low bits of a futex key's offset: FUT_OFF_INODE, FUT_OFF_MMSHARED. */
const FUTEX_FLAGS = 3n;
const FUTEX_INODE = 1n;
/** Descriptors that one call may poll; RLIMIT_NOFILE and a limit of the kernel keep real ones below. */
const MAX_POLLED = 1 << 20;

/** futex(2): the key of a `struct futex_q` says which word of user memory it is. Who holds it only user memory tells. @throws FaultError */
export function futexWait(stack: SleeperStack): FoundWait | undefined {
  const { program, frames, task } = stack;
  if (!frames.some(({ func }) => /^(__)?futex_wait/.test(func ?? ''))) return undefined;
  for (const at of objectsNamingTask(stack, 'struct futex_q', 'task')) {
    const field = (path: string) => program.field('struct futex_q', path);
    const offset = field('key.both.offset').u64(at);
    const shared = (offset & FUTEX_INODE) !== 0n;
    const mm = program.field('struct task_struct', 'mm').pointer(task);
    // A private key holds the address space and the page.
    if (!shared && field('key.private.mm').pointer(at) !== mm) continue;
    const word = field('key.private.address').u64(at) + (offset & ~FUTEX_FLAGS);
    return {
      kind: 'futex',
      what: shared ? 'for a futex in memory that is shared' : `for the futex at 0x${word.toString(16)} of its memory`,
      object: { address: at, ctype: 'struct futex_q' },
      proof: 'structure',
    };
  }
  return undefined;
}

/**
 * flock(2), fcntl(2): the request, a `struct file_lock` on the stack or of its own slab cache, names the lock that is in its way.
 * @throws FaultError, LookupError
 */
export function fileLockWait(
  stack: SleeperStack,
  { queue }: QueuedEntry,
  machine: Machine & { readonly ends: EndsOfAll },
): FoundWait | undefined {
  const { program } = stack;
  // The members moved into struct file_lock_core in 6.9.
  const core = attempt(() => program.tryField('struct file_lock', 'c.flc_wait'));
  const spelled = (name: string) => (core === undefined ? `fl_${name}` : `c.flc_${name}`);
  const member = (name: string) => program.field('struct file_lock', spelled(name));
  if (queue === undefined || attempt(() => member('wait')) === undefined) return undefined;
  const request = member('wait').container(queue);
  if (!isOnStack(stack, request) && !isFileLock(stack, request)) return undefined;
  // `fl_blocker` since 5.0 (commit ada5c1da8660); `fl_next` before.
  const blocker = attempt(() => member('blocker').pointer(request));
  const file = member('file').pointer(request);
  const inode = attempt(() => fileInode(program, file));
  if (inode === undefined) return undefined;
  const pid = blocker === undefined || !isKernel(blocker) ? undefined : attempt(() => member('pid').number(blocker));
  const owner = pid === undefined ? undefined : machine.byPid.get(pid);
  const named = attempt(() => nameOfInode(program, inode));
  const owners =
    blocker === undefined || !isKernel(blocker)
      ? undefined
      : fileLockOwners(program, blocker, spelled, machine.ends().tables);
  const awaited: Awaited[] = [];
  if (owners !== undefined && owners.tasks.length > 0) {
    const certainty = owners.complete ? 'exact' : 'inferred';
    for (const each of owners.tasks) awaited.push({ task: each, certainty, why: owners.why });
  } else if (owner !== undefined)
    awaited.push({ task: owner.address, certainty: 'inferred', why: `fl_pid of the lock in its way is ${owner.pid}` });
  const whose =
    pid !== undefined && owner === undefined && awaited.length === 0 ? ` that pid ${pid} took, which has ended` : '';
  return {
    kind: 'file-lock',
    what: `for a file lock${whose}${named === undefined ? '' : ` of ${named.of}`}`,
    name: named?.name,
    // Who is blocked by one lock waits for the same.
    object: { address: blocker !== undefined && isKernel(blocker) ? blocker : request, ctype: 'struct file_lock' },
    proof: 'structure',
    awaited,
    anyOf: true,
  };
}

/** flock(2) allocates its request in 5.10, and no more in 6.1. */
function isFileLock({ program }: SleeperStack, request: VirtAddr): boolean {
  const object = attempt(() => slabObjectAt(program, request));
  return object?.cacheName === 'file_lock_cache' && object.start === request;
}

/** wait4(2) and its kin: an entry in the queue of `struct signal_struct`. @throws FaultError, LookupError */
export function childWait(stack: SleeperStack, { func, queue }: QueuedEntry, machine: Machine): FoundWait | undefined {
  const { program, task } = stack;
  if (func !== 'child_wait_callback' || queue === undefined) return undefined;
  // Any thread may wait for the children of the others.
  const own = machine.byAddress.get(task);
  const threads = machine.tasks.filter(({ tgid }) => tgid === own?.tgid);
  const children = threads.flatMap(({ address }) => machine.children.get(address) ?? []);
  const [only] = children;
  const awaited: readonly Awaited[] =
    children.length === 1 && only !== undefined
      ? [{ task: only.address, certainty: 'inferred', why: 'it is its only child' }]
      : [];
  const signal = program.field('struct task_struct', 'signal').pointer(task);
  const wanted = program.field('struct signal_struct', 'wait_chldexit').address(signal);
  if (queue !== wanted) return undefined;
  return {
    kind: 'child',
    what: children.length === 1 ? 'for its child to end' : `for one of its ${children.length} children to end`,
    object: { address: signal, ctype: 'struct signal_struct' },
    proof: 'structure',
    awaited,
  };
}

/**
 * poll(2) and select(2), by their `struct poll_wqueues`: what they listen to, and, where that is one file alone, who has its
 * other end.
 * @throws FaultError
 */
export function pollWait(stack: SleeperStack, ends: EndsOfAll): FoundWait | undefined {
  const { program, frames } = stack;
  if (!frames.some(({ func }) => /^(do_poll|do_sys_poll|do_select|core_sys_select)$/.test(func ?? '')))
    return undefined;
  for (const at of objectsNamingTask(stack, 'struct poll_wqueues', 'polling_task')) {
    const inline = program.field('struct poll_wqueues', 'inline_index').number(at);
    if (inline < 0 || inline > MAX_POLLED) continue;
    const object = { address: at, ctype: 'struct poll_wqueues' };
    if (inline === 0) return { kind: 'poll', what: 'in poll, for nothing but time', object, proof: 'structure' };
    const first = program.field('struct poll_wqueues', 'inline_entries').address(at);
    const file = program.field('struct poll_table_entry', 'filp').pointer(first);
    const inode = attempt(() => fileInode(program, file));
    const named = inode === undefined ? undefined : attempt(() => nameOfInode(program, inode));
    const which = inline === 1 ? 'for an event of' : `for an event of ${inline} files or more, the first of them`;
    const what = named === undefined ? 'for an event of a file' : `${which} ${named.of}`;
    const queue = program.field('struct poll_table_entry', 'wait_address').pointer(first);
    const other = inline === 1 ? polledEnd(stack, file, queue, ends) : {};
    return { kind: 'poll', what, name: named?.name, object, proof: 'structure', ...other };
  }
  return undefined;
}
