/**
 * What a sleeping task waits for beside locks (lock-wait.ts has those): the objects on its own stack that stand in a queue,
 * a completion, a timer, a futex, a file lock; then what these lie in. The functions on the stack narrow the search, and
 * answer alone only where no structure does. What is not known keeps the function that it sleeps in as its wait channel.
 */
import type { VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import type { DescriptorTables } from './files.ts';
import { type OpenEnds, openEnds } from './open-ends.ts';
import type { Task } from './sched.ts';
import type { NamedFrame } from './stack.ts';
import { findUserFault } from './userfaultfd.ts';
import { fanotifyWait, seccompWait } from './wait-answers.ts';
import { type BlockSearch, type BlockSource, blockSearch, blockWait, requestBehind } from './wait-block.ts';
import { fuseWait, otherEnd } from './wait-channels.ts';
import { completionWait, type Machine, vforkChildren } from './wait-completions.ts';
import { asSureAsSeen, edgeOf, SEEN_EDGES } from './wait-edges.ts';
import { fifoOpenWait } from './wait-fifo.ts';
import { functionWait, isIdleLoop } from './wait-functions.ts';
import { futexWait } from './wait-futex.ts';
import { ipcWait } from './wait-ipc.ts';
import { journalWait } from './wait-journal.ts';
import type { FoundWait, TaskWait, WaitKind } from './wait-kinds.ts';
import { fileAround, placeOf } from './wait-objects.ts';
import type { EndsOfAll } from './wait-others.ts';
import { bitWait, pageWait } from './wait-pages.ts';
import {
  type HeadCache,
  queuedEntries,
  type QueuedEntry,
  simpleEntries,
  sleeperStack,
  type SleeperStack,
} from './wait-shapes.ts';
import { pollWait } from './wait-poll.ts';
import { unixRoomWait } from './wait-sockets.ts';
import { coreDumpWait, execWait, frozenWait, namespaceExitWait, stoppedWait, throttledWait } from './wait-threads.ts';
import { timerOf, waitClocks } from './wait-timers.ts';
import { childWait, fileLockWait } from './wait-users.ts';
import { readWorkers } from './wait-work.ts';

/** What all searches in one dump share. */
export interface WaitSearch extends Machine {
  readonly program: Program;
  readonly heads: HeadCache;
  readonly isTask: (address: VirtAddr) => boolean;
  readonly ends: EndsOfAll;
  readonly blocks: BlockSource;
}

/**
 * Prepares the searches.
 * @param tasks - all tasks, each a `struct task_struct`
 * @param descriptors - their tables of open files, asked for when they are needed; read then where nobody else has them
 * @param blocks - the block devices, in the same way
 * @throws nothing for what the dump holds
 */
export function waitSearch(
  program: Program,
  tasks: readonly Task[],
  descriptors?: () => DescriptorTables,
  blocks?: BlockSource,
): WaitSearch {
  const byAddress = new Map(tasks.map((task) => [task.address, task]));
  let ends: OpenEnds | undefined;
  let own: { readonly found: BlockSearch | undefined } | undefined;
  const clocks = waitClocks(program);
  return {
    blocks: blocks ?? (() => (own ??= { found: attempt(() => blockSearch(program, clocks)) }).found),
    ends: () => (ends ??= openEnds(program, descriptors?.() ?? tasks.map(({ address }) => address))),
    program,
    tasks,
    byPid: new Map(tasks.filter(({ pid }) => pid > 0).map((task) => [task.pid, task])),
    byAddress,
    children: Map.groupBy(
      tasks.filter(({ pid, tgid, idle }) => pid === tgid && !idle),
      ({ realParent }) => realParent,
    ),
    isTask: (address) => byAddress.has(address),
    heads: new Map(),
    clocks,
    workers: readWorkers(program, tasks),
    vforks: vforkChildren(program, tasks),
  };
}

const SCHEDULER =
  /^(__schedule|schedule(_|$)|_*cond_resched|io_schedule|__switch_to|preempt_schedule|rt_mutex_schedule|wait_for_completion|__wait_for_common|wait_woken$|do_wait$)/;

/**
 * @param task - a `struct task_struct`
 * @param frames - its stack
 * @returns undefined for one that does not sleep
 * @throws nothing for what the dump holds: what cannot be read is an unknown wait
 */
export function taskWait(search: WaitSearch, task: Task, frames: readonly NamedFrame[]): TaskWait | undefined {
  if (task.running || task.idle || task.state.exitState !== 0n) return undefined;
  const { program, isTask, heads, clocks } = search;
  if (!task.state.sleeping) {
    const stopped = stoppedWait(program, task, isTask);
    return stopped === undefined ? undefined : complete({ ...stopped, left: undefined, channel: undefined });
  }
  const stack = attempt(() => sleeperStack(program, task.address, frames, isTask, heads));
  const timer = stack === undefined ? undefined : timerOf(stack, clocks);
  const inIoWait =
    attempt(() => program.tryField('struct task_struct', 'in_iowait')?.u64(task.address) === 1n) ?? false;
  const idle = task.kthread && isIdleLoop(frames) ? ({ kind: 'idle', what: 'for work' } as const) : undefined;
  const found = idle ?? (stack && foundOn(search, stack)) ?? functionWait(frames, task.kthread, inIoWait);
  const block = found === undefined ? undefined : requestBehind(program, found, search.blocks);
  const queued = found === undefined && stack !== undefined ? attempt(() => anyQueue(stack)) : undefined;
  const channel = frames.find(({ func }) => func !== undefined && !SCHEDULER.test(func))?.func;
  const none: FoundWait =
    timer === undefined
      ? { kind: 'unknown', what: channel === undefined ? 'for something unknown' : `in ${channel}` }
      : { kind: 'timer', what: `for a timer${channel === undefined ? '' : `, in ${channel}`}`, proof: 'structure' };
  return complete({
    proof: timer !== undefined && found?.kind === 'timer' ? 'structure' : 'function',
    ...(found ?? queued ?? none),
    ...(block === undefined ? {} : { block }),
    // It gives up by itself.
    ...(timer !== undefined && found !== undefined && GIVES_UP.has(found.kind) ? { awaited: [] } : {}),
    left: timer?.left,
    channel,
  });
}

/** Waits of programs for others: with a timer they end without them. What the kernel waits for, it asks for again. */
const GIVES_UP: ReadonlySet<WaitKind> = new Set(['pipe', 'socket', 'poll', 'events', 'ipc']);

/** What the finders leave out; and nobody is named for sure by a way that was never seen on a real dump. */
function complete(found: FoundWait & Pick<TaskWait, 'left' | 'channel'>): TaskWait {
  const { kind, proof = 'function', awaited = [] } = found;
  const edge =
    found.edge ?? (kind === 'idle' ? 'idle kernel thread' : proof === 'structure' ? edgeOf(kind) : BY_FUNCTIONS);
  return {
    object: undefined,
    name: undefined,
    ...found,
    proof,
    edge,
    awaited: asSureAsSeen(awaited, SEEN_EDGES[edge]),
  };
}

const BY_FUNCTIONS = 'functions on the stack';

/** The first that proves itself; one that cannot be read does not keep the others from it. */
function foundOn(search: WaitSearch, stack: SleeperStack): FoundWait | undefined {
  const { program } = search;
  const entries = attempt(() => queuedEntries(stack)) ?? [];
  // Both sleep in what others sleep in as well.
  const ends = attempt(() => coreDumpWait(stack, entries, search)) ?? attempt(() => namespaceExitWait(stack, search));
  if (ends !== undefined) return ends;
  for (const entry of entries) {
    const found =
      attempt(() => journalWait(stack, entry, search)) ??
      attempt(() => pageWait(program, entry)) ??
      attempt(() => bitWait(program, entry)) ??
      attempt(() => childWait(stack, entry, search)) ??
      attempt(() => fuseWait(stack, entry, search.ends)) ??
      attempt(() => fanotifyWait(stack, entry, search)) ??
      attempt(() => fileLockWait(stack, entry, search)) ??
      attempt(() => unixRoomWait(stack, entry, search.ends)) ??
      attempt(() => fifoOpenWait(stack, entry)) ??
      attempt(() => completionWait(stack, entry, search));
    if (found !== undefined) return found;
  }
  const block = attempt(() => blockWait(stack, entries, search.blocks));
  if (block !== undefined) return block;
  for (const entry of attempt(() => simpleEntries(stack)) ?? []) {
    const found =
      attempt(() => seccompWait(stack, entry, search)) ?? attempt(() => completionWait(stack, entry, search));
    if (found !== undefined) return found;
  }
  const fault = attempt(() => userFault(stack));
  if (fault !== undefined) return fault;
  for (const entry of entries) {
    const found = fileWait(stack, entry, search.ends) ?? attempt(() => signalfdWait(stack, entry));
    if (found !== undefined) return found;
  }
  return (
    attempt(() => futexWait(stack)) ??
    attempt(() => pollWait(stack, search.ends)) ??
    attempt(() => ipcWait(stack, search)) ??
    attempt(() => execWait(stack, search)) ??
    attempt(() => frozenWait(stack)) ??
    attempt(() => throttledWait(stack))
  );
}

/** A queue inside an open file of the sleeper. */
function fileWait(stack: SleeperStack, entry: QueuedEntry, ends: EndsOfAll): FoundWait | undefined {
  const { program, task } = stack;
  const { queue } = entry;
  const owner = queue === undefined ? undefined : fileAround(program, task, queue);
  if (owner === undefined) return undefined;
  const { kind, edge, address, ctype, what, name } = owner;
  const other = otherEnd(stack, entry, owner, ends);
  return { kind, edge, what: `for ${what}`, name, object: { address, ctype }, proof: 'structure', ...other };
}

/** The queue that all signalfds of a task share lies beside its handlers. */
function signalfdWait({ program, task }: SleeperStack, { queue }: QueuedEntry): FoundWait | undefined {
  const handlers = program.field('struct task_struct', 'sighand').pointer(task);
  if (queue === undefined || program.field('struct sighand_struct', 'signalfd_wqh').address(handlers) !== queue)
    return undefined;
  const object = { address: handlers, ctype: 'struct sighand_struct' };
  return { kind: 'signal', edge: 'signalfd', what: 'for a signal, through a signalfd', object, proof: 'structure' };
}

/** A wait queue of which nothing more is known than where it lies. */
function anyQueue(stack: SleeperStack): FoundWait | undefined {
  const { program } = stack;
  const shapes = [
    { entries: queuedEntries(stack), ctype: 'struct wait_queue_head', edge: 'wait queue' },
    { entries: simpleEntries(stack), ctype: 'struct swait_queue_head', edge: 'simple wait queue' },
  ] as const;
  for (const { entries, ctype, edge } of shapes)
    for (const { queue } of entries) {
      if (queue === undefined) continue;
      const place = placeOf(program, queue);
      return {
        kind: 'wait-queue',
        edge,
        what: `on a wait queue${place === undefined ? '' : ` in ${place.what}`}`,
        name: place?.name,
        object: { address: queue, ctype },
        proof: 'structure',
      };
    }
  return undefined;
}

function userFault({ program, task, words, frames }: SleeperStack): FoundWait | undefined {
  if (!frames.some(({ func }) => func === 'handle_userfault')) return undefined;
  const fault = findUserFault(program, task, words);
  if (fault === undefined) return undefined;
  return {
    kind: 'user-fault',
    what: `for an answer of user space to its page fault at 0x${fault.address.toString(16)}`,
    object: { address: fault.ctx, ctype: 'struct userfaultfd_ctx' },
    proof: 'structure',
  };
}
