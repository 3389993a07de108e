/** Who is at thawing a frozen file system: it needs `s_umount` for that, which one may have who waits for the thaw. */
import { attempt } from '../../base/errors.ts';
import type { Task } from '../../kernel/sched.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { locksFact } from './locks.ts';
import { stacksFact } from './stacks.ts';
import { waitGraphFact } from './wait-graph.ts';
import { type FrozenMount, obstaclesFact } from './wait-obstacles.ts';

export interface Thawing {
  /** In thaw_super() of this file system, waiting for its `s_umount`. */
  readonly tasks: readonly Task[];
  /** Who has `s_umount` waits, in the end, for the thaw. */
  readonly stuck: boolean;
}

export interface Thawings {
  of(fileSystem: FrozenMount): Thawing;
}

export const thawingFact = defineFact<Thawings>({
  id: 'thawing',
  derive: ({ program, use }) => ({
    of({ superBlock }) {
      const umount = attempt(() => program.field('struct super_block', 's_umount').address(superBlock));
      const lock = use(locksFact).locks.find(({ address }) => address === umount);
      const tasks = (lock?.waiters ?? [])
        .map(({ task }) => task)
        .filter((task) =>
          use(stacksFact)
            .of(task)
            .frames.some(({ func }) => func?.startsWith('thaw_super') === true),
        );
      const root = use(waitGraphFact).roots.find(({ target }) => {
        const obstacle = target?.obstacle;
        return obstacle?.kind === 'file-system' && obstacle.fileSystem.superBlock === superBlock;
      });
      const behind = new Set(root?.behind);
      const gated = tasks.some((task) => behind.has(task) && use(obstaclesFact).of(task) === undefined);
      return { tasks, stuck: gated };
    },
  }),
});
