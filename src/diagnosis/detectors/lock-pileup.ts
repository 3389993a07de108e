/**
 * Tasks queue behind a sleeping lock whose holder does not let go: which lock, who holds it, why the holder cannot go on,
 * who waits and who launched them. A cause when the standstill is proved by structure or argued from age; a note
 * otherwise, since short queues are how locks work.
 */
import type { Nanoseconds } from '../../base/units.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import type { Confidence, Finding, Remedy, StoryLine } from '../../model/finding.ts';
import { address, ctype, duration, name, plural, prose, symbol, task as taskValue, type Prose } from '../../model/value.ts';
import { memoryFact, memoryText } from '../facts/memory.ts';
import { pileUpDetails, pileUpEvidence } from '../facts/pileup-evidence.ts';
import { type PileUp, pileUpsFact, type Victim, type VictimGroup } from '../facts/pileups.ts';
import { type Standstill, standstillFact } from '../facts/standstill.ts';
import { PILE_UP } from '../facts/thresholds.ts';

export default defineDetector({
  id: 'lock-pileup',
  title: 'Queues behind sleeping locks',
  summary: 'One holder that does not let go of a mutex or rw_semaphore stops everybody who needs it.',
  needs: { pileUps: pileUpsFact, standstills: standstillFact, memory: memoryFact },
  appliesTo: (program) => (program.types.sources.length > 0 ? true : 'the kernel carries no types (BTF)'),
  run({ pileUps, standstills, memory }) {
    const findings: Finding[] = [];
    for (const pileUp of pileUps) {
      const standstill = standstills.of(pileUp);
      if (standstill.kind === 'open' && pileUp.victims.length < PILE_UP) continue;
      findings.push(findingOf(pileUp, standstill, memoryText(memory)));
    }
    return findings;
  },
});

const CAUSES: { readonly [K in Standstill['kind']]: string } = {
  'lock-cycle': 'lock-cycle',
  'own-userfault': 'lock-holder-stuck-in-own-userfaultfd',
  userfault: 'lock-holder-waits-for-userfaultfd',
  'owner-exited': 'lock-owner-exited',
  old: 'lock-holder-stuck',
  open: 'lock-queue',
};

function findingOf(pileUp: PileUp, standstill: Standstill, memory: Prose): Finding {
  const confidence: Confidence = standstill.kind === 'open' ? 'possible' : standstill.confidence;
  const because = becauseOf(pileUp, standstill);
  const story: StoryLine[] = [
    { topic: 'what', text: whatText(pileUp) },
    { topic: 'why', text: whyText(pileUp, standstill) },
    { topic: 'holder', text: holderText(pileUp) },
    ...pileUp.groups.slice(0, 4).map((group): StoryLine => ({ topic: 'waiters', text: groupText(pileUp, group) })),
    ...launchLines(pileUp),
    { topic: 'since', text: sinceText(pileUp) },
    { topic: 'clears', text: clearsText(standstill) },
    { topic: 'memory', text: memory },
  ];
  return {
    detector: 'lock-pileup',
    cause: CAUSES[standstill.kind],
    role: standstill.kind === 'open' ? 'context' : 'cause',
    title: titleOf(pileUp, standstill),
    confidence,
    ...(because === undefined ? {} : { because }),
    weight: pileUp.victims.length,
    story,
    evidence: pileUpEvidence(pileUp, standstill),
    remedies: remediesOf(pileUp, standstill),
    details: pileUpDetails(pileUp, standstill),
  };
}

function titleOf({ name: lock, holder, victims, cycle }: PileUp, standstill: Standstill): Prose {
  const tasks = plural(victims.length, 'task');
  if (standstill.kind === 'lock-cycle') {
    return prose`Deadlock: ${plural(cycle.length, 'task')} wait for each other in a circle of locks; ${tasks} are stuck in or behind it.`;
  }
  if (holder === undefined) return prose`${tasks} wait for ${lock.text}, and nobody is named as its holder.`;
  const stands = {
    'own-userfault': 'can never go on',
    userfault: 'waits for a user-space server',
    'owner-exited': 'has exited',
    old: 'does not let go',
    open: 'holds it',
  };
  return prose`${tasks} wait for ${lock.text}; its holder ${taskValue(holder.task)} ${stands[standstill.kind]}.`;
}

