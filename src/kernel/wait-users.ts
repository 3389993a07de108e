/**
 * Waits of system calls, by what lies on the stack of the caller: `struct file_lock` (flock(2), fcntl(2), and open(2) of a file
 * with a lease), `struct wait_opts` (wait4(2)).
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import { fileLockOwners } from './file-lock-owners.ts';
import { fileInode } from './files.ts';
import { slabObjectAt } from './slab.ts';
import type { Machine } from './wait-completions.ts';
import type { Awaited, FoundWait } from './wait-kinds.ts';
import type { EndsOfAll } from './wait-others.ts';
import { nameOfInode } from './wait-pages.ts';
import { isOnStack, type QueuedEntry, type SleeperStack } from './wait-shapes.ts';

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
  // Who opens a file that another has a lease of has no file yet.
  const own = member('file').pointer(request);
  const file = isKernel(own) || blocker === undefined || !isKernel(blocker) ? own : member('file').pointer(blocker);
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

/** flock(2) allocates its request in 5.10, and no more in 6.1; leases are of a type of their own since 6.9 (commit c69ff4071935). */
function isFileLock({ program }: SleeperStack, request: VirtAddr): boolean {
  const object = attempt(() => slabObjectAt(program, request));
  const cache = object?.cacheName;
  return (cache === 'file_lock_cache' || cache === 'file_lease_cache') && object?.start === request;
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
