/**
 * Tasks that wait for each other in a circle which does not lead through locks alone: one of them waits for a work item that
 * another one runs, say, or for the other end of a pipe. Circles of locks are told by `lock-pileup`.
 */
import { hex } from '../../base/address.ts';
import { blocked } from '../../model/condition.ts';
import { defineDetector, needsTypes } from '../../model/diagnosis.ts';
import type { Evidence, Finding, Remedy } from '../../model/finding.ts';
import { address, ctype, plural, type Prose, prose, task as taskValue } from '../../model/value.ts';
import type { WaitTarget } from '../facts/wait-graph.ts';
import { type WaitStory, waitStoriesFact } from '../facts/wait-story.ts';
import { type CircleLink, type CircleVerdict, waitVerdictsFact } from '../facts/wait-verdicts.ts';

export default defineDetector({
  id: 'wait-cycle',
  title: 'Tasks that wait for each other',
  summary: 'A circle of waits through locks, work items and whatever else a task has to act on: none can go on.',
  needs: { verdicts: waitVerdictsFact, stories: waitStoriesFact },
  appliesTo: needsTypes,
  run: ({ verdicts, stories }) =>
    verdicts.all.flatMap((verdict) =>
      verdict.kind === 'circle' ? [findingOf(verdict, stories.of(verdict.root))] : [],
    ),
});

function findingOf(verdict: CircleVerdict, { lines, details }: WaitStory): Finding {
  const { links, confidence, root } = verdict;
  const remedies = remediesOf(links);
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
    story: [
      ...links.map((link, i) => ({ topic: 'why', text: linkText(links, link, i) }) as const),
      ...lines,
      { topic: 'clears', text: ['No: none of them can go on before another does.'] },
      ...remedies.slice(0, 1).map(({ action }) => ({ topic: 'remedy', text: action }) as const),
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

function remediesOf(links: readonly CircleLink[]): readonly Remedy[] {
  const mortal = links.find(({ task }) => task.state.killable && !task.kthread)?.task;
  const end: Remedy =
    mortal === undefined
      ? {
          action: [
            'Restart the machine: none of the tasks in the circle can be killed out of it, as their sleep does not end on a signal.',
          ],
        }
      : {
          action: prose`Kill ${taskValue(mortal)}: its sleep (state ${mortal.state.letter}) ends on SIGKILL, and the one that waits for it goes on.`,
          caution: ['check that it is the same program; what it was doing is lost.'],
        };
  const work = links.find(({ target }) => target.ctype === 'struct work_struct');
  const lock = links.find(({ target }) => target.lock !== undefined);
  if (work === undefined || lock === undefined) return [end];
  const mend = prose`Mend the code: who waits ${work.target.text} must not have a lock that the work item needs itself.`;
  return [end, { action: mend }];
}
