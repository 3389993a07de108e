import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import type { KernelImage } from '../../../test/builders/image.ts';
import { Incident } from '../../../test/builders/incident.ts';
import { type TaskTable, tasksFact } from './tasks.ts';

describe('tasks', () => {
  it('knows every process, thread and idle task, and covers all but the idle ones', () => {
    const incident = new Incident();
    const java = incident.task('java', { pid: 50 });
    const thread = incident.task('GC', { pid: 51, leader: java });
    const context = contextOf(incident.program());
    const { tasks, byAddress, isTask } = context.use(tasksFact);
    expect(tasks.map(({ pid, tgid, comm, idle }) => [pid, tgid, comm, idle])).toEqual([
      [1, 1, 'init', false],
      [50, 50, 'java', false],
      [51, 50, 'GC', false],
      [0, 0, 'swapper/0', true],
      [0, 0, 'swapper/1', true],
    ]);
    expect(byAddress.get(thread.address)?.comm).toBe('GC');
    expect(isTask(java.address)).toBe(true);
    expect(isTask(incident.image.address('task50.comm'))).toBe(false);
    expect(context.coverage).toEqual([{ what: 'tasks', read: 3, total: 3, missing: [] }]);
  });

  it('names the process of the thread that forked as the parent', () => {
    const incident = new Incident();
    const java = incident.task('java', { pid: 50 });
    const thread = incident.task('worker', { pid: 51, leader: java });
    const child = incident.task('sh', { pid: 60, parent: thread });
    const lost = incident.task('lost', { pid: 61 });
    const program = incident.program((image) => image.write('task61.real_parent', 0));
    const { byAddress, parentOf } = contextOf(program).use(tasksFact);
    const parentPid = (address: bigint | undefined): number | undefined => {
      const task = [...byAddress.values()].find((each) => each.address === address);
      return task === undefined ? undefined : parentOf(task)?.pid;
    };
    expect(parentPid(child.address)).toBe(50);
    expect(parentPid(lost.address)).toBeUndefined();
  });

  it('loses nobody to one broken link, but says that the list is broken', () => {
    const incident = new Incident();
    incident.tasks(10, 'worker', (i) => ({ pid: 100 + i }));
    const context = contextOf(incident.program((image) => image.write('task104.tasks.next', 0x1234)));
    expect(context.use(tasksFact).tasks.filter((task) => task.comm === 'worker')).toHaveLength(10);
    expect(context.coverage).toMatchObject([{ what: 'tasks', read: 11, total: 11 }]);
    expect(context.coverage[0]?.missing.join()).toMatch(/list of processes, forwards/);
  });

  it('counts those between two breaks as missing, by the number that the kernel keeps', () => {
    const incident = new Incident();
    incident.tasks(10, 'worker', (i) => ({ pid: 100 + i }));
    const context = contextOf(
      incident.program((image) => {
        image.write('task103.tasks.next', 0);
        image.write('task107.tasks.prev', 0);
      }),
    );
    const found = context.use(tasksFact).tasks.filter((task) => task.comm === 'worker');
    expect(found.map((task) => task.pid)).toEqual([100, 101, 102, 103, 107, 108, 109]);
    expect(context.coverage).toMatchObject([{ what: 'tasks', read: 8, total: 11 }]);
    expect(context.coverage[0]?.missing).toContainEqual('3 that nr_threads counts were not found');
  });

  it('is complete when the kernel counts no more', () => {
    const incident = new Incident();
    incident.tasks(10, 'worker', (i) => ({ pid: 100 + i }));
    const table = (damage?: (image: KernelImage) => void): TaskTable =>
      contextOf(incident.program(damage)).use(tasksFact);
    expect(table()).toMatchObject({ read: 11, total: 11, complete: true });
    // A task was on its way out: it is on the list and not counted any more.
    expect(table((image) => image.write('nr_threads', 10))).toMatchObject({ read: 11, total: 11, complete: true });
    expect(table((image) => image.write('nr_threads', 12))).toMatchObject({ read: 11, total: 12, complete: false });
  });

  it('does not believe a count that the tasks contradict', () => {
    const incident = new Incident();
    incident.tasks(80, 'worker', (i) => ({ pid: 100 + i }));
    const context = contextOf(incident.program((image) => image.write('nr_threads', 0)));
    expect(context.use(tasksFact)).toMatchObject({ read: 81, total: undefined, complete: false });
    expect(context.coverage[0]).toMatchObject({ total: undefined, missing: ['nr_threads says that there are 0'] });
  });

  it('does not know the total of a broken list without that number', () => {
    const incident = new Incident();
    incident.tasks(3, 'worker', (i) => ({ pid: 100 + i }));
    const context = contextOf(
      incident.program((image) => {
        image.write('task100.tasks.next', 0);
        image.write('task102.tasks.prev', 0);
        image.write('nr_threads', -1);
      }),
    );
    context.use(tasksFact);
    expect(context.coverage).toMatchObject([{ what: 'tasks', read: 3, total: undefined }]);
  });
});
