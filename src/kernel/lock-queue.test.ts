import { describe, expect, it } from 'vitest';
import { ref } from '../../test/builders/image.ts';
import { programOfImage } from '../../test/builders/program.ts';
import { TasksBuilder } from '../../test/builders/tasks.ts';
import { two } from '../../test/builders/waits.ts';
import { LookupError } from '../base/errors.ts';
import { lockWaiters } from './lock-queue.ts';

describe('lockWaiters', () => {
  it('are in queue order, with what they wait for', () => {
    const waits = two('rw_semaphore');
    const program = programOfImage(waits.tasks.image);
    expect(lockWaiters(program, 'rw_semaphore', waits.at('lock'))).toEqual({
      waiters: [
        { address: waits.at('first waiter'), task: waits.at('first'), mode: 'write' },
        { address: waits.at('second waiter'), task: waits.at('second'), mode: 'read' },
      ],
      problem: undefined,
    });
    waits.lock('mutex', 'free', []);
    expect(lockWaiters(programOfImage(waits.tasks.image), 'mutex', waits.at('free')).waiters).toEqual([]);
  });

  it('end where the list is broken, and say so', () => {
    for (const [path, value, count, problem] of [
      ['second waiter.list.prev', 0, 1, 'does not point back'],
      ['first waiter.list.next', 0, 1, 'does not end'],
      ['first waiter.list.next', 0xffff900000000000n, 1, 'absent'],
      ['second waiter.list.next', ref('first waiter'), 2, 'does not point back'],
      ['first waiter.type', 7, 2, undefined],
    ] as const) {
      const waits = two('rw_semaphore');
      waits.tasks.image.write(path, value);
      const found = lockWaiters(programOfImage(waits.tasks.image), 'rw_semaphore', waits.at('lock'));
      expect([path, found.waiters.length]).toEqual([path, count]);
      expect(found.problem ?? '').toContain(problem ?? '');
      expect(found.problem === undefined).toBe(problem === undefined);
    }
  });

  it('of a layout that is not known cannot be read', () => {
    const tasks = new TasksBuilder();
    tasks.image.struct('mutex', { owner: 'atomic_long_t', queue: 'void *' });
    const lock = tasks.image.place('lock', 'struct mutex');
    expect(() => lockWaiters(programOfImage(tasks.image), 'mutex', lock)).toThrow(LookupError);
  });
});
