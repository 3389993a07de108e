import { describe, expect, it } from 'vitest';
import { textOf } from '../../../test/builders/text.ts';
import { WaitScene } from '../../../test/builders/wait-scene.ts';
import { nanoseconds } from '../../base/units.ts';
import { crowdText } from './crowd-text.ts';

/** So many tasks of each command; all have waited for 5 s, and the last of all for 9 s. */
function told(...groups: readonly (readonly [comm: string, count: number])[]): string {
  const scene = new WaitScene();
  const tasks = groups.map(([comm, count]) => Array.from({ length: count }, () => scene.task(comm)));
  const last = tasks.at(-1)?.at(-1);
  const seconds = (n: bigint) => nanoseconds(n * 1_000_000_000n);
  return textOf(
    crowdText(tasks.map((group) => group.map((task) => ({ task, wait: seconds(task === last ? 9n : 5n) })))),
  );
}

describe('crowdText', () => {
  it('names all of a few commands, and who has waited longest', () => {
    expect(told(['rsync', 9], ['cp', 4])).toBe('9 tasks named rsync and 4 named cp; longest: cp (pid 112), for 9 s.');
    expect(told(['rsync', 9], ['cp', 4], ['qemu-ga', 1])).toBe(
      '9 tasks named rsync, 4 named cp and qemu-ga (pid 113); longest: qemu-ga (pid 113), for 9 s.',
    );
    expect(told(['rsync', 1])).toBe('rsync (pid 100), for 9 s.');
    expect(told()).toBe('');
  });

  it('counts those whose command is not named, so that all add up', () => {
    const commands = ['a', 'b', 'c', 'd', 'e'].map((comm) => [comm, 2] as const);
    expect(told(...commands)).toMatch(/^2 tasks named a, 2 named b, 2 named c, 2 named d and 2 named e; longest/);
    expect(told(...commands, ['f', 3])).toMatch(
      /^2 tasks named a, 2 named b, 2 named c, 2 named d and 5 more; longest/,
    );
  });
});