function whatText({ lock, name: lockName, victims, behind }: PileUp): Prose {
  const direct = lock.waiters.length;
  const writers = lock.waiters.filter((waiter) => waiter.mode === 'write').length;
  const readers = lock.waiters.filter((waiter) => waiter.mode === 'read').length;
  const first = lock.waiters[0]?.mode;
  const modes =
    writers + readers === 0
      ? ''
      : writers === 0 || readers === 0
        ? ` (${writers === 0 ? 'all to read' : 'all to write'})`
        : prose` (${plural(writers, 'writer')}${first === 'write' ? ' first' : ''}, ${plural(readers, 'reader')})`;
  const more =
    behind.length === 0
      ? ''
      : prose`; ${plural(victims.length - direct, 'more')} behind ${plural(behind.length, 'lock')} that lead to it`;
  return prose`${plural(direct, 'task waits', 'tasks wait')} for ${lockName.text}${modes}: ${ctype(`struct ${lock.kind}`)} ${address(lock.address)}${more}.`;
}

function whyText(pileUp: PileUp, standstill: Standstill): Prose {
  const { holder, cycle } = pileUp;
  if (standstill.kind === 'lock-cycle') {
    const links = cycle.flatMap(({ holder: link }, i) =>
      i === 0 ? prose`${taskValue(link.task)}` : prose` -> ${taskValue(link.task)}`,
    );
    return prose`Each holds the lock that the one before it waits for: ${links} -> the first again.`;
  }
  if (holder === undefined)
    return prose`The lock names no holder: it was let go and the first waiter has not run yet, or a wake-up was lost.`;
  const who = taskValue(holder.task);
  const doing = holder.syscall === undefined ? '' : prose` in ${symbol(holder.syscall)}`;
  switch (holder.stall.kind) {
    case 'userfault': {
      const fault = prose`${who} sleeps in a page fault${doing}, on memory registered with a userfaultfd`;
      if (standstill.kind === 'own-userfault')
        return prose`${fault} whose only descriptor it holds itself: nobody else can answer, so it stands still by structure.`;
      const server = standstill.kind === 'userfault' ? standstill.answerers.able[0]?.task : undefined;
      return server === undefined ? prose`${fault}.` : prose`${fault}; ${taskValue(server)} could answer and has not.`;
    }
    case 'exited':
      return prose`${who} has exited without letting go.`;
    case 'running':
      return prose`${who} was running on a CPU when the machine crashed${doing}.`;
    case 'runnable':
      return prose`${who} is runnable but has no CPU${doing}.`;
    case 'stopped':
      return prose`${who} is stopped (a debugger or SIGSTOP)${doing}.`;
    default: {
      const place = holder.waitsIn === undefined ? '' : prose` in ${symbol(holder.waitsIn)}`;
      return prose`${who} sleeps${place}${doing}${holder.inFault ? ', inside a page fault' : ''}; what it waits for is not known here.`;
    }
  }
}

function holderText({ lock, holder, holderOffCpu }: PileUp): Prose {
  if (holder === undefined)
    return lock.kind === 'semaphore' ? ['not known: a semaphore has no owner'] : ['nobody that the lock names'];
  const off = holderOffCpu === undefined ? '' : prose`, off the CPU for ${duration(holderOffCpu)}`;
  const state = `state ${holder.task.state.letter}`;
  const how = {
    exact: 'as the lock says exactly',
    confirmed: 'the last reader by the lock, confirmed by its own stack',
    hint: 'the last reader by the lock: only a hint, its stack does not confirm it',
  }[holder.certainty];
  const readers =
    lock.rwsem?.heldBy === 'readers' && lock.rwsem.readers !== undefined && lock.rwsem.readers > 1
      ? prose`; ${plural(lock.rwsem.readers, 'reader')} hold it in all`
      : '';
  return prose`${taskValue(holder.task)}, ${state}${off} (${how})${readers}.`;
}

function groupText(pileUp: PileUp, { comm, victims }: VictimGroup): Prose {
  const [longest] = victims;
  if (longest === undefined) return [];
  const role = longest.mode === 'write' ? ' to write' : longest.mode === 'read' ? ' to read' : '';
  if (victims.length === 1) {
    const position = pileUp.lock.waiters[0]?.task === longest.task ? ', first in the queue' : '';
    return prose`${taskValue(longest.task)}${role}${waitText(longest)}${position}.`;
  }
  return prose`${plural(victims.length, 'task')} named ${name(comm)}${role}; longest: ${taskValue(longest.task)}${waitText(longest)}.`;
}

function waitText(victim: Victim): Prose | '' {
  return victim.wait === undefined ? '' : prose`, for ${duration(victim.wait)}`;
}

