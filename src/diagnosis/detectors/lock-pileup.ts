/**
 * Tasks queue behind a sleeping lock whose holder does not let go: which lock, who holds it, why the holder cannot go on,
 * who waits and who launched them. A cause when the standstill is proved by structure or argued from age; a note
 * otherwise, since short queues are how locks work.
 */
import type { Nanoseconds } from '../../base/units.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import type { Confidence, Finding, Remedy, StoryLine } from '../../model/finding.ts';
import {
  address,
  byteCount,
  command,
  count,
  ctype,
  duration,
  name,
  plural,
  prose,
  ratio,
  symbol,
  task as taskValue,
  type Prose,
} from '../../model/value.ts';
import type { Holder } from '../facts/holders.ts';
import { memoryFact, type MemoryState, memoryText } from '../facts/memory.ts';
import { pileUpDetails, pileUpEvidence } from '../facts/pileup-evidence.ts';
import { type PileUp, pileUpsFact, type Victim, type VictimGroup } from '../facts/pileups.ts';
import { rssFact } from '../facts/rss.ts';
import { type Answerers, type Standstill, standstillFact } from '../facts/standstill.ts';
import { MIN_FREE, PILE_UP } from '../facts/thresholds.ts';

export default defineDetector({
  id: 'lock-pileup',
  title: 'Queues behind sleeping locks',
  summary: 'One holder that does not let go of a mutex or rw_semaphore stops everybody who needs it.',
  needs: { pileUps: pileUpsFact, standstills: standstillFact, memory: memoryFact, rss: rssFact },
  appliesTo: (program) => (program.types.sources.length > 0 ? true : 'the kernel carries no types (BTF)'),
  run({ pileUps, standstills, memory, rss }) {
    const findings: Finding[] = [];
    for (const pileUp of pileUps) {
      const standstill = standstills.of(pileUp);
      if (standstill.kind === 'open' && pileUp.victims.length < PILE_UP) continue;
      const resident = rss.of(pileUp.victims.map(({ task }) => task));
      findings.push(findingOf(pileUp, standstill, memory, resident));
    }
    return findings;
  },
});

const CAUSES: { readonly [K in Standstill['kind']]: string } = {
  'lock-cycle': 'lock-cycle',
  'own-userfault': 'lock-holder-stuck-in-own-userfaultfd',
  userfault: 'lock-holder-waits-for-userfaultfd',
  'owner-exited': 'lock-owner-exited',
  reclaim: 'lock-holder-in-reclaim',
  still: 'lock-holder-stuck',
  old: 'lock-holder-stuck',
  open: 'lock-queue',
};

/** @param resident - bytes that the victims hold, shared memory counted in each */
function findingOf(pileUp: PileUp, standstill: Standstill, memory: MemoryState, resident: number): Finding {
  const confidence: Confidence = standstill.kind === 'open' ? 'possible' : standstill.confidence;
  const because = becauseOf(pileUp, standstill);
  const remedies = remediesOf(pileUp, standstill, memory);
  const story: StoryLine[] = [
    { topic: 'what', text: whatText(pileUp) },
    { topic: 'why', text: whyText(pileUp, standstill) },
    { topic: 'holder', text: holderText(pileUp) },
    ...pileUp.groups.slice(0, 4).map((group): StoryLine => ({ topic: 'waiters', text: groupText(pileUp, group) })),
    ...launchLines(pileUp),
    { topic: 'since', text: sinceText(pileUp) },
    { topic: 'clears', text: clearsText(standstill) },
    { topic: 'memory', text: memoryText(memory) },
    ...(standstill.kind === 'reclaim' ? [residentLine(pileUp, memory, resident)] : []),
    ...remedies.slice(0, 1).map((remedy): StoryLine => ({ topic: 'remedy', text: remedy.action })),
  ];
  return {
    detector: 'lock-pileup',
    cause:
      standstill.kind === 'old' && pileUp.holder === undefined ? 'lock-stuck-holder-unknown' : CAUSES[standstill.kind],
    role: standstill.kind === 'open' ? 'context' : 'cause',
    title: titleOf(pileUp, standstill),
    confidence,
    ...(because === undefined ? {} : { because }),
    weight: pileUp.victims.length,
    story,
    evidence: pileUpEvidence(pileUp, standstill),
    remedies,
    details: { ...pileUpDetails(pileUp, standstill), victimsResident: byteCount(resident), memory: memory.verdict },
  };
}

