/**
 * An oops or BUG() that the machine survived killed a task while it held a sleeping lock: all who need the lock wait for
 * ever. Joins the oops of the log with the queue in memory; `lock-pileup` leaves these queues to it.
 */
import { blocked } from '../../model/condition.ts';
import { defineDetector, needsTypes } from '../../model/diagnosis.ts';
import { type Evidence, type Finding, remedyLines } from '../../model/finding.ts';
import {
  address,
  command,
  ctype,
  duration,
  name,
  plural,
  prose,
  type Prose,
  task as taskValue,
} from '../../model/value.ts';
import { crowdText } from '../facts/crowd-text.ts';
import { type DeadOwner, deadOwnersFact } from '../facts/dead-owners.ts';
import { moduleRemedy, placeText } from '../facts/oops-story.ts';
import { type PileUp, pileUpsFact } from '../facts/pileups.ts';

export default defineDetector({
  id: 'dead-lock-owner',
  title: 'Locks whose owner died in an oops',
  summary: 'The kernel ends a task after an oops and gives back none of its locks: who needs them waits for ever.',
  needs: { pileUps: pileUpsFact, dead: deadOwnersFact },
  appliesTo: needsTypes,
  run: ({ pileUps, dead }) =>
    pileUps.flatMap((pileUp) => {
      const owner = dead.of(pileUp.lock);
      return owner === undefined ? [] : [findingOf(pileUp, owner)];
    }),
});

function findingOf(pileUp: PileUp, owner: DeadOwner): Finding {
  const { lock, name: lockName, groups } = pileUp;
  const { oops, heir, zombie } = owner;
  const remedies = [
    { action: ['Restart the machine: nothing else gives the lock back.'] },
    ...moduleRemedy(oops.at?.module),
  ];
  const waiting = crowdText(groups.map(({ victims }) => victims));
  const who =
    zombie === undefined ? prose`${name(owner.comm)} (pid ${String(owner.pid)})` : prose`${taskValue(zombie)}`;
  const tasks = plural(pileUp.total, 'task waits', 'tasks wait');
  const when = oops.timeNs === undefined ? '' : prose` ${duration(oops.timeNs)} after boot`;
  return {
    detector: 'dead-lock-owner',
    cause: 'lock-owner-died-in-oops',
    role: 'cause',
    title: prose`${tasks} for ${lockName.text}, whose owner ${who} died in an oops while it held it.`,
    confidence: 'probable',
    because: [
      zombie === undefined
        ? 'that the dead task held this lock follows from where it died and where the others wait; its own memory is gone'
        : 'the lock names the dead task; that it took it before the oops is inferred',
    ],
    weight: pileUp.victims.length,
    explains: pileUp.victims.map(({ task }) => blocked(task.address)),
    story: [
      {
        topic: 'what',
        text: prose`${tasks} for ${lockName.text}, ${ctype(`struct ${lock.kind}`)} ${address(lock.address)}.`,
        // The title says the same.
        detail: true,
      },
      { topic: 'why', text: prose`${who} died${when} in ${placeText(oops.at)}: ${name(oops.headline)}` },
      {
        topic: 'holder',
        text: prose`${who}; the kernel ended it and gave back none of its locks.`,
      },
      { topic: 'proof', text: proofText(pileUp, owner) },
      ...(waiting.length === 0 ? [] : [{ topic: 'waiters' as const, text: waiting }]),
      { topic: 'clears', text: ['No: nobody is left who could let go of the lock.'] },
      ...remedyLines(remedies, 2),
    ],
    evidence: evidenceOf(pileUp, owner),
    remedies,
    details: {
      lock: { address: address(lock.address), ctype: ctype(`struct ${lock.kind}`) },
      culprit: { pid: owner.pid, comm: name(owner.comm) },
      heir: heir === undefined ? undefined : taskValue(heir),
      headline: name(oops.headline),
      oopsTime: oops.timeNs === undefined ? undefined : duration(oops.timeNs),
      function:
        oops.at === undefined ? undefined : { name: oops.at.func, offset: oops.at.offset, module: oops.at.module },
      victims: pileUp.whole ? pileUp.total : undefined,
    },
  };
}

function proofText({ lock }: PileUp, { heir, zombie }: DeadOwner): Prose {
  const at = prose`${ctype(`struct ${lock.kind}`)} ${address(lock.address)}`;
  if (zombie !== undefined)
    return prose`By the log; ${at} names the dead task as its owner; by hand: ${command(`bt ${zombie.pid}`)}.`;
  if (heir === undefined) return prose`By the log; ${at} names an owner that is no task any more.`;
  return prose`By the log; ${at} names ${taskValue(heir)}, which is innocent: it started after the oops, was given the dead task's memory, and waits for the lock itself; by hand: ${command(`bt ${heir.pid}`)}.`;
}

function evidenceOf({ lock, victims }: PileUp, { oops, heir }: DeadOwner): Evidence[] {
  const out: Evidence[] = [
    {
      claim: prose`The log says: ${name(oops.headline)}`,
      address: undefined,
      ctype: undefined,
      confidence: 'certain',
      show: 'log',
    },
    {
      claim: prose`${plural(victims.length, 'waiter')} of the lock and of locks behind it could be read.`,
      address: lock.address,
      ctype: `struct ${lock.kind}`,
      confidence: 'certain',
      show: `struct ${lock.kind} ${lock.address.toString(16)}`,
    },
  ];
  if (heir?.startTime !== undefined && oops.timeNs !== undefined)
    out.push({
      claim: prose`${taskValue(heir)} started ${duration(heir.startTime)} after boot, later than the oops, and waits for the lock itself.`,
      address: heir.address,
      ctype: 'struct task_struct',
      confidence: 'certain',
      show: `bt ${heir.pid}`,
    });
  return out;
}
