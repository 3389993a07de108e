/**
 * The ways in which a wait is understood, and on which kernels each was seen on a real dump (lab/waits.json has the record;
 * a test compares the two). One that was never seen names nobody for sure: whom it leads to counts as inferred, and no verdict
 * that rests on it is certain.
 */
import type { Awaited, WaitKind } from './wait-kinds.ts';

type Kernels = readonly string[];

const ALL: Kernels = ['5.10', '6.1', '6.1-rt', '6.12', '7.2'];
const NEVER: Kernels = [];

export const SEEN_EDGES = {
  'AF_UNIX peer': ALL,
  'AF_UNIX queue of another': ALL,
  'bit of a word': ALL,
  block: ALL,
  'cgroup freezer': ALL,
  child: ALL,
  'child of vfork': ALL,
  completion: ALL,
  'core dump': ALL,
  'disk queue that is frozen': NEVER,
  'disk request': ['6.1', '6.12'],
  'disk tag': ['6.1', '6.12'],
  'disk writeback limit': NEVER,
  epoll: ALL,
  eventfd: ALL,
  exec: ALL,
  'fanotify permission': ALL,
  'fifo without a partner': ALL,
  'file lock': ALL,
  'functions on the stack': ALL,
  'FUSE request': ['6.1', '6.12'],
  'futex, private': ALL,
  'futex, shared': ALL,
  'idle kernel thread': ALL,
  'inotify, fanotify': ALL,
  io_uring: ALL,
  'IP peer on this machine': ALL,
  'IP socket that listens': ALL,
  'IP, elsewhere or unknown': ALL,
  journal: ['6.1', '6.12'],
  'kernel thread that ends': ALL,
  'other socket': ALL,
  page: ALL,
  'pid namespace that ends': ALL,
  pipe: ALL,
  'poll, select': ALL,
  'POSIX message queue': ALL,
  'RCU grace period': ['6.1', '6.1-rt', '6.12'],
  'seccomp notification': ALL,
  signalfd: ALL,
  'simple wait queue': ALL,
  'SRCU grace period': ALL,
  stopped: ALL,
  'SysV messages': ALL,
  'SysV semaphore': ALL,
  terminal: ALL,
  timer: ALL,
  timerfd: ALL,
  tracer: ALL,
  'user fault': ALL,
  variable: ALL,
  'wait queue': ALL,
  'work item': ['6.1', '6.1-rt', '6.12'],
} satisfies { readonly [edge: string]: Kernels };

export type WaitEdge = keyof typeof SEEN_EDGES;

/** What a finder that names no edge has found. */
const BY_KIND: { readonly [K in WaitKind]?: WaitEdge } = {
  completion: 'completion',
  'wait-queue': 'wait queue',
  bit: 'bit of a word',
  page: 'page',
  buffer: 'block',
  io: 'disk request',
  journal: 'journal',
  work: 'work item',
  'grace-period': 'RCU grace period',
  'file-lock': 'file lock',
  pipe: 'pipe',
  terminal: 'terminal',
  poll: 'poll, select',
  'user-fault': 'user fault',
  fuse: 'FUSE request',
  child: 'child',
  timer: 'timer',
  socket: 'other socket',
  events: 'epoll',
};

/** The edge of a wait that was found by a structure such as a `struct completion`. @throws nothing */
export function edgeOf(kind: WaitKind): WaitEdge {
  return BY_KIND[kind] ?? 'functions on the stack';
}

/**
 * Nobody, `struct task_struct *`, is named for sure by what was never seen on a real dump.
 * @param seen - kernels
 * @throws nothing
 */
export function asSureAsSeen(awaited: readonly Awaited[], seen: Kernels): readonly Awaited[] {
  if (seen.length > 0) return awaited;
  return awaited.map((each) => (each.certainty === 'exact' ? { ...each, certainty: 'inferred' } : each));
}
