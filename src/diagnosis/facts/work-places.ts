/** Where the work item of a kernel worker comes from: the module of its function, and the workqueue that it was queued on. */
import { attempt } from '../../base/errors.ts';
import type { Task } from '../../kernel/sched.ts';
import { workqueueName } from '../../kernel/wait-work.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { taskWaitsFact } from './task-waits.ts';

export interface WorkPlace {
  /** Undefined for the kernel itself. */
  readonly module: string | undefined;
  readonly queue: string | undefined;
}

export interface WorkPlaces {
  of(task: Task): WorkPlace;
}

export const workPlacesFact = defineFact<WorkPlaces>({
  id: 'work-places',
  derive: ({ program, use }) => ({
    of(task) {
      const { worker, queue } = use(taskWaitsFact).workerOf(task) ?? {};
      // It need not be on the stack: its last call may have taken its place.
      const func =
        worker === undefined
          ? undefined
          : attempt(() => program.symbols.at(program.field('struct worker', 'current_func').pointer(worker)));
      return {
        module: func?.module,
        queue: queue === undefined ? undefined : attempt(() => workqueueName(program, queue)),
      };
    },
  }),
});
