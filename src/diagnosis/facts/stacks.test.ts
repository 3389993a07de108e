import { describe, expect, it } from 'vitest';
import { contextOf } from '../../../test/builders/facts.ts';
import type { KernelImage } from '../../../test/builders/image.ts';
import { Incident } from '../../../test/builders/incident.ts';
import { CancelledError } from '../../base/errors.ts';
import { stacksFact } from './stacks.ts';
import { tasksFact } from './tasks.ts';

describe('stacks', () => {
  it('holds the functions of every task, also of those that ran', () => {
    const incident = new Incident();
    const ps = incident.task('ps', { pid: 96, stack: ['__schedule', 'schedule', 'do_wait'] });
    const busy = incident.task('busy', { pid: 97, running: 1, stack: ['copy_page.constprop.0', 'do_work'] });
    const context = contextOf(incident.program());
    const { byAddress } = context.use(tasksFact);
    const stacks = context.use(stacksFact);
    const functions = (address: bigint): readonly (string | undefined)[] => {
      const task = [...byAddress.values()].find((each) => each.address === address);
      return task === undefined ? [] : stacks.of(task).frames.map((frame) => frame.func);
    };
    expect(functions(ps.address)).toEqual(['__schedule', 'schedule', 'do_wait']);
    expect(functions(busy.address)).toEqual(['copy_page', 'do_work']);
    const all = { what: 'kernel stacks, unwound to their end', read: 5, total: 5, missing: [] };
    expect(context.coverage).toContainEqual(all);
  });

  it('counts equal reasons once, whatever the addresses in them', () => {
    const incident = new Incident();
    incident.tasks(3, 'a', (i) => ({ pid: 10 + i, brokenStack: `no rule at 0xffffffff8100${i}000, pid ${i}` }));
    incident.task('b', { pid: 20, brokenStack: 'another reason' });
    const context = contextOf(incident.program());
    context.use(stacksFact);
    expect(context.coverage.at(-1)).toEqual({
      what: 'kernel stacks, unwound to their end',
      read: 3,
      total: 7,
      missing: ['no rule at 0xffffffff81000000, pid 0 (and 2 more like it)', 'another reason'],
    });
  });

  it('says that pages of tasks are never left out by right', () => {
    const incident = new Incident();
    incident.task('a', { pid: 10, brokenStack: 'cannot read virtual memory at 0xffff888000001000: excluded' });
    const context = contextOf(incident.program());
    context.use(stacksFact);
    const missing = context.coverage.at(-1)?.missing ?? [];
    expect(missing.length).toBe(2);
    expect(missing[1]).toMatch(/too old for this kernel$/);
  });

  it('misses no stack of a task that exited and has none, but one of a task that lives', () => {
    const incident = new Incident();
    incident.task('zombie', { pid: 10, state: 'Z' });
    incident.task('damaged', { pid: 11 });
    const damage = (image: KernelImage): void => ['task10.stack', 'task11.stack'].forEach((at) => image.write(at, 0));
    const context = contextOf(incident.program(damage));
    const stacks = context.use(stacksFact);
    const zombie = context.use(tasksFact).tasks.find((task) => task.pid === 10);
    expect(zombie === undefined ? undefined : stacks.of(zombie)).toMatchObject({
      frames: [],
      problem: 'its stack was freed',
    });
    expect(context.coverage.at(-1)).toMatchObject({ read: 3, total: 4, missing: ['its stack was freed'] });
  });

  it('ends when it is told to', () => {
    const incident = new Incident();
    let left = 2;
    const budget = {
      check(): void {
        if (left-- === 0) throw new CancelledError('interrupt');
      },
    };
    const context = contextOf(incident.program(), budget);
    expect(() => context.use(stacksFact)).toThrow(CancelledError);
    expect(context.coverage.map(({ what }) => what)).toEqual(['tasks']);
  });
});
