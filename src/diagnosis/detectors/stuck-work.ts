/**
 * A work item of a workqueue does not end, and tasks that flush it, or its workqueue, wait for it, some of them with locks
 * that others need. Whether it never ends cannot be read from structures: it is argued from how long its worker has not run.
 */
import { hex } from '../../base/address.ts';
import { blocked } from '../../model/condition.ts';
import { defineDetector, needsTypes } from '../../model/diagnosis.ts';
import { type Evidence, type Finding, type Remedy, remedyLines } from '../../model/finding.ts';
import {
  address,
  command,
  ctype,
  duration,
  name,
  plural,
  type Prose,
  prose,
  symbol,
  task as taskValue,
} from '../../model/value.ts';
import { leavesFact } from '../facts/wait-leaves.ts';
import { waitGraphFact, type WaitTarget } from '../facts/wait-graph.ts';
import { type WaitStory, waitStoriesFact } from '../facts/wait-story.ts';
import { waitVerdictsFact, type WorkVerdict } from '../facts/wait-verdicts.ts';
import { workPlacesFact, type WorkPlace } from '../facts/work-places.ts';

export default defineDetector({
  id: 'stuck-work',
  title: 'Work items that do not end',
  summary: 'A kernel worker that sleeps in one work item stops everybody who flushes it, and what these hold.',
  needs: {
    verdicts: waitVerdictsFact,
    stories: waitStoriesFact,
    graph: waitGraphFact,
    leaves: leavesFact,
    places: workPlacesFact,
  },
  appliesTo: needsTypes,
  run: ({ verdicts, stories, graph, leaves, places }) =>
    verdicts.all.flatMap((verdict) => {
      if (verdict.kind !== 'work') return [];
      const doing = leaves.of(verdict.root).text;
      const held = graph.heldBy(verdict.task);
      const behind = verdict.stalled === undefined ? flushText(held) : queuedText(held);
      const story = stories.of(verdict.root, verdict.root.behind, behind);
      return [findingOf(verdict, story, held, doing, places.of(verdict.task))];
    }),
});

function findingOf(
  verdict: WorkVerdict,
  { lines, details, grown }: WaitStory,
  held: readonly WaitTarget[],
  doing: Prose,
  place: WorkPlace,
): Finding {
  const { task, worker, root, confidence, offCpu, stalled } = verdict;
  const what = workText(verdict, place);
  const since = sinceText(verdict);
  const seen = offCpu ?? stalled;
  const remedies = remediesOf(verdict, place);
  const item = worker.work ?? worker.worker;
  return {
    detector: 'stuck-work',
    cause: 'work-item-stuck',
    role: 'cause',
    title: prose`${plural(root.behind.length, 'task waits', 'tasks wait')}, directly or not, for ${what}, which does not end.`,
    confidence,
    because:
      confidence === 'probable'
        ? ['argued from the age of the oldest wait, not proved by structure']
        : stalled === undefined
          ? prose`argued from the ${duration(offCpu ?? 0n)} that the worker has not run, which all who wait came after`
          : prose`argued from the ${duration(stalled)} in which the CPU of its worker began no other work: all who wait came in that time`,
    weight: root.behind.length,
    explains: root.behind.map((each) => blocked(each.address)),
    restsOn: [blocked(task.address)],
    ...grown,
    story: [
      {
        topic: 'why',
        text:
          stalled === undefined
            ? prose`${taskValue(task)}, a kernel worker, runs it, ${doing}${since}.`
            : prose`${taskValue(task)}, a kernel worker, ${doing}${since}.`,
      },
      {
        topic: 'holder',
        text: prose`${taskValue(task)}, state ${task.state.letter}, a kernel worker.`,
        // The reason names it.
        detail: true,
      },
      {
        topic: 'proof',
        text: prose`${symbol('current_work')} of ${ctype('struct worker')} ${address(worker.worker)} is ${ctype('struct work_struct')} ${address(item)}; by hand: ${command(`struct worker.current_work,current_func ${hex(worker.worker)}`)}.`,
      },
      ...lines,
      {
        topic: 'clears',
        text: prose`Not in ${seen === undefined ? ['all that time'] : prose`the ${duration(seen)}`} seen so far; it may yet, if ${stalled === undefined ? 'what the work item waits for comes' : 'the work item comes to its end'}.`,
      },
      ...remedyLines(remedies, 1),
    ],
    evidence: [
      runsEvidence(verdict, place),
      ...stallEvidence(verdict),
      ...held.map((target) => heldEvidence(verdict, target)),
    ],
    remedies,
    details: {
      ...details,
      culprit: taskValue(task),
      resource: { address: address(item), ctype: ctype('struct work_struct') },
      function: worker.func === undefined ? undefined : symbol(worker.func),
      module: place.module === undefined ? undefined : name(place.module),
      workqueue: place.queue === undefined ? undefined : name(place.queue),
      offCpu: offCpu === undefined ? undefined : duration(offCpu),
      stalled: stalled === undefined ? undefined : duration(stalled),
    },
  };
}

