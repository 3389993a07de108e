/** What a sleeping task can wait for beside a lock, as task-wait.ts and its parts (wait-*.ts) find it. */
import type { VirtAddr } from '../base/address.ts';
import type { Nanoseconds } from '../base/units.ts';
import type { BlockQueue, BlockRequest } from './block-requests.ts';
import type { WaitEdge } from './wait-edges.ts';

export type WaitKind =
  | 'completion'
  | 'wait-queue'
  | 'bit'
  | 'page'
  | 'buffer'
  | 'io'
  | 'journal'
  | 'work'
  | 'grace-period'
  | 'futex'
  | 'file-lock'
  | 'pipe'
  | 'socket'
  | 'terminal'
  | 'poll'
  | 'events'
  | 'user-fault'
  | 'fuse'
  | 'child'
  | 'signal'
  | 'timer'
  /** Messages and semaphores of System V, message queues of POSIX. */
  | 'ipc'
  /** An answer of another process that has to allow it: fanotify, seccomp. */
  | 'permission'
  | 'tracer'
  /** By a signal, until SIGCONT. */
  | 'stopped'
  | 'core-dump'
  | 'exec'
  | 'exit'
  | 'frozen'
  | 'throttled'
  | 'reclaim'
  | 'out-of-memory'
  /** A kernel thread without work. */
  | 'idle'
  | 'unknown';

/** A task that has to act before the wait ends. */
export interface Awaited {
  /** `struct task_struct *`. */
  readonly task: VirtAddr;
  /** `exact`: a structure names it; `inferred`: it is what usually ends such waits. */
  readonly certainty: 'exact' | 'inferred';
  /** What says so: 'its vfork_done is the completion'. */
  readonly why: string;
}

/** The block device behind a wait. */
export interface BlockWait {
  readonly queue: BlockQueue;
  /** The request that ends the wait; undefined where it has none yet, as it waits for a tag. */
  readonly request: BlockRequest | undefined;
}

export interface TaskWait {
  readonly kind: WaitKind;
  /** The object that the task waits for, such as a `struct completion`; undefined where none was found. */
  readonly object: { readonly address: VirtAddr; readonly ctype: string } | undefined;
  /** Which way of finding out led here: docs/support.md says on which real dumps it was seen. */
  readonly edge: WaitEdge;
  /** Fits after 'waits': 'for a child to end', 'in msleep'. Our own words. */
  readonly what: string;
  /** More about it, in our own words: 'LOOKUP, which the server has read'. */
  readonly detail?: string;
  /** A name out of the dump that belongs behind it: a path. */
  readonly name: string | undefined;
  /** `structure`: objects in memory prove it; `function`: the functions on the stack alone say it. */
  readonly proof: 'structure' | 'function';
  /** Where it is for block I/O, and the device is known. */
  readonly block?: BlockWait;
  /** The tasks that have to act. */
  readonly awaited: readonly Awaited[];
  /** True where one of several in `awaited` would do: any thread of a server, whoever has the other end of a pipe. */
  readonly anyOf?: boolean;
  /** True where nobody is left who could end it: all others have closed their ends. */
  readonly hopeless?: boolean;
  /** True where what it waits for has come already: it was just woken, or nobody woke it. */
  readonly over?: boolean;
  /** How long until a timer ends the wait at the latest; negative when it is overdue. */
  readonly left: Nanoseconds | undefined;
  /** First function below the scheduler. */
  readonly channel: string | undefined;
}

/** What the parts find; the rest is filled in by `taskWait`. */
export type FoundWait = Pick<TaskWait, 'kind' | 'what'> & Partial<Omit<TaskWait, 'kind' | 'what' | 'channel' | 'left'>>;
