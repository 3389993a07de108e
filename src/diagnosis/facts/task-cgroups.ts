/**
 * Which cgroup tasks are in, and whether a crowd of them comes out of one: of the version 2 hierarchy where it sorts tasks,
 * else of systemd's own or the memory controller's in version 1. Paths are those of the hierarchy, not of a container.
 */
import type { VirtAddr } from '../../base/address.ts';
import { attempt } from '../../base/errors.ts';
import { cgroupOfSet, cgroupPath, namedCgroup, taskCssSet } from '../../kernel/cgroup.ts';
import type { Task } from '../../kernel/sched.ts';
import { defineFact, type FactContext } from '../../model/diagnosis.ts';
import { count, type Data, name, type Prose, prose } from '../../model/value.ts';
import { tasksFact } from './tasks.ts';
import { SAME_CGROUP } from './thresholds.ts';

export interface CgroupCount {
  readonly path: string;
  readonly tasks: number;
}

export interface CgroupShare {
  /** Most tasks first. */
  readonly groups: readonly CgroupCount[];
  /** Whose cgroup is not known. */
  readonly unknown: number;
  /**
   * The deepest cgroup that, with those below it, holds most of them; undefined when that is the root, or when nobody else
   * is outside of it, so that it tells nothing.
   */
  readonly common: CgroupCount | undefined;
}

export interface TaskCgroups {
  /** '/system.slice/cron.service'; undefined when it is not known. */
  of(task: Task): string | undefined;
  among(tasks: Iterable<Task>): CgroupShare;
}

/** Longer ones come from damaged names. */
const MAX_PATH = 4096;
/** More levels than anybody nests. */
const MAX_LEVELS = 64;
/** More is not listed: a machine may have thousands of them. */
const MAX_LISTED = 10;

export const taskCgroupsFact = defineFact<TaskCgroups>({
  id: 'task-cgroups',
  derive(context) {
    const { program } = context;
    const paths = new Map<VirtAddr, string | undefined>();
    const of = ({ address }: Task): string | undefined => {
      const set = attempt(() => taskCssSet(program, address));
      if (set === undefined) return undefined;
      if (!paths.has(set)) paths.set(set, pathOfSet(context, set));
      return paths.get(set);
    };
    return { of, among: (tasks) => shareOf(context, new Set(tasks), of) };
  },
});

function pathOfSet({ program }: FactContext, set: VirtAddr): string | undefined {
  const ways = [
    (): VirtAddr | undefined => cgroupOfSet(program, set),
    (): VirtAddr | undefined => namedCgroup(program, set, 'systemd'),
    (): VirtAddr | undefined => cgroupOfSet(program, set, 'memory'),
  ];
  let found: string | undefined;
  for (const way of ways) {
    const path = attempt(() => {
      const group = way();
      return group === undefined ? undefined : cgroupPath(program, group);
    });
    if (path === undefined || path.length > MAX_PATH) continue;
    // In the root of a hierarchy nobody is sorted.
    if (path !== '/') return path;
    found = path;
  }
  return found;
}

function shareOf({ use }: FactContext, tasks: ReadonlySet<Task>, of: (task: Task) => string | undefined): CgroupShare {
  const counts = new Map<string, number>();
  let unknown = 0;
  for (const task of tasks) {
    const path = of(task);
    if (path === undefined) unknown++;
    else counts.set(path, (counts.get(path) ?? 0) + 1);
  }
  const groups = [...counts]
    .map(([path, number]): CgroupCount => ({ path, tasks: number }))
    .sort((a, b) => b.tasks - a.tasks || (a.path < b.path ? -1 : 1));
  const common = commonOf(groups);
  const isElsewhere = (task: Task): boolean => {
    const path = task.kthread || tasks.has(task) ? undefined : of(task);
    return path !== undefined && common !== undefined && !isInside(path, common.path);
  };
  const tells = common !== undefined && (common.tasks < sum(groups) || use(tasksFact).tasks.some(isElsewhere));
  return { groups, unknown, common: tells ? common : undefined };
}

const sum = (groups: readonly CgroupCount[]): number => groups.reduce((all, { tasks }) => all + tasks, 0);

const isInside = (path: string, group: string): boolean => path === group || path.startsWith(`${group}/`);

/** Down from the root, as long as one child has most of all of them. */
function commonOf(groups: readonly CgroupCount[]): CgroupCount | undefined {
  const all = sum(groups);
  let at: CgroupCount | undefined;
  for (let level = 1; level <= MAX_LEVELS; level++) {
    const children = new Map<string, number>();
    for (const { path, tasks } of groups) {
      const prefix = path.split('/', level + 1).join('/');
      const isBelow = prefix.length > (at?.path.length ?? 1) && isInside(prefix, at?.path ?? '');
      if (isBelow) children.set(prefix, (children.get(prefix) ?? 0) + tasks);
    }
    const [most] = [...children].sort((a, b) => b[1] - a[1]);
    if (most === undefined || most[1] < all * SAME_CGROUP) break;
    at = { path: most[0], tasks: most[1] };
  }
  return at;
}

/** '58 of the 60 are in cgroup /system.slice/cron.service'; only where there is a common one. */
export function cgroupText({ groups, common }: CgroupShare): Prose {
  if (common === undefined) return [];
  const all = sum(groups);
  const who = common.tasks === all ? prose`all ${count(all)}` : prose`${count(common.tasks)} of the ${count(all)}`;
  const isAlone = groups.every(({ path }) => path === common.path || !isInside(path, common.path));
  return prose`${who} are in cgroup ${name(common.path)}${isAlone ? '' : ' and below it'}`;
}

/** Keys: docs/json-schema.md, cgroups. */
export function cgroupData({ groups, unknown, common }: CgroupShare): Data {
  if (groups.length === 0) return undefined;
  const listed = ({ path, tasks }: CgroupCount): Data => ({ path: name(path), tasks: count(tasks) });
  return {
    common: common === undefined ? undefined : listed(common),
    groups: groups.slice(0, MAX_LISTED).map(listed),
    more: groups.length > MAX_LISTED ? count(groups.length - MAX_LISTED) : undefined,
    unknown: unknown === 0 ? undefined : count(unknown),
  };
}
