/**
 * Tasks that wait for each other in a circle which does not lead through locks alone: one of them waits for a work item that
 * another one runs, say, or for the other end of a pipe. Circles of locks are told by `lock-pileup`.
 */
import { hex } from '../../base/address.ts';
import { blocked } from '../../model/condition.ts';
import { defineDetector, needsTypes } from '../../model/diagnosis.ts';
import { type Evidence, type Finding, type Remedy, remedyLines } from '../../model/finding.ts';
import { address, command, ctype, plural, type Prose, prose, task as taskValue } from '../../model/value.ts';
import { killRemedy } from '../facts/chain-ends.ts';
import { type LockNames, lockNamesFact, modulesText } from '../facts/lock-names.ts';
import type { WaitTarget } from '../facts/wait-graph.ts';
import { type WaitStory, waitStoriesFact } from '../facts/wait-story.ts';
import { type CircleLink, type CircleVerdict, waitVerdictsFact } from '../facts/wait-verdicts.ts';

export default defineDetector({
  id: 'wait-cycle',
  title: 'Tasks that wait for each other',
  summary: 'A circle of waits through locks, work items and whatever else a task has to act on: none can go on.',
  needs: { verdicts: waitVerdictsFact, stories: waitStoriesFact, names: lockNamesFact },
  appliesTo: needsTypes,
  run: ({ verdicts, stories, names }) =>
    verdicts.all.flatMap((verdict) =>
      verdict.kind === 'circle' ? [findingOf(verdict, stories.of(verdict.root), names)] : [],
    ),
});

function findingOf(verdict: CircleVerdict, { lines, details, grown }: WaitStory, names: LockNames): Finding {
  const { links, confidence, root } = verdict;
  const remedies = remediesOf(links, names);
  return {
    detector: 'wait-cycle',
    cause: 'wait-cycle',
    role: 'cause',
    title: prose`Deadlock: ${plural(links.length, 'task waits', 'tasks wait')} for each other in a circle; ${plural(root.behind.length, 'more is', 'more are')} stuck behind it.`,
    confidence,
    ...(confidence === 'certain'
      ? {}
      : { because: ['a link of the circle is inferred: no structure names who has to act'] }),
    weight: links.length + root.behind.length,
    explains: [...root.cycle, ...root.behind].map((task) => blocked(task.address)),
    ...grown,
    story: [
      ...links.map((link, i) => ({ topic: 'why', text: linkText(links, link, i) }) as const),
      { topic: 'proof', text: proofText(links) },
      ...lines,
      { topic: 'clears', text: ['No: none of them can go on before another does.'] },
      ...remedyLines(remedies, 1),
    ],
    evidence: links.map((link, i) => evidenceOf(links, link, i)),
    remedies,
    details: {
      ...details,
      cycle: links.map(({ target }, i) => ({
        lock: address(target.address),
        type: ctype(target.ctype),
        holder: taskValue(nextOf(links, i).task),
      })),
    },
  };
}

const nextOf = (links: readonly CircleLink[], i: number): CircleLink => {
  const next = links[(i + 1) % links.length];
  if (next === undefined) throw new RangeError('a circle is never empty');
  return next;
};

function linkText(links: readonly CircleLink[], { task, target }: CircleLink, i: number): Prose {
  const next = nextOf(links, i).task;
  const verb = verbOf(target);
  if (verb !== undefined) return prose`${taskValue(task)} waits ${target.text}, which ${taskValue(next)} ${verb}.`;
  const why = target.owners.find((owner) => owner.task === next)?.why ?? 'it has to act';
  return prose`${taskValue(task)} waits ${target.text}, and so for ${taskValue(next)}: ${why}.`;
}

/** What in memory names those who have to act. */
function proofText(links: readonly CircleLink[]): Prose {
  const parts = links.map(({ task, target }, i): Prose => {
    const next = nextOf(links, i).task;
    const owner = target.owners.find((each) => each.task === next);
    const at = prose`${ctype(target.ctype)} ${address(target.address)}`;
    if (owner === undefined || verbOf(target) === undefined) return prose`${taskValue(task)} waits at ${at}`;
    if (owner.certainty !== 'exact') return prose`${at}: ${owner.why}`;
    if (target.lock !== undefined) return prose`${at} names ${taskValue(next)} as its owner`;
    return target.ctype === 'struct work_struct'
      ? prose`${at} is what ${taskValue(next)} runs`
      : prose`${at}: ${owner.why}`;
  });
  return prose`${parts.flatMap((part, i): Prose => [i === 0 ? '' : '; ', ...part])}; by hand: ${command('hang')}.`;
}

function verbOf({ lock, ctype: type }: WaitTarget): string | undefined {
  if (lock !== undefined) return 'has';
  return type === 'struct work_struct' || type === 'struct workqueue_struct' ? 'runs' : undefined;
}

function evidenceOf(links: readonly CircleLink[], { task, target }: CircleLink, i: number): Evidence {
  const next = nextOf(links, i).task;
  const owner = target.owners.find((each) => each.task === next);
  const exact = owner?.certainty === 'exact';
  return {
    claim: prose`${taskValue(task)} waits ${target.text}; ${taskValue(next)}: ${owner?.why ?? 'it has to act'}.`,
    address: target.address,
    ctype: target.ctype,
    confidence: exact ? 'certain' : 'probable',
    ...(exact ? {} : { because: ['who has to act is inferred'] }),
    show: `${target.ctype} ${hex(target.address)}`,
  };
}

function remediesOf(links: readonly CircleLink[], names: LockNames): readonly Remedy[] {
  const at = links.findIndex(({ task }) => task.state.killable && !task.kthread);
  const mortal = links[at]?.task;
  const waiter = links.at(at - 1)?.task;
  const locks = links.flatMap(({ target: { lock } }) => lock ?? []);
  const modules = modulesText(locks.map(({ address: at, kind }) => names.of(at, kind).module));
  const again = prose`it comes back until the order of the locking is mended${modules}.`;
  const end: Remedy =
    mortal === undefined || waiter === undefined
      ? {
          action: [
            'Restart the machine: none of the tasks in the circle can be killed out of it, as their sleep does not end on a signal.',
          ],
          ...(locks.length === 0 ? {} : { caution: again }),
        }
      : killRemedy(mortal, prose`${taskValue(waiter)}, which waits for it, goes on`);
  const work = links.find(({ target }) => target.ctype === 'struct work_struct');
  const lock = links.find(({ target }) => target.lock !== undefined);
  if (work === undefined || lock === undefined) return [end];
  const mend = prose`Mend the code: who waits ${work.target.text} must not have a lock that the work item needs itself.`;
  return [end, { action: mend }];
}
