/**
 * Who started a set of processes: the same question asked level by level, by parents; where the parent is gone (init
 * adopted the process), by session, terminal or process group, which outlive it.
 */
import { attempt } from '../../base/errors.ts';
import { jobIds } from '../../kernel/pid.ts';
import type { Task } from '../../kernel/sched.ts';
import { defineFact } from '../../model/diagnosis.ts';
import { tasksFact } from './tasks.ts';

/** One level of launchers: the processes of one name that started those of the level before. */
export interface LaunchLevel {
  readonly comm: string;
  /** Distinct processes, lowest pid first. */
  readonly tasks: readonly Task[];
  /** How many of the level before they started. */
  readonly started: number;
}

/** Processes whose parent is init: it started them, or adopted them when their own was gone. What these share. */
export interface Orphans {
  readonly count: number;
  /** 'session 412', 'terminal pts0', 'process group 88': what most of them share, and how many do. */
  readonly shared:
    | { readonly kind: 'session' | 'terminal' | 'process group'; readonly id: string; readonly count: number }
    | undefined;
}

export interface Launch {
  /** From the nearest launchers outwards; ends below init. */
  readonly levels: readonly LaunchLevel[];
  readonly orphans: Orphans | undefined;
  /** How many have a parent that could not be read. */
  readonly unread: number;
}

export interface Launchers {
  of(tasks: readonly Task[]): Launch;
}

const MAX_LEVELS = 8;
const INIT_PID = 1;

export const launchersFact = defineFact<Launchers>({
  id: 'launchers',
  derive({ program, use }) {
    const { parentOf, byAddress } = use(tasksFact);
    const leaderOf = (task: Task): Task =>
      (task.groupLeader === undefined ? undefined : byAddress.get(task.groupLeader)) ?? task;

    function orphansOf(tasks: readonly Task[]): Orphans | undefined {
      const orphans = tasks.filter((task) => parentOf(task)?.pid === INIT_PID);
      if (orphans.length === 0) return undefined;
      const votes = new Map<string, { kind: 'session' | 'terminal' | 'process group'; id: string; count: number }>();
      for (const task of orphans) {
        const ids = attempt(() => jobIds(program, task.address));
        // A process that leads its own session or group shares nothing with it.
        const session = ids?.session === task.pid ? undefined : ids?.session;
        const group = ids?.processGroup === task.pid ? undefined : ids?.processGroup;
        const choice =
          session !== undefined
            ? ({ kind: 'session', id: String(session) } as const)
            : ids?.tty !== undefined
              ? ({ kind: 'terminal', id: ids.tty } as const)
              : group !== undefined
                ? ({ kind: 'process group', id: String(group) } as const)
                : undefined;
        if (choice === undefined) continue;
        const key = `${choice.kind} ${choice.id}`;
        votes.set(key, { ...choice, count: (votes.get(key)?.count ?? 0) + 1 });
      }
      const [shared] = [...votes.values()].sort((a, b) => b.count - a.count);
      return { count: orphans.length, shared };
    }

    return {
      of(tasks) {
        const levels: LaunchLevel[] = [];
        const processes = new Set(tasks.map(leaderOf));
        const orphans = orphansOf([...processes]);
        let level: readonly Task[] = [...processes];
        // Only in a damaged dump do parents run in a circle.
        const seen = new Set<Task>();
        while (levels.length < MAX_LEVELS) {
          const parents = level
            .map(parentOf)
            .filter((p): p is Task => p !== undefined && p.pid > INIT_PID && !p.kthread && !seen.has(p));
          if (parents.length === 0) break;
          const byComm = Map.groupBy(parents, (parent) => parent.comm);
          const [most] = [...byComm].sort((a, b) => b[1].length - a[1].length);
          if (most === undefined) break;
          const distinct = [...new Set(most[1])].sort((a, b) => a.pid - b.pid);
          for (const task of distinct) seen.add(task);
          levels.push({ comm: most[0], tasks: distinct, started: most[1].length });
          level = distinct;
        }
        const unread = [...processes].filter((task) => parentOf(task) === undefined).length;
        return { levels, orphans, unread };
      },
    };
  },
});
