import { describe, expect, it } from 'vitest';
import { memoryWith, mib } from '../../../test/builders/memory-state.ts';
import { textOf } from '../../../test/builders/text.ts';
import { virt } from '../../base/address.ts';
import type { Task } from '../../kernel/sched.ts';
import type { Finding } from '../../model/finding.ts';
import type { TaskOrigin } from '../facts/task-origins.ts';
import taskBomb from './task-bomb.ts';

const BOMB: TaskOrigin = {
  origin: { pid: 510, comm: 'cron', address: virt(0xffff888100200000n) } as Task,
  kind: 'processes',
  tasks: 6000,
  comm: 'sh',
  base: mib(150),
  pageTables: mib(240),
};

function told(most: TaskOrigin | undefined, { available = 50, users = 6100, whole = true } = {}): readonly Finding[] {
  const { memory, program } = memoryWith(available);
  return taskBomb.detector.run({ origins: { most, users, whole }, memory }, program);
}

describe('task-bomb', () => {
  it('names who started most of all tasks', () => {
    const [finding, ...more] = told(BOMB);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({
      cause: 'task-bomb',
      role: 'cause',
      confidence: 'probable',
      details: { culprit: { pid: 510 }, tasks: 6000, kind: 'processes', base: { value: mib(150) } },
    });
    expect(textOf(finding?.title ?? [])).toMatch(/at least 408944640/);
  });

  it('tells threads from processes', () => {
    const [finding] = told({ ...BOMB, kind: 'threads' });
    expect(textOf(finding?.title ?? [])).toMatch(/has 6000 threads/);
  });

  it('is less sure when tasks are missing or memory is left, and only context when they take little of it', () => {
    expect(told(BOMB, { whole: false })).toMatchObject([{ role: 'cause', confidence: 'possible' }]);
    expect(told(BOMB, { available: 500 })).toMatchObject([{ role: 'cause', confidence: 'possible' }]);
    expect(told({ ...BOMB, pageTables: mib(20) }, { available: 500 })).toMatchObject([{ role: 'context' }]);
  });

  it('is silent about few tasks, about many of many origins, and when nobody is known', () => {
    expect(told({ ...BOMB, base: mib(60) })).toEqual([]);
    expect(told(BOMB, { users: 20_000 })).toEqual([]);
    // However much they seem to take.
    expect(told({ ...BOMB, tasks: 70 }, { users: 75 })).toEqual([]);
    expect(told(undefined)).toEqual([]);
  });
});
