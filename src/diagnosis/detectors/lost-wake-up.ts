/**
 * Tasks sleep for a lock that nobody holds, or a completion that is done: nobody woke them, and nobody is about to. Shown by
 * structure: the words of the lock, the sleep of the first in its queue, and that no CPU is where it would be woken.
 */
import { blocked } from '../../model/condition.ts';
import { defineDetector, needsTypes } from '../../model/diagnosis.ts';
import { type Finding, type Remedy, remedyLines } from '../../model/finding.ts';
import {
  address,
  command,
  count,
  ctype,
  duration,
  name,
  plural,
  prose,
  type Prose,
  task as taskValue,
} from '../../model/value.ts';
import { type LostWakeUp, lostWakeUpsFact } from '../facts/lost-wakeups.ts';
import { type WaitStory, waitStoriesFact } from '../facts/wait-story.ts';

export default defineDetector({
  id: 'lost-wake-up',
  title: 'Wake-ups that were lost',
  summary: 'A free lock, or a completion that is done, with sleepers in its queue: they sleep until somebody comes by.',
  needs: { lost: lostWakeUpsFact, stories: waitStoriesFact },
  appliesTo: needsTypes,
  run: ({ lost, stories }) => lost.map((each) => findingOf(each, stories.of(each.root))),
});

function findingOf(lost: LostWakeUp, { lines, details, grown }: WaitStory): Finding {
  const { target, root, first, wait, free, module } = lost;
  const { lock, waiters, text } = target;
  const total = root.behind.length;
  const isLock = lock !== undefined;
  const remedies = remediesOf(lost);
  const more = total > waiters.length ? prose`; ${count(total - waiters.length)} more wait behind them` : [];
  return {
    detector: 'lost-wake-up',
    cause: 'lost-wake-up',
    role: 'cause',
    title: prose`${plural(total, 'task waits', 'tasks wait')} ${text}${isLock ? ', which nobody holds' : ''}: a wake-up was lost.`,
    confidence: lost.sure ? 'certain' : 'probable',
    ...(lost.sure
      ? {}
      : { because: ['the stacks of some tasks that run could not be read: one of them may be about to wake them'] }),
    weight: total,
    explains: root.behind.map((task) => blocked(task.address)),
    ...grown,
    story: [
      {
        topic: 'what',
        text: prose`${plural(waiters.length, 'task sleeps', 'tasks sleep')} in the queue of ${ctype(target.ctype)} ${address(target.address)}${more}.`,
      },
      { topic: 'why', text: whyText(lost) },
      { topic: 'proof', text: proofText(lost) },
      ...lines,
      {
        topic: 'clears',
        text: [
          isLock
            ? 'Only when one more task takes the lock and gives it back: that wakes the first of them.'
            : 'Only when it is completed once more.',
        ],
      },
      ...remedyLines(remedies, 1),
    ],
    evidence: [
      {
        claim: prose`It is ${isLock ? 'free' : 'done'}: ${free}.`,
        address: target.address,
        ctype: target.ctype,
        confidence: 'certain',
        show: `${target.ctype} ${target.address.toString(16)}`,
      },
      {
        claim: prose`${taskValue(first)}, whose turn it is, sleeps (state ${first.state.letter}) and is on no list of tasks to be woken.`,
        address: first.address,
        ctype: 'struct task_struct',
        confidence: 'certain',
        show: `bt ${first.pid}`,
      },
      {
        claim: ['No task that runs or could run is in a function that wakes one or takes a lock.'],
        address: undefined,
        ctype: undefined,
        confidence: lost.sure ? 'certain' : 'probable',
        ...(lost.sure ? {} : { because: ['some stacks could not be read'] }),
        show: 'foreach RU bt',
      },
    ],
    remedies,
    details: {
      resource: { address: address(target.address), ctype: target.ctype },
      first: { task: taskValue(first), wait: duration(wait) },
      module: module === undefined ? undefined : name(module),
      free,
      victims: total,
      ...details,
    },
  };
}

function whyText({ first, wait, target }: LostWakeUp): Prose {
  const of = target.lock === undefined ? 'first in its queue' : 'whose turn it is';
  const ready = target.lock === undefined ? 'What they wait for has come' : 'Nobody holds the lock';
  return prose`${ready}, and yet ${taskValue(first)}, ${of}, has slept for ${duration(wait)}, and nobody is about to wake it.`;
}

function proofText({ free, target }: LostWakeUp): Prose {
  const at = prose`${command(`${target.ctype} ${target.address.toString(16)}`)}`;
  return prose`${free.replace(/^its/, target.lock === undefined ? "The completion's" : "The lock's")}; by hand: ${at}. No task that runs or could run is in a function that wakes one or takes a lock; by hand: ${command('foreach RU bt')}.`;
}

function remediesOf({ target: { lock, waiters }, module, first }: LostWakeUp): readonly Remedy[] {
  const mend: Remedy =
    module === undefined
      ? { action: ['Update the kernel, and report this to whoever makes it: the code that gave it back woke nobody.'] }
      : {
          action: prose`Mend the module ${name(module)}: look for code that writes the words of ${lock === undefined ? 'the completion' : 'the lock'} itself, or frees and makes it anew while others wait.`,
        };
  const killable = waiters.every(({ state }) => state.killable);
  const end: Remedy = killable
    ? { action: prose`Kill those that wait, ${taskValue(first)} first: their sleep ends on a signal.` }
    : {
        action:
          lock === undefined
            ? ['Restart the machine, unless whoever completes it does so once more.']
            : prose`Do once more what takes this lock, as ${name(first.comm)} does (${command(`bt ${first.pid}`)} shows the call): it gets the lock, and to give it back wakes the first of them. Else restart the machine.`,
        ...(lock === undefined
          ? {}
          : {
              verify: prose`${taskValue(first)} still sleeps there: ${command(`cat /proc/${first.pid}/stack`)}.`,
              caution: prose`if it does not get the lock, one more task hangs${module === undefined ? '' : prose`; and it comes back until the module ${name(module)} is mended`}.`,
            }),
      };
  return [end, mend];
}
