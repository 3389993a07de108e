/**
 * A real-time task that has a CPU for itself: what is bound to this CPU, a kernel worker above all, never runs, and who waits
 * for its work never goes on. The queues of locks behind it are no cause; `lock-pileup` leaves them to this.
 */
import { blocked } from '../../model/condition.ts';
import { defineDetector, needsTypes } from '../../model/diagnosis.ts';
import { type Evidence, type Finding, type Remedy, remedyLines } from '../../model/finding.ts';
import {
  address,
  command,
  count,
  ctype,
  duration,
  plural,
  prose,
  type Prose,
  symbol,
  task as taskValue,
} from '../../model/value.ts';
import { killRemedy, type StarvationVerdict, starvationVerdictsFact } from '../facts/chain-ends.ts';
import type { Starvation } from '../facts/starvation.ts';
import { type WaitStory, waitStoriesFact } from '../facts/wait-story.ts';

export default defineDetector({
  id: 'cpu-starvation',
  title: 'CPUs that a real-time task has for itself',
  summary: 'What is bound to a CPU cannot run while a real-time task has it; who waits for that waits with it.',
  needs: { verdicts: starvationVerdictsFact, stories: waitStoriesFact },
  appliesTo: needsTypes,
  run: ({ verdicts, stories }) =>
    verdicts.map((verdict) => findingOf(verdict, stories.of(verdict.root, verdict.waiters))),
});

function findingOf(verdict: StarvationVerdict, { lines, details, grown }: WaitStory): Finding {
  const { starvation, waiters, confidence, cause } = verdict;
  const { by, cpu, rq, starved } = starvation;
  const remedies = remediesOf(starvation, waiters.length);
  const wait = waiters.length === 0 ? [] : prose`, and ${plural(waiters.length, 'more waits', 'more wait')} behind it`;
  return {
    detector: 'cpu-starvation',
    cause: 'cpu-starved-by-realtime-task',
    role: cause ? 'cause' : 'context',
    title: prose`${taskValue(by)} has CPU ${String(cpu)} for itself, with real-time priority: ${plural(starved.length, 'task gets', 'tasks get')} no turn on it${wait}.`,
    confidence,
    ...(confidence === 'certain' ? {} : { because: becauseOf(starvation) }),
    weight: Math.max(1, waiters.length),
    explains: [...starved.map(({ task }) => task), ...waiters].map((task) => blocked(task.address)),
    ...grown,
    story: [
      { topic: 'what', text: starvedText(starvation) },
      { topic: 'why', text: whyText(starvation) },
      { topic: 'proof', text: proofText(starvation) },
      ...lines,
      { topic: 'clears', text: clearsText(starvation) },
      ...remedyLines(remedies, 2),
    ],
    evidence: evidenceOf(starvation),
    remedies,
    details: {
      resource: { address: address(rq), ctype: 'struct rq' },
      culprit: taskValue(by),
      cpu,
      policy: starvation.class.policy,
      priority: starvation.class.priority,
      rtRuntimeUs: starvation.throttling.runtimeUs,
      fairServerNs:
        starvation.throttling.fairServer === undefined ? undefined : String(starvation.throttling.fairServer),
      starved: starved.map(({ task, queued }) => ({ task: taskValue(task), queued: duration(queued) })),
      victims: waiters.length,
      ...details,
    },
  };
}

function starvedText({ starved, cpu }: Starvation): Prose {
  const shown = starved
    .slice(0, 3)
    .map(({ task, queued }, i): Prose => prose`${i === 0 ? '' : ', '}${taskValue(task)} for ${duration(queued)}`);
  const more = starved.length > shown.length ? prose` and ${count(starved.length - shown.length)} more` : [];
  return prose`Ready to run on CPU ${String(cpu)}, and without a turn: ${shown.flat()}${more}.`;
}

function whyText({ by, throttling, class: { policy, priority } }: Starvation): Prose {
  const { runtimeUs, fairServer } = throttling;
  const kept =
    runtimeUs === -1
      ? prose` ${symbol('kernel.sched_rt_runtime_us')} is -1, so that the kernel keeps no time for others${fairServer === 0n ? ', and the fair server of the CPU is off as well' : ''}.`
      : fairServer === 0n
        ? prose` The fair server of this CPU, which keeps some time for others, is turned off.`
        : [];
  return prose`${taskValue(by)}, ${symbol(`SCHED_${policy}`)} with priority ${String(priority)}, never sleeps, and no task of a lower class runs before it does.${kept}`;
}

function proofText({ by, cpu, rq }: Starvation): Prose {
  return prose`${symbol('curr')} of ${ctype('struct rq')} ${address(rq)} is ${taskValue(by)}; the others stand in its queues, each since its ${symbol('sched_info.last_queued')}; by hand: ${command(`runq -c ${cpu}`)}.`;
}

function becauseOf({ sure }: Starvation): Prose {
  return sure
    ? ['they have waited for some seconds only']
    : ['it has not used as much CPU time as they have waited: others may have had the CPU in between'];
}

function clearsText({ by }: Starvation): Prose {
  return prose`Only when ${taskValue(by)} sleeps or loses its priority.`;
}

function remediesOf({ by, cpu, throttling }: Starvation, waiters: number): readonly Remedy[] {
  const out: Remedy[] = [
    {
      action: prose`Take its priority away, ${command(`chrt -o -p 0 ${by.pid}`)}, or let it sleep when it has nothing to do.`,
      verify: ['what it serves can bear to be slower.'],
    },
  ];
  if (throttling.runtimeUs === -1)
    out.push({
      action: prose`Let the kernel keep some time for others: ${command('sysctl kernel.sched_rt_runtime_us=950000')}.`,
      caution: ['real-time tasks are then held back for 50 ms of each second in which they do not sleep.'],
    });
  out.push(killRemedy(by, prose`${plural(waiters, 'waiter goes', 'waiters go')} on`));
  out.push({
    action: prose`Or keep work of the kernel off CPU ${String(cpu)}: ${command('isolcpus')}, ${command('nohz_full')} and the cpumask of workqueues.`,
  });
  return out;
}

function evidenceOf({ rq, by, starved, class: { policy, priority }, cpu }: Starvation): readonly Evidence[] {
  return [
    {
      claim: prose`curr of the run queue of CPU ${String(cpu)} is ${taskValue(by)}, policy SCHED_${policy}, rt_priority ${String(priority)}.`,
      address: rq,
      ctype: 'struct rq',
      confidence: 'certain',
      show: `runq -c ${cpu}`,
    },
    ...starved.slice(0, 3).map(
      ({ task, queued }): Evidence => ({
        claim: prose`${taskValue(task)} was queued there ${duration(queued)} ago (sched_info.last_queued) and has not run since.`,
        address: task.address,
        ctype: 'struct task_struct',
        confidence: 'certain',
        show: `struct task_struct.sched_info ${task.address.toString(16)}`,
      }),
    ),
  ];
}