function sinceText({ offCpu, stalled }: WorkVerdict): Prose {
  if (stalled !== undefined)
    return prose`; a CPU begins no other work as long as one of its workers runs, and this one has begun none for ${duration(stalled)}`;
  return offCpu === undefined ? [] : prose`, and has not run for ${duration(offCpu)}`;
}

function stallEvidence({ worker, stalled }: WorkVerdict): readonly Evidence[] {
  if (stalled === undefined) return [];
  return [
    {
      claim: prose`Work stands in the list of its pool, which began some last ${duration(stalled)} before the crash, by ${symbol('watchdog_ts')} of ${ctype('struct worker_pool')}.`,
      address: worker.worker,
      ctype: 'struct worker',
      confidence: 'certain',
      show: `struct worker.pool ${hex(worker.worker)}`,
    },
  ];
}

/** 'the work item fwsync_talk of the workqueue fwsync'. */
function workText({ worker }: WorkVerdict, { queue }: WorkPlace): Prose {
  const which = worker.func === undefined ? 'a work item' : prose`the work item ${symbol(worker.func)}`;
  return prose`${which}${queue === undefined ? '' : prose` of the workqueue ${name(queue)}`}`;
}

function flushText(held: readonly WaitTarget[]): Prose {
  const direct = held.filter(({ lock }) => lock === undefined);
  const number = direct.reduce((sum, { waiters }) => sum + waiters.length, 0);
  const what = direct.length === 1 ? ['it'] : ['it, its workqueue, or a work item behind it'];
  return prose`${plural(number, 'flushes', 'flush')} ${what}.`;
}

/** Of a worker that keeps its CPU from beginning other work. */
function queuedText(held: readonly WaitTarget[]): Prose {
  const number = held.reduce((sum, { waiters, lock }) => sum + (lock === undefined ? waiters.length : 0), 0);
  return prose`${plural(number, 'task waits', 'tasks wait')} for it, or for work that is queued behind it on that CPU.`;
}

function runsEvidence({ task, worker }: WorkVerdict, { module }: WorkPlace): Evidence {
  const of = module === undefined ? '' : prose` of module ${name(module)}`;
  return {
    claim: prose`${taskValue(task)} runs ${symbol(worker.func ?? '?')}${of}, by current_work and current_func of its worker.`,
    address: worker.worker,
    ctype: 'struct worker',
    confidence: 'certain',
    show: `struct worker.current_work,current_func ${hex(worker.worker)}`,
  };
}

function heldEvidence({ task }: WorkVerdict, target: WaitTarget): Evidence {
  const owner = target.owners.find((each) => each.task === task);
  const exact = owner?.certainty === 'exact';
  return {
    claim: prose`${plural(target.waiters.length, 'task waits', 'tasks wait')} ${target.text}: ${owner?.why ?? ''}.`,
    address: target.address,
    ctype: target.ctype,
    confidence: exact ? 'certain' : 'probable',
    ...(exact ? {} : { because: ['that it is this worker is inferred'] }),
    show: `${target.ctype} ${hex(target.address)}`,
  };
}

function remediesOf({ worker, stalled }: WorkVerdict, { module }: WorkPlace): readonly Remedy[] {
  const whose = module === undefined ? '' : prose` of module ${name(module)}`;
  if (stalled !== undefined)
    return [
      {
        action: prose`Killing helps nobody: a kernel worker cannot be killed. Bring about what ${symbol(worker.func ?? 'the work item')}${whose} needs to come to its end (reset its device), or restart the machine. It comes back until ${symbol(worker.func ?? 'the work item')} is mended${module === undefined ? '' : prose`, or the module ${name(module)} updated`}.`,
      },
      {
        action: prose`Mend ${symbol(worker.func ?? 'the work item')}${whose}: it must come to an end, and work that runs for long belongs on a workqueue with WQ_UNBOUND or WQ_CPU_INTENSIVE.`,
      },
    ];
  return [
    {
      action: prose`Killing helps nobody: a kernel worker cannot be killed, nor can those who sleep uninterruptibly behind it. Bring about what ${symbol(worker.func ?? 'the work item')}${whose} waits for (reset its device), or restart the machine. It comes back until that has a timeout${module === undefined ? '' : prose`: mend or update the module ${name(module)}`}.`,
    },
    { action: prose`Mend ${symbol(worker.func ?? 'the work item')}${whose}: it must not wait without a timeout.` },
  ];
}
