/** What each sleeping task waits for beside the locks of `locks`: found when it is asked for, once. */
import type { Task } from '../../kernel/sched.ts';
import { taskWait, waitSearch } from '../../kernel/task-wait.ts';
import type { BlockRequest } from '../../kernel/block-requests.ts';
import type { TaskWait } from '../../kernel/wait-kinds.ts';
import type { Worker } from '../../kernel/wait-work.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { address as addressValue, byteCount, type Data, duration, name, prose, type Prose } from '../../model/value.ts';
import { blocksFact } from './blocks.ts';
import { descriptorsFact } from './descriptors.ts';
import { stacksFact } from './stacks.ts';
import { tasksFact } from './tasks.ts';

export interface TaskWaits {
  /** Undefined for a task that does not sleep. */
  of(task: Task): TaskWait | undefined;
  /** What a kernel worker does; undefined for any other task. */
  workerOf(task: Task): Worker | undefined;
}

export const taskWaitsFact = defineFact<TaskWaits>({
  id: 'task-waits',
  derive({ program, use, budget }) {
    const stacks = use(stacksFact);
    const search = waitSearch(
      program,
      use(tasksFact).tasks,
      () => use(descriptorsFact),
      () => use(blocksFact),
    );
    const known = new Map<Task, TaskWait | undefined>();
    return {
      of(task) {
        if (!known.has(task)) {
          budget.check();
          known.set(task, taskWait(search, task, stacks.of(task).frames));
        }
        return known.get(task);
      },
      workerOf: (task) => search.workers.byTask.get(task.address),
    };
  },
});

/** 'for a lock of the file /run/queue.lock': fits after 'waits'. */
export function waitProse({ what, name: of }: TaskWait): Prose {
  return of === undefined ? [what] : prose`${what} ${name(of)}`;
}

/** ' (LOOKUP, which the server has read)': what more is known of a wait, with its block I/O; fits behind what it waits for. */
export function detailProse({ detail, block, kind }: TaskWait): Prose {
  const request = block?.request;
  const more: Prose[] = detail === undefined ? [] : [[detail]];
  if (request !== undefined) more.push(requestProse(request));
  else if (block !== undefined && kind === 'io') {
    const oldest = block.queue.requests[0];
    if (oldest !== undefined) more.push(prose`its oldest request: ${requestProse(oldest)}`);
  }
  return more.length === 0 ? [] : prose` (${more.flatMap((each, i) => (i === 0 ? each : ['; ', ...each]))})`;
}

const STATES: { readonly [state in BlockRequest['state']]: string } = {
  queued: 'not given to the driver yet',
  'in flight': 'with the driver',
  complete: 'done',
};

/** 'read of 4 KiB at sector 8296 of nbd0, with the driver, 41.8 s old'. */
export function requestProse({ operation, sector, bytes, disk, state, age }: BlockRequest): Prose {
  const size = bytes === 0 ? [] : prose` of ${byteCount(bytes)}`;
  const where =
    sector === undefined ? prose` of ${name(disk.name)}` : prose` at sector ${String(sector)} of ${name(disk.name)}`;
  const old: Prose = age === undefined ? [', of unknown age'] : prose`, ${duration(age)} old`;
  return prose`${operation}${size}${where}, ${STATES[state]}${old}`;
}

/** The same for machines. */
export function requestData({ address, disk, operation, sector, bytes, state, age, timeout }: BlockRequest): Data {
  return {
    address: addressValue(address),
    disk: name(disk.name),
    operation,
    sector: sector === undefined ? undefined : String(sector),
    bytes: byteCount(bytes),
    state,
    age: age === undefined ? undefined : duration(age),
    timeout: timeout === undefined ? undefined : duration(timeout),
  };
}
