/** How a crowd of waiting tasks is told in one sentence, so that all of them add up. */
import type { Nanoseconds } from '../../base/units.ts';
import type { Task } from '../../kernel/sched.ts';
import { count, duration, name, plural, type Prose, prose, task as taskValue } from '../../model/value.ts';

/** Commands that are told of. */
const MAX_COMMANDS = 4;

interface Waiting {
  readonly task: Task;
  readonly wait: Nanoseconds | undefined;
}

/**
 * '16 tasks named dovecot, 8 named mongod and 2 more; longest: dovecot (pid 156), for 12.6 s.'
 * @param groups - tasks of one command each, the largest group first
 * @returns empty where nobody waits
 */
export function crowdText(groups: readonly (readonly Waiting[])[]): Prose {
  const [first, ...others] = groups.flat();
  if (first === undefined) return [];
  const total = others.length + 1;
  const shown = groups.slice(0, groups.length > MAX_COMMANDS + 1 ? MAX_COMMANDS : undefined);
  const rest = total - shown.reduce((sum, group) => sum + group.length, 0);
  const parts = shown.flatMap((group, i): readonly Prose[] => {
    const [one] = group;
    if (one === undefined) return [];
    if (group.length === 1) return [prose`${taskValue(one.task)}`];
    return [prose`${i === 0 ? plural(group.length, 'task') : count(group.length)} named ${name(one.task.comm)}`];
  });
  if (rest > 0) parts.push(prose`${count(rest)} more`);
  const { task, wait } = others.reduce((a, b) => ((b.wait ?? -1n) > (a.wait ?? -1n) ? b : a), first);
  const since = wait === undefined ? [] : prose`, for ${duration(wait)}`;
  return prose`${listed(parts)}${total === 1 ? since : prose`; longest: ${taskValue(task)}${since}`}.`;
}

/** 'a', 'a and b', 'a, b and c'. */
export function listed(parts: readonly Prose[]): Prose {
  return parts.flatMap((part, i): Prose => [i === 0 ? '' : i === parts.length - 1 ? ' and ' : ', ', ...part]);
}
