/**
 * Waits for another process that has to allow something: the listener of fanotify (a scanner for viruses that opens every file
 * first), the supervisor of a seccomp filter. Each sleeps until somebody with that file open writes an answer.
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { listEntries } from './list.ts';
import { pathAt } from './path.ts';
import { pidNumber } from './pid.ts';
import type { Machine } from './wait-completions.ts';
import type { FoundWait } from './wait-kinds.ts';
import { type EndsOfAll, others } from './wait-others.ts';
import type { QueuedEntry, SleeperStack } from './wait-shapes.ts';

type AnswerMachine = Machine & { readonly ends: EndsOfAll };

const MAX_EVENTS = 1 << 16;
const MAX_FILTERS = 1024;

/**
 * open(2) of a file that a listener of fanotify has to allow, fanotify_get_response(): the queue is that of the
 * `struct fsnotify_group`.
 * @throws FaultError, LookupError
 */
export function fanotifyWait(
  stack: SleeperStack,
  { queue }: QueuedEntry,
  machine: AnswerMachine,
): FoundWait | undefined {
  const { program, frames, task } = stack;
  if (queue === undefined || !frames.some(({ func }) => /^fanotify_(get_response|handle_event)$/.test(func ?? '')))
    return undefined;
  const group = program.field('struct fsnotify_group', 'fanotify_data.access_waitq').container(queue);
  const own = machine.byAddress.get(task);
  const event = attempt(() => eventOf(program, group, [own?.pid, own?.tgid]));
  const all = machine.ends();
  const listeners = (all.byData.get(group) ?? []).filter(({ operations }) => operations === 'fanotify_fops');
  if (event === undefined && listeners.length === 0) return undefined;
  return {
    kind: 'permission',
    edge: 'fanotify permission',
    what: 'for a listener of fanotify to allow the access to',
    name: event?.path ?? 'a file',
    ...(event === undefined
      ? {}
      : { detail: event.read ? 'the listener has read the request' : 'nobody has read the request yet' }),
    object: { address: group, ctype: 'struct fsnotify_group' },
    proof: 'structure',
    ...others(listeners, task, all, 'it has the fanotify group open'),
  };
}

/** The request, by whose it is: on one list when the listener has read it, on another before. */
function eventOf(
  program: Program,
  group: VirtAddr,
  pids: readonly (number | undefined)[],
): { readonly path: string | undefined; readonly read: boolean } | undefined {
  const type = 'struct fanotify_perm_event';
  for (const [list, read] of [
    ['fanotify_data.access_list', true],
    ['notification_list', false],
  ] as const) {
    const head = program.field('struct fsnotify_group', list).address(group);
    for (const event of listEntries(program, head, type, 'fae.fse.list', MAX_EVENTS)) {
      const pid = pidNumber(program, program.field(type, 'fae.pid').pointer(event));
      if (pid === undefined || !pids.includes(pid)) continue;
      const path = attempt(() => pathAt(program, program.field(type, 'path').address(event)).text);
      return { path, read };
    }
  }
  return undefined;
}

/**
 * A system call that a supervisor has to answer, seccomp_do_user_notification(): a `struct seccomp_knotif` on the stack.
 * @param entry - in the queue of its completion
 * @throws FaultError, LookupError
 */
export function seccompWait(
  stack: SleeperStack,
  { queue }: QueuedEntry,
  machine: AnswerMachine,
): FoundWait | undefined {
  const { program, frames, task } = stack;
  if (queue === undefined || !frames.some(({ func }) => func === 'seccomp_do_user_notification')) return undefined;
  const notification = program.field('struct seccomp_knotif', 'ready.wait').container(queue);
  if (program.field('struct seccomp_knotif', 'task').pointer(notification) !== task) return undefined;
  const filter = notifyingFilter(program, task);
  const all = machine.ends();
  const files = filter === undefined ? [] : (all.byData.get(filter) ?? []);
  return {
    kind: 'permission',
    edge: 'seccomp notification',
    what: 'for the supervisor of its seccomp filter to answer',
    object: { address: notification, ctype: 'struct seccomp_knotif' },
    proof: 'structure',
    ...others(files, task, all, 'it has the file open through which the filter asks'),
  };
}

/** Only one filter of a task may have a listener. */
function notifyingFilter(program: Program, task: VirtAddr): VirtAddr | undefined {
  let at = program.field('struct task_struct', 'seccomp.filter').pointer(task);
  for (let n = 0; n < MAX_FILTERS && isKernel(at); n++) {
    if (isKernel(program.field('struct seccomp_filter', 'notif').pointer(at))) return at;
    at = program.field('struct seccomp_filter', 'prev').pointer(at);
  }
  return undefined;
}
