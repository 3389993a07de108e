/**
 * Why the task that a chain of waits ends at does not go on: it runs, is runnable but gets no CPU, waits for input or
 * output, for memory, for user space, for time, is stopped, frozen or held up, or has ended.
 */
import type { Task } from '../../kernel/sched.ts';
import { defineFact, type FactContext } from '../../model/diagnosis.ts';
import { count, duration, name, plural, type Prose, prose, symbol, task as taskValue } from '../../model/value.ts';
import { clockFact } from './clock.ts';
import { lostWakeUpsFact } from './lost-wakeups.ts';
import { stacksFact, waitsIn } from './stacks.ts';
import { detailProse, taskWaitsFact, waitProse } from './task-waits.ts';
import { stuckDiskLeaf } from './stuck-disks.ts';
import { waitGraphFact, type WaitRoot } from './wait-graph.ts';
import type { Obstacle } from './wait-obstacles.ts';

export type LeafKind =
  | 'circle'
  | 'owner dead'
  | 'owner not known'
  | 'one of several'
  | 'suspended device'
  | 'frozen file system'
  | 'silent disk'
  | 'lost wake-up'
  | 'running'
  | 'runnable'
  | 'starved'
  | 'reclaim'
  | 'stopped'
  | 'frozen'
  | 'throttled'
  | 'input or output'
  | 'user space'
  | 'time'
  | 'ended'
  | 'sleeping';

export interface Leaf {
  readonly kind: LeafKind;
  /** A sentence part: fits behind 'pid 96 (ps)'; for a lock without owner a whole clause. */
  readonly text: Prose;
}

export interface Leaves {
  of(root: WaitRoot): Leaf;
}

export const leavesFact = defineFact<Leaves>({
  id: 'wait-leaves',
  derive(context) {
    return { of: (root) => leafOf(context, root) };
  },
});

/** Functions in which a task frees memory before it gets a page; only these say that it does, not those around them. */
const RECLAIM =
  /^(do_)?try_to_free_(mem_cgroup_)?pages$|^(throttle_direct_reclaim|reclaim_throttle|wait_iff_congested)$/;

function leafOf(context: FactContext, { task, cycle, target, behind }: WaitRoot): Leaf {
  if (cycle.length > 0) {
    const { targetOf } = context.use(waitGraphFact);
    const sure = cycle.every((each) => targetOf(each)?.owners.every(({ certainty }) => certainty === 'exact') === true);
    const unless = sure ? '' : ', if those that are inferred have what they are said to have';
    return { kind: 'circle', text: [`each waits for the next, and none can go on${unless}`] };
  }
  if (task !== undefined) return taskLeaf(context, task);
  if (target?.obstacle !== undefined) return obstacleLeaf(target.obstacle);
  if (target?.ownerless === 'dead') {
    const { deadOwner } = target;
    const who =
      deadOwner === undefined
        ? 'is no task any more: it'
        : prose`${name(deadOwner.comm)} (pid ${String(deadOwner.pid)}) died in an oops and`;
    return { kind: 'owner dead', text: prose`its owner ${who} ended with the lock held` };
  }
  if (target?.ownerless === 'nobody') {
    if (target.lock === undefined)
      return { kind: 'lost wake-up', text: ['it has come, and yet who waits for it sleeps: a wake-up was lost'] };
    const asleep = behind[0]?.state.sleeping === true;
    if (context.use(lostWakeUpsFact).some((lost) => lost.target.address === target.address))
      return {
        kind: 'lost wake-up',
        text: ['nobody holds it, its first waiter sleeps, and nobody is about to wake it: a wake-up was lost'],
      };
    return asleep
      ? {
          kind: 'lost wake-up',
          text: ['nobody holds it, and yet its first waiter sleeps: it is just being given on, or a wake-up was lost'],
        }
      : { kind: 'running', text: ['nobody holds it any more, and its first waiter has been woken'] };
  }
  if (target?.anyOf === true && target.owners.length > 1) {
    const [first] = target.owners;
    const who =
      first === undefined ? [] : prose`, such as ${taskValue(first.task)}, which ${taskLeaf(context, first.task).text}`;
    return { kind: 'one of several', text: prose`any of ${count(target.owners.length)} tasks could end it${who}` };
  }
  return { kind: 'owner not known', text: ['who holds it is not recorded'] };
}

function obstacleLeaf(obstacle: Obstacle): Leaf {
  if (obstacle.kind === 'file-system')
    return { kind: 'frozen file system', text: ['whoever writes to it waits until somebody thaws it'] };
  if (obstacle.kind === 'disk') return { kind: 'silent disk', text: stuckDiskLeaf(obstacle.disk) };
  const { count: kept, whole } = obstacle.device.kept;
  const keeps =
    kept === 0 ? [] : prose`it keeps ${whole ? '' : 'at least '}${plural(kept, 'block I/O', 'block I/Os')}, and `;
  return { kind: 'suspended device', text: prose`${keeps}nothing goes on before somebody resumes it` };
}

function taskLeaf(context: FactContext, task: Task): Leaf {
  const { frames } = context.use(stacksFact).of(task);
  const { letter, exitState, sleeping } = task.state;
  if (exitState !== 0n) return { kind: 'ended', text: ['has ended'] };
  const func = waitsIn(frames);
  const inside: Prose = func === undefined ? [] : prose`, in ${symbol(func)}`;
  const reclaim = frames.find((frame) => frame.func !== undefined && RECLAIM.test(frame.func))?.func;
  if (reclaim !== undefined) {
    const how = task.running ? 'runs' : sleeping ? 'sleeps' : 'is runnable';
    return {
      kind: 'reclaim',
      text: prose`${how} and tries to free memory before it gets a page, in ${symbol(reclaim)}`,
    };
  }
  if (task.running) return { kind: 'running', text: prose`runs on CPU ${String(task.cpu ?? '?')}${inside}` };
  if (letter === 'T' || letter === 't')
    return { kind: 'stopped', text: ['is stopped: only a signal, or its tracer, lets it go on'] };
  if (!sleeping) return runnable(context, task, inside);
  const wait = context.use(taskWaitsFact).of(task);
  if (wait === undefined) return { kind: 'sleeping', text: prose`sleeps${inside}` };
  const { left } = wait;
  const end =
    left === undefined ? [] : left < 0n ? [', whose timer is overdue'] : prose`, for ${duration(left)} more at most`;
  return { kind: KINDS[wait.kind] ?? 'sleeping', text: prose`waits ${waitProse(wait)}${end}${detailProse(wait)}` };
}

const KINDS: { readonly [kind: string]: LeafKind } = {
  frozen: 'frozen',
  throttled: 'throttled',
  io: 'input or output',
  page: 'input or output',
  buffer: 'input or output',
  'user-fault': 'user space',
  fuse: 'user space',
  pipe: 'user space',
  socket: 'user space',
  futex: 'user space',
  signal: 'user space',
  timer: 'time',
  reclaim: 'reclaim',
};

function runnable(context: FactContext, task: Task, inside: Prose): Leaf {
  const turns = context.use(clockFact).turns(task);
  const queued = turns?.queued === undefined ? [] : prose`, for ${duration(turns.queued)}`;
  if (turns?.starved === true)
    return {
      kind: 'starved',
      text: prose`is runnable and gets no CPU${queued}${inside}; it waited for one for ${duration(turns.waited)} of its life`,
    };
  return { kind: 'runnable', text: prose`is runnable and waits for a CPU${queued}${inside}` };
}
