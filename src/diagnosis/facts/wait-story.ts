/**
 * What the first screen tells of those who wait behind the end of a chain: how many, of which command, for which locks in
 * the middle, who launched them, since when. For detectors of ends that are no locks.
 */
import type { Task } from '../../kernel/sched.ts';
import { defineFact, type FactContext } from '../../model/diagnosis.ts';
import type { Finding, StoryLine } from '../../model/finding.ts';
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
import { crowdText, listed } from './crowd-text.ts';
import { type Arrivals, growthFact, isLong, sparkOf } from './growth.ts';
import { launchersFact } from './launchers.ts';
import { cgroupData, cgroupText, taskCgroupsFact } from './task-cgroups.ts';
import { PILE_UP } from './thresholds.ts';
import { waitGraphFact, type WaitRoot, type WaitTarget } from './wait-graph.ts';

/** Queues in the middle that are told of. */
const MAX_QUEUES = 3;

export interface WaitStory {
  /** Who waits, for what, and who launched them. */
  readonly lines: readonly StoryLine[];
  readonly details: { readonly [key: string]: Data };
  /** Part of the finding: how those grew in number who wait. */
  readonly grown: Pick<Finding, 'growth'>;
}

export interface WaitStories {
  /**
   * @param told - those that the title counts, where these are not all that are behind it
   * @param direct - who waits for the end itself: fits after 'Of these'
   */
  of(root: WaitRoot, told?: readonly Task[], direct?: Prose): WaitStory;
}

export const waitStoriesFact = defineFact<WaitStories>({
  id: 'wait-stories',
  derive: (context) => ({ of: (root, told = root.behind, direct = []) => storyOf(context, root, told, direct) }),
});

function storyOf(context: FactContext, root: WaitRoot, told: readonly Task[], direct: Prose): WaitStory {
  const middle = middleOf(context, root);
  const groups = [...Map.groupBy(told, ({ comm }) => comm).values()].sort((a, b) => b.length - a.length);
  const all = [...root.cycle, ...told];
  const arrivals = context.use(growthFact).of(all);
  const cgroups = context.use(taskCgroupsFact).among(all);
  const since = sinceText(arrivals);
  return {
    lines: [
      ...whoLine(context, groups),
      ...queueLines(context, root, new Set(told), middle, direct),
      ...furtherLine(root, told),
      ...launchLine(context, groups[0] ?? []),
      ...(cgroups.common === undefined || all.length < PILE_UP
        ? []
        : [{ topic: 'launcher', text: prose`${cgroupText(cgroups)}.` } as const]),
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
      cgroups: cgroupData(cgroups),
    },
    grown: arrivals.growth === undefined ? {} : { growth: arrivals.growth },
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

function whoLine({ use }: FactContext, groups: readonly (readonly Task[])[]): readonly StoryLine[] {
  const waits = groups.map((group) => group.map((task) => ({ task, wait: use(clockFact).offCpu(task) })));
  const text = crowdText(waits);
  return text.length === 0 ? [] : [{ topic: 'waiters', text }];
}

/** What those wait for who do not wait for the end itself, as far as no sentence of the finding tells it. */
function queueLines(
  context: FactContext,
  { cycle }: WaitRoot,
  told: ReadonlySet<Task>,
  middle: readonly WaitTarget[],
  direct: Prose,
): readonly StoryLine[] {
  const circle = circleLine(context, cycle, told);
  const queues = middle
    .map((target) => ({ target, number: numberOf([target], told) }))
    .filter(({ number }) => number > 0)
    .sort((a, b) => b.number - a.number);
  const shown = queues.slice(0, queues.length > MAX_QUEUES + 1 ? MAX_QUEUES : undefined);
  const rest = queues.slice(shown.length).reduce((sum, { number }) => sum + number, 0);
  const lines = [
    ...(direct.length === 0 ? [] : [direct]),
    ...circle,
    ...shown.map(({ target, number }) => middleText(context, target, number)),
    ...(rest === 0 ? [] : [prose`${plural(rest, 'more waits', 'more wait')} for other locks that one of them has.`]),
  ];
  return lines.map((text, i): StoryLine => ({ topic: 'waiters', text: i === 0 ? prose`Of these ${text}` : text }));
}

const numberOf = (targets: readonly WaitTarget[], told: ReadonlySet<Task>): number =>
  targets.reduce((sum, { waiters }) => sum + waiters.filter((task) => told.has(task)).length, 0);

/** Who waits for what one of the circle has: its locks one by one, and the rest by the task that has to act. */
function circleLine({ use }: FactContext, cycle: readonly Task[], told: ReadonlySet<Task>): readonly Prose[] {
  const { heldBy } = use(waitGraphFact);
  const queues = cycle.flatMap((owner) => {
    const groups = Map.groupBy(heldBy(owner), ({ lock, ctype: type, address: at }) => (lock === undefined ? type : at));
    return [...groups.values()].map((targets) => ({ number: numberOf(targets, told), targets, owner }));
  });
  const parts = queues
    .filter(({ number }) => number > 0)
    .sort((a, b) => b.number - a.number)
    .map(({ number, targets, owner }, i): Prose => {
      const [first, ...others] = targets;
      const why = first?.owners.find(({ task }) => task === owner)?.why;
      const what =
        first !== undefined && others.length === 0
          ? first.text
          : prose`for ${taskValue(owner)}${why === undefined ? '' : ` (${why})`}`;
      return prose`${i === 0 ? plural(number, 'waits', 'wait') : count(number)} ${what}`;
    });
  return parts.length === 0 ? [] : [prose`${listed(parts)}.`];
}

function middleText({ use }: FactContext, { text, owners }: WaitTarget, number: number): Prose {
  const [owner] = owners;
  const what = prose`${plural(number, 'waits', 'wait')} ${text}`;
  if (owner === undefined) return prose`${what}.`;
  const next = use(waitGraphFact).targetOf(owner.task);
  const has = owner.certainty === 'exact' ? 'has it' : 'has it, by its stack,';
  return prose`${what}: ${taskValue(owner.task)} ${has} and waits ${next?.text ?? ['as well']}.`;
}

function furtherLine({ further }: WaitRoot, told: readonly Task[]): readonly StoryLine[] {
  const rest = further.filter((task) => !told.includes(task)).length;
  if (rest === 0) return [];
  const who = plural(rest, 'more task waits', 'more tasks wait');
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
      ? prose`${taskValue(only)}`
      : prose`${plural(level.tasks.length, 'process', 'processes')} named ${name(level.comm)}`;
  const all = level.started === group.length ? 'all ' : '';
  return [
    { topic: 'launcher', text: prose`${who}: ${all}${plural(level.started, 'task')} named ${name(first.comm)}.` },
  ];
}

function sinceText(arrivals: Arrivals): Prose | undefined {
  const { first, last, known } = arrivals;
  if (first === undefined || last === undefined) return undefined;
  if (known === 1) return prose`${duration(first)} before the crash.`;
  const drawn = isLong(arrivals) ? prose`, growing ${sparkOf(arrivals)}` : [];
  return prose`the first began to wait ${duration(first)} before the crash, the last ${duration(last)}${drawn}.`;
}
