/**
 * What the first screen tells of those who wait behind the end of a chain: how many, of which command, for which locks in
 * the middle, who launched them, since when. For detectors of ends that are no locks.
 */
import type { Task } from '../../kernel/sched.ts';
import { defineFact, type FactContext } from '../../model/diagnosis.ts';
import type { StoryLine } from '../../model/finding.ts';
import {
  address,
  count,
  ctype,
  type Data,
  duration,
  name,
  plural,
  type Prose,
  prose,
  task as taskValue,
} from '../../model/value.ts';
import { clockFact } from './clock.ts';
import { launchersFact } from './launchers.ts';
import { PILE_UP } from './thresholds.ts';
import { waitGraphFact, type WaitRoot, type WaitTarget } from './wait-graph.ts';

/** Groups of waiters, and locks in the middle, that are told of. */
const MAX_LINES = 3;

export interface WaitStory {
  /** Who waits, for what, and who launched them. */
  readonly lines: readonly StoryLine[];
  readonly details: { readonly [key: string]: Data };
}

export interface WaitStories {
  of(root: WaitRoot): WaitStory;
}

export const waitStoriesFact = defineFact<WaitStories>({
  id: 'wait-stories',
  derive: (context) => ({ of: (root) => storyOf(context, root) }),
});

function storyOf(context: FactContext, root: WaitRoot): WaitStory {
  const middle = middleOf(context, root);
  const groups = [...Map.groupBy(root.behind, ({ comm }) => comm).values()].sort((a, b) => b.length - a.length);
  const since = sinceText(context, [...root.cycle, ...root.behind]);
  return {
    lines: [
      ...middle
        .slice(0, MAX_LINES)
        .map((target): StoryLine => ({ topic: 'waiters', text: middleText(context, target) })),
      ...groups.slice(0, MAX_LINES).map((group): StoryLine => ({ topic: 'waiters', text: groupText(context, group) })),
      ...restLine(groups),
      ...furtherLine(root),
      ...launchLine(context, groups[0] ?? []),
      ...(since === undefined ? [] : [{ topic: 'since', text: since } as const]),
    ],
    details: {
      behind: count(root.behind.length),
      inCircle: root.cycle.length === 0 ? undefined : count(root.cycle.length),
      inferred: root.further.length === 0 ? undefined : count(root.further.length),
      locksBehind: middle.map((target) => ({
        address: address(target.address),
        type: ctype(target.ctype),
        waiters: count(target.waiters.length),
        holder: target.owners[0] === undefined ? undefined : taskValue(target.owners[0].task),
      })),
    },
  };
}

/** Locks that are held by one who waits for the end itself: none of them is to blame. */
function middleOf({ use }: FactContext, { behind, cycle }: WaitRoot): readonly WaitTarget[] {
  const inside = new Set(behind);
  const closed = new Set(cycle);
  return use(waitGraphFact)
    .targets.filter(
      ({ lock, owners, waiters }) =>
        lock !== undefined &&
        owners.some(({ task }) => inside.has(task)) &&
        waiters.some((task) => inside.has(task) || closed.has(task)),
    )
    .toSorted((a, b) => b.waiters.length - a.waiters.length);
}

function middleText({ use }: FactContext, { text, waiters, owners }: WaitTarget): Prose {
  const [owner] = owners;
  const what = prose`${plural(waiters.length, 'waits', 'wait')} ${text}`;
  if (owner === undefined) return prose`${what}.`;
  const next = use(waitGraphFact).targetOf(owner.task);
  const has = owner.certainty === 'exact' ? 'has it' : 'has it, by its stack,';
  return prose`${what}: ${taskValue(owner.task)} ${has} and waits ${next?.text ?? ['as well']}.`;
}

function groupText({ use }: FactContext, group: readonly Task[]): Prose {
  const waits = group.map((task) => ({ task, wait: use(clockFact).offCpu(task) }));
  const longest = waits.reduce((a, b) => ((b.wait ?? -1n) > (a.wait ?? -1n) ? b : a));
  const { task, wait } = longest;
  const since = wait === undefined ? '' : prose`, for ${duration(wait)}`;
  if (group.length === 1) return prose`${taskValue(task)}${since}.`;
  return prose`${plural(group.length, 'task')} named ${name(task.comm)}; longest: ${taskValue(task)}${since}.`;
}

function restLine(groups: readonly (readonly Task[])[]): readonly StoryLine[] {
  const rest = groups.slice(MAX_LINES);
  const number = rest.reduce((sum, group) => sum + group.length, 0);
  if (number === 0) return [];
  return [{ topic: 'waiters', text: prose`${plural(number, 'more task', 'more tasks')}, of other commands.` }];
}

function furtherLine({ further }: WaitRoot): readonly StoryLine[] {
  if (further.length === 0) return [];
  const who = plural(further.length, 'more task waits', 'more tasks wait');
  return [{ topic: 'waiters', detail: true, text: prose`${who} for one of these, as far as can be inferred.` }];
}

function launchLine({ use }: FactContext, group: readonly Task[]): readonly StoryLine[] {
  const [first] = group;
  if (first === undefined || group.length < PILE_UP) return [];
  const [level] = use(launchersFact).of(group).levels;
  const [only, ...others] = level?.tasks ?? [];
  if (level === undefined || only === undefined) return [];
  const who =
    others.length === 0
      ? prose`one ${taskValue(only)}`
      : prose`${plural(level.tasks.length, 'process', 'processes')} named ${name(level.comm)}`;
  return [{ topic: 'launcher', text: prose`${plural(level.started, 'task')} named ${name(first.comm)} by ${who}.` }];
}

function sinceText({ use }: FactContext, tasks: readonly Task[]): Prose | undefined {
  const waits = tasks.map((task) => use(clockFact).offCpu(task)).filter((wait) => wait !== undefined);
  if (waits.length === 0) return undefined;
  const most = waits.reduce((a, b) => (a > b ? a : b));
  const least = waits.reduce((a, b) => (a < b ? a : b));
  if (waits.length === 1) return prose`${duration(most)} before the crash.`;
  return prose`the first of them ${duration(most)} before the crash, the last ${duration(least)}.`;
}
