import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import { struct } from '../../../test/builders/image.ts';
import { programOfImage } from '../../../test/builders/program.ts';
import { TasksBuilder } from '../../../test/builders/tasks.ts';
import { type Starvation, starvationFact } from './starvation.ts';

const SECOND = 1_000_000_000n;
/** On the clocks of the run queues, at the crash. */
const NOW = 1000n * SECOND;

interface Given {
  readonly policy?: number;
  /** Seconds since the worker was queued. */
  readonly queued?: bigint;
  /** CPU that the worker is to run on; the other task runs on CPU 1. */
  readonly cpu?: number;
  /** Seconds of CPU time that the task on the CPU has used. */
  readonly used?: bigint;
  /** State of the worker. */
  readonly state?: number;
}

/** A task on CPU 1, and a worker that wants to run there. */
function machine(given: Given = {}): readonly Starvation[] {
  const tasks = new TasksBuilder(
    '6.1',
    {
      policy: 'unsigned int',
      rt_priority: 'unsigned int',
      sched_class: 'void *',
      se: struct({ sum_exec_runtime: 'u64' }),
    },
    { clock: 'u64', rt: struct({ active: 'u64[2]' }), cfs: struct({ tasks_timeline: 'u64[2]' }) },
  );
  const { image } = tasks;
  image.global('sysctl_sched_rt_runtime', 'int', -1);
  const used = (given.used ?? 30n) * SECOND;
  tasks.add('jackd', {
    pid: 100,
    'thread_info.cpu': 1,
    policy: given.policy ?? 1,
    rt_priority: 50,
    'se.sum_exec_runtime': used,
  });
  tasks.add('kworker/1:0', {
    pid: 22,
    flags: 0x200000,
    __state: given.state ?? 0,
    'thread_info.cpu': given.cpu ?? 1,
    'sched_info.last_queued': NOW - (given.queued ?? 20n) * SECOND,
    'sched_info.pcount': 3,
  });
  tasks.running('jackd', 1);
  for (const cpu of [0, 1]) image.write(`runqueues@${cpu}.clock`, NOW);
  tasks.link();
  return contextOf(programOfImage(image)).use(starvationFact);
}

describe('starvation', () => {
  it('finds who is kept from a CPU by a real-time task, for how long, and what the kernel keeps for others', () => {
    expect(machine()).toMatchObject([
      {
        cpu: 1,
        by: { comm: 'jackd' },
        class: { policy: 'FIFO', priority: 50 },
        throttling: { runtimeUs: -1, fairServer: undefined },
        starved: [{ task: { comm: 'kworker/1:0' }, queued: 20n * SECOND }],
        sure: true,
      },
    ]);
  });

  it('is not sure where that task did not have the CPU all the time', () => {
    expect(machine({ used: 3n })).toMatchObject([{ sure: false }]);
  });

  it.each([
    ['the task on the CPU is an ordinary one', { policy: 0 }],
    ['the other one sleeps', { state: 2 }],
    ['it is to run on another CPU', { cpu: 0 }],
    ['its turn may still come', { queued: 1n }],
  ] as const)('finds nothing where %s', (_what, given) => {
    expect(machine(given)).toEqual([]);
  });
});
