import { describe, expect, it } from 'vitest';
import { type KernelImage, ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { TasksBuilder } from '../../test/builders/tasks.ts';
import { gracePeriod } from './rcu-grace-period.ts';
import { readTasks } from './sched.ts';
import { holdouts } from './wait-rcu.ts';

const LIST = 'struct list_head';

/** Two CPUs below one leaf; those of `missing` have not reported. */
function rcu(missing: number, sequence = 9): TasksBuilder {
  const tasks = new TasksBuilder('6.1', { rcu_node_entry: LIST });
  const { image } = tasks;
  image.struct('rcu_node', { qsmask: 'unsigned long', blkd_tasks: LIST, gp_tasks: `${LIST} *` });
  image.struct('rcu_data', { mynode: 'struct rcu_node *', grpmask: 'unsigned long' });
  image.struct('rcu_state', {
    gp_kthread: 'struct task_struct *',
    gp_seq: 'unsigned long',
    gp_start: 'unsigned long',
  });
  tasks.add('rcu_preempt', { pid: 15, flags: 0x200000, __state: 1 });
  tasks.add('bird', { pid: 100, 'thread_info.cpu': 1 });
  tasks.add('sleeper', { pid: 101, __state: 2 });
  tasks.running('bird', 1);
  image.place('leaf', 'struct rcu_node', { qsmask: missing });
  image.list('leaf.blkd_tasks', []);
  image.global('rcu_state', 'struct rcu_state', { gp_kthread: ref('rcu_preempt'), gp_seq: sequence });
  image.perCpu('rcu_data', 'struct rcu_data', [
    { mynode: ref('leaf'), grpmask: 1 },
    { mynode: ref('leaf'), grpmask: 2 },
  ]);
  return tasks;
}

/** Who keeps it from ending, by name. */
function held(
  tasks: TasksBuilder,
  damage: (image: KernelImage) => void = () => undefined,
): readonly (readonly [string, string])[] {
  tasks.link();
  damage(tasks.image);
  const program = programOfImage(tasks.image);
  const all = readTasks(program).tasks;
  return holdouts(program, gracePeriod(program), all).map(({ task, certainty }) => [
    all.find(({ address }) => address === task)?.comm ?? '?',
    certainty,
  ]);
}

describe('a grace period of RCU', () => {
  it('waits for who runs on a CPU that has not reported', () => {
    expect(held(rcu(2))).toEqual([['bird', 'exact']]);
  });

  it('does not wait for a CPU that is idle, or has reported: then its thread has to see that it may end', () => {
    expect(held(rcu(1))).toEqual([['rcu_preempt', 'inferred']]);
    expect(held(rcu(0))).toEqual([['rcu_preempt', 'inferred']]);
  });

  it('waits for readers from gp_tasks on, and not for those before, who came later', () => {
    const tasks = rcu(0);
    tasks.add('late', { pid: 102, __state: 2 });
    tasks.image.list('leaf.blkd_tasks', ['late.rcu_node_entry', 'sleeper.rcu_node_entry']);
    tasks.image.write('leaf.gp_tasks', ref('sleeper.rcu_node_entry'));
    expect(held(tasks)).toEqual([['sleeper', 'exact']]);
  });

  it('is as old as its stamp says, unless it would have begun before the machine did', () => {
    const aged = (start: bigint, now: bigint): bigint | undefined => {
      const { image } = rcu(2);
      image.write('rcu_state.gp_start', start);
      image.global('jiffies_64', 'unsigned long', now);
      image.global('tick_nsec', 'unsigned long', 4_000_000);
      return gracePeriod(programOfImage(image))?.age;
    };
    const boot = 2n ** 32n - 300n * 250n;
    expect(aged(boot + 250n, boot + 100n * 250n)).toBe(99_000_000_000n);
    expect(aged(boot - 600n * 250n, boot + 100n * 250n)).toBeUndefined();
    expect(aged(boot + 250n, 2n ** 59n)).toBeUndefined();
  });

  it('that does not run waits for nobody', () => {
    const tasks = rcu(2, 8);
    tasks.link();
    expect(gracePeriod(programOfImage(tasks.image))).toBeUndefined();
  });

  it('says what it could not read: of a CPU without a leaf nothing is known, and a damaged list ends', () => {
    const lost = rcu(2);
    lost.link();
    lost.image.write('rcu_data@1.mynode', 0);
    expect(gracePeriod(programOfImage(lost.image))).toMatchObject({ complete: false, cpus: [] });
    const broken = rcu(0);
    broken.image.list('leaf.blkd_tasks', ['sleeper.rcu_node_entry']);
    broken.image.write('leaf.gp_tasks', ref('sleeper.rcu_node_entry'));
    expect(held(broken, (image) => image.write('sleeper.rcu_node_entry.next', 0x1000))).toEqual([
      ['rcu_preempt', 'inferred'],
    ]);
  });
});