function titleOf({ name: lock, holder, victims, cycle }: PileUp, standstill: Standstill): Prose {
  const tasks = plural(victims.length, 'task');
  if (standstill.kind === 'lock-cycle') {
    const [own] = cycle;
    if (cycle.length === 1 && own !== undefined)
      return prose`Deadlock: ${taskValue(own.holder.task)} waits for ${lock.text}, which it holds itself; ${tasks} wait in all.`;
    return prose`Deadlock: ${plural(cycle.length, 'task')} wait for each other in a circle of locks; ${tasks} are stuck in or behind it.`;
  }
  if (holder === undefined) return prose`${tasks} wait for ${lock.text}, and nobody is named as its holder.`;
  const certain = standstill.kind !== 'open' && standstill.confidence === 'certain';
  const stands = {
    'own-userfault': certain ? 'can never go on' : 'can hardly go on',
    userfault: 'waits for a user-space server',
    'owner-exited': 'has exited',
    reclaim: holder.turns?.starved === true ? 'gets no memory and hardly a CPU' : 'gets no memory',
    still: 'has not run since before they came',
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
        ? `: all to ${writers === 0 ? 'read' : 'write'}`
        : prose`: ${plural(writers, 'writer')}${first === 'write' ? ' first' : ''}, ${plural(readers, 'reader')}`;
  const more =
    behind.length === 0
      ? ''
      : prose`; ${count(victims.length - direct)} more behind ${plural(behind.length, 'lock that leads', 'locks that lead')} to it`;
  return prose`${plural(direct, 'task waits', 'tasks wait')} for ${lockName.text}, ${ctype(`struct ${lock.kind}`)} ${address(lock.address)}${modes}${more}.`;
}

function whyText(pileUp: PileUp, standstill: Standstill): Prose {
  const { holder, cycle } = pileUp;
  if (standstill.kind === 'lock-cycle') {
    if (cycle.length === 1) return ['It took the lock and asks for it again: nobody else can let go of it.'];
    const links = cycle.flatMap(({ holder: link }, i) =>
      i === 0 ? prose`${taskValue(link.task)}` : prose` -> ${taskValue(link.task)}`,
    );
    return prose`Each holds the lock that the one before it waits for: ${links} -> the first again.`;
  }
  if (holder === undefined) return unnamedText(pileUp);
  const who = taskValue(holder.task);
  const doing = holder.syscall === undefined ? '' : prose` in ${symbol(holder.syscall)}`;
  if (holder.reclaim !== undefined && (standstill.kind === 'reclaim' || holder.stall.kind === 'sleeping')) {
    const state = holder.stall.kind === 'runnable' ? 'is runnable, without a CPU,' : 'is';
    const faulting = holder.inFault ? 'page fault' : 'work';
    return prose`${who} ${state} in ${symbol(holder.reclaim)}${doing}: its ${faulting} needs a page, and it has to free one first${standstill.kind === 'reclaim' ? ', while memory is short' : ''}.${turnsText(holder)}`;
  }
  switch (holder.stall.kind) {
    case 'userfault': {
      const fault = prose`${who} sleeps in a page fault${doing}`;
      if (standstill.kind === 'own-userfault')
        return standstill.answerers.complete
          ? prose`${fault} that only its own userfaultfd${descriptorsText(holder, standstill.answerers)} could answer: it stands still by structure.`
          : prose`${fault} that a userfaultfd${descriptorsText(holder, standstill.answerers)} is to answer, and nobody was found who still could.`;
      const server = standstill.kind === 'userfault' ? standstill.answerers.able[0]?.task : undefined;
      return server === undefined
        ? prose`${fault} that a userfaultfd is to answer.`
        : prose`${fault}; ${taskValue(server)} could answer through its userfaultfd and has not.`;
    }
    case 'exited':
      return holder.certainty === 'exact'
        ? prose`${who} has exited without letting go.`
        : prose`${who} took it last and has exited; who holds it now, the lock does not say.`;
    case 'lock':
      return prose`${who} waits for another lock itself: ${ctype(`struct ${holder.stall.lock.kind}`)} ${address(holder.stall.lock.address)}.`;
    case 'running':
      return prose`${who} was running on a CPU when the machine crashed${doing}.`;
    case 'runnable':
      return prose`${who} is runnable but has no CPU${doing}.${turnsText(holder)}`;
    case 'stopped':
      return prose`${who} is stopped (a debugger or SIGSTOP)${doing}.`;
    default: {
      const place = holder.waitsIn === undefined ? '' : prose` in ${symbol(holder.waitsIn)}`;
      return prose`${who} sleeps${place}${doing}${holder.inFault ? ', inside a page fault' : ''}; what it waits for is not known here.`;
    }
  }
}

/** Alive and slow: how often one that has no CPU got one. */
function turnsText({ turns }: Holder): Prose {
  if (turns === undefined) return [];
  const { runs, waited, alive, starved } = turns;
  const ran = prose`got one ${plural(Number(runs), 'time')}`;
  return starved && alive !== undefined
    ? prose` It lives, but is starved of a CPU: it ${ran}, and of the ${duration(alive)} since it started it waited ${duration(waited)} for one.`
    : prose` It ${ran} and waited ${duration(waited)} for one in all.`;
}

/** What the pile-up itself holds, and that this does not explain the rest. */
function residentLine({ victims }: PileUp, { info }: MemoryState, resident: number): StoryLine {
  const total = info.memTotal.value;
  const share = total === undefined || total === 0 ? '' : prose`, ${ratio(resident / total)} of all`;
  const text = prose`Those ${count(victims.length)} hold ${byteCount(resident)} (resident, shared memory counted in each)${share}; what holds the rest, this does not explain.`;
  return { topic: 'memory', text };
}

/** Why the lock names nobody. */
function unnamedText({ lock: { kind, rwsem, mutex, ownerGone } }: PileUp): Prose {
  if (kind === 'semaphore') return ['A semaphore does not say who holds it.'];
  const gone = ownerGone === undefined ? '' : '; the task that it names is gone';
  if (rwsem?.heldBy === 'readers')
    return prose`${plural(rwsem.readers ?? 0, 'reader holds', 'readers hold')} it, and the lock names none of them${gone}.`;
  if (rwsem?.heldBy === 'writer') return prose`A writer holds it that the lock does not name${gone}.`;
  if (rwsem?.heldBy === 'unknown' || mutex?.locked === true)
    return prose`Somebody holds it whom the lock does not name${gone}.`;
  return ['Nobody holds the lock: it was let go and the first waiter has not run yet, or a wake-up was lost.'];
}

/** ' (its fd 3)'; others that hold a descriptor are stuck behind it. */
function descriptorsText(holder: Holder, { all }: Answerers): Prose {
  const own = all.find(({ task }) => task === holder.task);
  const others = all.filter(({ task }) => task !== holder.task);
  const fd = own === undefined ? [] : prose` (its fd ${String(own.fd)})`;
  return others.length === 0 ? fd : prose`${fd}, also open in ${plural(others.length, 'task')} stuck behind it,`;
}

function holderText({ lock, holder, holderOffCpu }: PileUp): Prose {
  if (holder === undefined)
    return lock.kind === 'semaphore' ? ['not known: a semaphore has no owner'] : ['nobody that the lock names'];
  const off = holderOffCpu === undefined ? '' : prose`, off the CPU ${duration(holderOffCpu)}`;
  const state = `state ${holder.task.state.letter}`;
  const how = {
    exact: 'the owner, exactly',
    confirmed: 'last reader by the lock, confirmed by its own stack',
    hint: 'last reader by the lock: a hint that its stack does not confirm',
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
  const same = victims.every((victim) => victim.mode === longest.mode);
  const role = !same || longest.mode === undefined ? '' : ` to ${longest.mode}`;
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
    if (i === 0) return prose`${plural(level.started, 'task')} named ${name(largest.comm)} by ${who}`;
    const all = level.started === levels[i - 1]?.tasks.length;
    return prose`, ${all ? '' : prose`${count(level.started)} of `}these by ${who}`;
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
  const stopped = holderOffCpu === undefined ? '' : prose`holder: ${duration(holderOffCpu)} before the crash; `;
  if (longest?.wait === undefined || latest === undefined) return prose`${stopped}waiters: not known.`;
  const end = holderOffCpu === undefined ? 'before the crash' : 'before it';
  return prose`${stopped}waiters: from ${duration(longest.wait)} to ${duration(latest)} ${end}.`;
}

function clearsText(standstill: Standstill): Prose {
  switch (standstill.kind) {
    case 'lock-cycle':
      return ['No: none of them can go on before another does.'];
    case 'own-userfault':
      return standstill.answerers.complete
        ? ['No, whatever its age: who could answer sleeps in the fault or waits behind it.']
        : ['Only if somebody answers the page fault who was not found.'];
    case 'userfault':
      return ['Only if the user-space server answers the page fault.'];
    case 'owner-exited':
      return ['No: a task that has exited does not let go any more.'];
    case 'reclaim':
      return ['Only if memory comes free: those who wait hold theirs, and nobody who sleeps like this gives it back.'];
    case 'still':
      return prose`Not in the ${duration(standstill.offCpu)} since its holder last ran; it may yet, if what the holder waits for comes.`;
    case 'old':
      return prose`Not in the ${duration(standstill.oldest)} seen so far; nothing in the structures proves that it never will.`;
    default:
      return ['Perhaps: neither structure nor age says that it stands still.'];
  }
}

function becauseOf({ holder }: PileUp, standstill: Standstill): Prose | undefined {
  if (standstill.kind === 'own-userfault' && standstill.confidence !== 'certain') {
    if (!standstill.answerers.complete) return ['not every reference to the userfaultfd could be accounted for'];
    return holder?.certainty === 'hint'
      ? ['the holder is the last reader of the lock, and its stack does not confirm that it still holds it']
      : ['the holder is the last reader of the lock, and no function on its stack is known to work under it'];
  }
  if (standstill.kind === 'reclaim')
    return ['argued from what the holder does and from the free memory; that no page would ever come is not proved'];
  if (standstill.kind === 'still')
    return prose`argued from the ${duration(standstill.offCpu)} that the holder has not run, which all who wait came after`;
  if (standstill.kind === 'old') return ['argued from the age of the oldest wait, not proved by structure'];
  if (standstill.kind === 'lock-cycle' && standstill.confidence !== 'certain')
    return ['a link of the circle is a reader whose stack shows the lock, but no function known to work under it'];
  return undefined;
}

function remediesOf(pileUp: PileUp, standstill: Standstill, memory: MemoryState): Remedy[] {
  const { holder, groups } = pileUp;
  if (standstill.kind === 'open') return [];
  const out: Remedy[] = [];
  if (holder !== undefined && standstill.kind !== 'owner-exited' && standstill.kind !== 'lock-cycle') {
    const kill = killText(pileUp, holder);
    if (kill !== undefined) out.push(kill);
  }
  if (standstill.kind === 'own-userfault' && holder !== undefined) {
    out.push({
      action: prose`Mend ${name(holder.task.comm)}: memory that it hands to ${symbol(holder.syscall ?? 'a system call')} must be served by a thread that cannot sleep in the same fault.`,
    });
  }
  const [largest] = groups;
  // The nearest that is one process: what started it (a supervisor, a login) is not to blame.
  const launcher = largest?.launch.levels.find((level) => level.tasks.length === 1);
  const [first] = launcher?.tasks ?? [];
  if (largest !== undefined && first !== undefined && largest.victims.length >= PILE_UP) {
    out.push({
      action: prose`Keep ${taskValue(first)} from starting another ${name(largest.comm)} while earlier ones wait.`,
    });
  }
  const reserve = standstill.kind === 'reclaim' ? reserveRemedy(memory) : undefined;
  return reserve === undefined ? out : [...out, reserve];
}

/** Undefined where the reserve is not small, or not known. */
function reserveRemedy({ info }: MemoryState): Remedy | undefined {
  const total = info.memTotal.value;
  const now = info.minFree.value;
  if (total === undefined || now === undefined || now >= total * MIN_FREE) return undefined;
  const wanted = Math.round((total * MIN_FREE) / 1024);
  return {
    action: prose`Once memory is under control, raise the kernel's reserve from ${byteCount(now)} to ${ratio(MIN_FREE)} of memory, ${command(`sysctl vm.min_free_kbytes=${wanted}`)}: then what must not wait for a page, such as receiving from the network, still gets one.`,
    caution: ['that much less is left for programs.'],
  };
}

/** Whether SIGKILL ends what the holder does; undefined when its state does not tell. */
function killText({ lock, victims }: PileUp, { task, stall, certainty }: Holder): Remedy | undefined {
  const who = taskValue(task);
  if (task.kthread) return { action: ['The holder is a kernel thread and cannot be killed: only a reboot clears it.'] };
  if (stall.kind === 'running' || stall.kind === 'runnable' || stall.kind === 'exited') return undefined;
  if (!task.state.killable && task.state.sleeping) {
    return {
      action: prose`Killing ${who} does not help: its sleep (state ${task.state.letter}) does not end on a signal.`,
    };
  }
  const others = (lock.rwsem?.heldBy === 'readers' ? (lock.rwsem.readers ?? 1) : 1) - 1;
  const then =
    certainty === 'hint'
      ? prose`if it is the holder, all ${plural(victims.length, 'waiter')} should go on`
      : others > 0
        ? prose`it lets go, but ${plural(others, 'more reader holds', 'more readers hold')} the lock`
        : prose`all ${plural(victims.length, 'waiter')} should go on`;
  return {
    action: prose`Kill ${who}: its sleep (state ${task.state.letter}) ends on SIGKILL, and ${then}.`,
    caution: ['check that it is the same program; what it was doing is lost.'],
  };
}