function launchLines({ groups }: PileUp): StoryLine[] {
  const [largest] = groups;
  if (largest === undefined) return [];
  const { levels, orphans } = largest.launch;
  const parts = levels.map((level, i): Prose => {
    const [only] = level.tasks;
    const who =
      level.tasks.length === 1 && only !== undefined
        ? prose`one ${taskValue(only)}`
        : prose`${plural(level.tasks.length, 'process', 'processes')} named ${name(level.comm)}`;
    return i === 0
      ? prose`${plural(level.started, 'task')} named ${name(largest.comm)} by ${who}`
      : prose`, these by ${who}`;
  });
  const shared = orphans?.shared;
  if (orphans !== undefined && orphans.count > 0) {
    const bound =
      shared === undefined
        ? ''
        : prose`; ${plural(shared.count, 'of them', 'of them')} share ${shared.kind} ${name(shared.id)}`;
    parts.push(
      prose`${parts.length === 0 ? '' : '; '}${plural(orphans.count, 'process', 'processes')} named ${name(largest.comm)} have no living parent but init${bound}`,
    );
  }
  return parts.length === 0 ? [] : [{ topic: 'launcher', text: [...parts.flat(), '.'] }];
}

function sinceText({ holderOffCpu, longest, victims }: PileUp): Prose {
  const waits = victims.map((victim) => victim.wait).filter((wait): wait is Nanoseconds => wait !== undefined);
  const latest = waits.length === 0 ? undefined : waits.reduce((a, b) => (a < b ? a : b));
  const stopped =
    holderOffCpu === undefined ? '' : prose`the holder last ran ${duration(holderOffCpu)} before the crash; `;
  if (longest?.wait === undefined || latest === undefined)
    return prose`${stopped}how long the others wait is not known.`;
  return prose`${stopped}the first waiter came ${duration(longest.wait)} before it, the last ${duration(latest)}.`;
}

function clearsText(standstill: Standstill): Prose {
  switch (standstill.kind) {
    case 'lock-cycle':
      return ['No: none of them can go on before another does.'];
    case 'own-userfault':
      return ['No, whatever the waits: what could answer the page fault is the task that sleeps in it.'];
    case 'userfault':
      return ['Only if the user-space server answers the page fault.'];
    case 'owner-exited':
      return ['No: a task that has exited does not let go any more.'];
    case 'old':
      return prose`Not in the ${duration(standstill.oldest)} seen so far; nothing in the structures proves that it never will.`;
    default:
      return ['Perhaps: neither structure nor age says that it stands still.'];
  }
}

function becauseOf({ holder }: PileUp, standstill: Standstill): Prose | undefined {
  if (standstill.kind === 'own-userfault' && standstill.confidence !== 'certain') {
    return holder?.certainty === 'hint'
      ? ['the holder is the last reader of the lock, and its stack does not confirm that it still holds it']
      : ['not every reference to the userfaultfd could be accounted for'];
  }
  if (standstill.kind === 'old') return ['argued from the age of the oldest wait, not proved by structure'];
  if (standstill.kind === 'lock-cycle' && standstill.confidence !== 'certain')
    return ['one link of the circle is a hint only'];
  return undefined;
}

function remediesOf({ holder, victims, groups }: PileUp, standstill: Standstill): Remedy[] {
  const out: Remedy[] = [];
  if (
    holder !== undefined &&
    standstill.kind !== 'open' &&
    standstill.kind !== 'owner-exited' &&
    standstill.kind !== 'lock-cycle'
  ) {
    if (holder.task.kthread)
      out.push({ action: prose`The holder is a kernel thread and cannot be killed; only a reboot clears it.` });
    else if (holder.task.state.killable) {
      out.push({
        action: prose`On a machine that hangs like this, kill ${taskValue(holder.task)} (SIGKILL): its sleep (state ${holder.task.state.letter}) ends on it, the lock is let go, and all ${plural(victims.length, 'waiter')} should go on.`,
        caution: prose`whatever it was doing is lost; check that it is the same program.`,
      });
    } else
      out.push({ action: prose`Killing ${taskValue(holder.task)} does not help: its sleep does not end on a signal.` });
  }
  if (standstill.kind === 'own-userfault' && holder !== undefined) {
    out.push({
      action: prose`Find out why ${name(holder.task.comm)} passes memory that its own userfaultfd serves to ${symbol(holder.syscall ?? 'a system call')}: the fault must be served by another thread or process.`,
    });
  }
  const launcher = groups[0]?.launch.levels.at(-1);
  const [first] = launcher?.tasks ?? [];
  const [largest] = groups;
  if (launcher !== undefined && first !== undefined && largest !== undefined && largest.victims.length >= PILE_UP) {
    out.push({
      action: prose`Keep ${taskValue(first)} from starting another ${name(largest.comm)} while earlier ones still wait (they pile up, they do not help).`,
    });
  }
  return out;
}
