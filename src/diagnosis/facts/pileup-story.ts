/**
 * What the first screen tells of a pile-up, line by line: what happened, why, who holds and waits, who launched them,
 * since when, whether it clears itself. One sentence or two each; the evidence is in pileup-evidence.ts.
 */
import { hex } from '../../base/address.ts';
import type { StoryLine } from '../../model/finding.ts';
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
  type Prose,
  ratio,
  symbol,
  task as taskValue,
} from '../../model/value.ts';
import { arrivalsText, isLong } from './growth.ts';
import { crowdText } from './crowd-text.ts';
import type { Holder } from './holders.ts';
import { type MemoryState, memoryText } from './memory.ts';
import { type CycleLink, firstOf, isWhole, modesOf, type PileUp, type Victim, type VictimGroup } from './pileups.ts';
import type { Answerers, Standstill } from './standstill.ts';
import { cgroupText } from './task-cgroups.ts';
import { waitProse } from './task-waits.ts';
import { PILE_UP, STILL } from './thresholds.ts';

/** Groups of waiters whose launchers are told of. */
const MAX_GROUPS = 4;

/**
 * All lines but those of the remedies.
 * @param held - what the victims hold
 */
export function pileUpStory(
  pileUp: PileUp,
  standstill: Standstill,
  memory: MemoryState,
  held: HeldMemory,
): readonly StoryLine[] {
  return [
    // The title counts them and names the lock; its address stands with its holder.
    { topic: 'what', text: whatText(pileUp), detail: pileUp.holder !== undefined },
    { topic: 'why', text: whyText(pileUp, standstill) },
    // In a circle the reason names all holders.
    { topic: 'holder', text: holderText(pileUp), detail: standstill.kind === 'lock-cycle' && pileUp.cycle.length > 1 },
    ...proofLine(pileUp, standstill),
    ...waiterLines(pileUp),
    ...launchLines(pileUp),
    ...(pileUp.cgroups.common === undefined || pileUp.victims.length < PILE_UP
      ? []
      : [{ topic: 'launcher', text: prose`${cgroupText(pileUp.cgroups)}.` } satisfies StoryLine]),
    // How long the holder and the longest waiter are there already stands with them.
    {
      topic: 'since',
      text: sinceText(pileUp),
      detail: !isLong(pileUp.arrivals) && (pileUp.holderOffCpu !== undefined || pileUp.longest !== undefined),
    },
    { topic: 'clears', text: clearsText(pileUp, standstill, held) },
    { topic: 'memory', text: memoryText(memory) },
    ...(standstill.kind === 'reclaim' ? [residentLine(pileUp, memory, held)] : []),
  ];
}

/** Memory of the victims. */
export interface HeldMemory {
  /** Bytes, shared memory counted in each. */
  readonly resident: number;
  /** Bytes of anonymous memory: what comes back when they end, but for pages that a fork shares. */
  readonly anon: number;
  /** What they alone hold would end the shortage that they wait for. */
  readonly closes: boolean;
}

/** What makes it certain, in a line; of a holder that is named by the lock its line says so. */
function proofLine({ cycle, lock, holder }: PileUp, standstill: Standstill): readonly StoryLine[] {
  if (standstill.kind === 'own-userfault' && standstill.answerers.complete)
    return [
      {
        topic: 'proof',
        text: prose`The userfaultfd has no further holder; by hand: ${command('foreach files -R userfaultfd')}.`,
      },
    ];
  if (['still', 'old', 'reclaim'].includes(standstill.kind) && holder?.certainty === 'exact') {
    const look = prose`${command(`struct ${lock.kind} ${hex(lock.address)}`)}, ${command(`bt ${holder.task.pid}`)}`;
    return [
      {
        topic: 'proof',
        text: prose`The owner word of the lock names ${taskValue(holder.task)}, whose stack shows where it ${holder.stall.kind === 'sleeping' ? 'sleeps' : 'is'}; by hand: ${look}.`,
      },
    ];
  }
  if (standstill.kind !== 'lock-cycle' || cycle.length < 2) return [];
  if (cycle.some(({ holder }) => holder.certainty !== 'exact')) return [];
  const shows = cycle.map(
    ({ lock }, i) => prose`${i === 0 ? '' : ', '}${command(`struct ${lock.kind} ${hex(lock.address)}`)}`,
  );
  const text = prose`Each lock names its owner, and lists who waits for it; by hand: ${shows.flat()}.`;
  return [{ topic: 'proof', text }];
}

/**
 * The largest group, and who is first in the queue, are told on lines of their own, all others together: so the lines add
 * up. One of a circle is told there.
 */
function waiterLines(pileUp: PileUp): readonly StoryLine[] {
  const { groups, total, victims } = pileUp;
  const line = (text: Prose, detail = false): StoryLine => ({ topic: 'waiters', text, detail });
  const own = (group: VictimGroup): StoryLine => line(groupText(pileUp, group));
  const [largest, ...others] = groups.filter((group) => !isInCircle(pileUp, group));
  const together = others.filter((group) => others.length > 1 && !isFirst(pileUp, group));
  const unread = total - victims.length;
  return [
    ...(largest === undefined ? [] : [own(largest)]),
    ...(together.length === 0 ? [] : [line(prose`Also ${crowdText(together.map((group) => group.victims))}`)]),
    ...others.filter((group) => !together.includes(group)).map(own),
    ...(unread === 0 ? [] : [line(prose`${plural(unread, 'more task', 'more tasks')} that could not be read.`)]),
    ...groups.filter((group) => isInCircle(pileUp, group)).map((group) => line(groupText(pileUp, group), true)),
  ];
}

function isInCircle({ cycle }: PileUp, { victims: [first, ...others] }: VictimGroup): boolean {
  return others.length === 0 && cycle.some(({ holder }) => holder.task === first?.task);
}

/** Alone of its command, and its turn is next. */
function isFirst({ lock }: PileUp, { victims: [first, ...others] }: VictimGroup): boolean {
  return others.length === 0 && first !== undefined && firstOf(lock)?.task === first.task;
}

function whatText({ lock, name: lockName, whole, total, behind }: PileUp): Prose {
  const direct = lock.waiters.length + lock.strangers;
  const { writers, readers } = modesOf(lock);
  const modes =
    writers + readers === 0
      ? ''
      : writers === 0 || readers === 0
        ? `: all to ${writers === 0 ? 'read' : 'write'}`
        : prose`: ${mixedText(lock)}`;
  const more =
    behind.length === 0
      ? ''
      : prose`; ${count(total - direct)} more behind ${plural(behind.length, 'lock that leads', 'locks that lead')} to it`;
  const least = whole ? '' : 'At least ';
  return prose`${least}${plural(direct, 'task waits', 'tasks wait')} for ${lockName.text}, ${ctype(`struct ${lock.kind}`)} ${address(lock.address)}${modes}${more}.`;
}

/** '1 writer first, 50 readers'. */
function mixedText(lock: PileUp['lock']): Prose {
  const { writers, readers } = modesOf(lock);
  const first = lock.queue[0]?.mode === 'write' ? ' first' : '';
  return prose`${plural(writers, 'writer')}${first}, ${plural(readers, 'reader')}`;
}

/** '51 tasks', 'at least 47 tasks'. */
export function tasksText({ whole, total }: PileUp, start: boolean): Prose {
  return prose`${whole ? '' : start ? 'At least ' : 'at least '}${plural(total, 'task')}`;
}

function whyText(pileUp: PileUp, standstill: Standstill): Prose {
  const { holder, cycle } = pileUp;
  if (standstill.kind === 'lock-cycle') {
    if (cycle.length === 1) return ['It took the lock and asks for it again: nobody else can let go of it.'];
    const links = cycle.map((link, i): Prose => {
      const next = cycle[(i + 1) % cycle.length] ?? link;
      return prose`${i === 0 ? '' : '; '}${taskValue(link.holder.task)} holds ${lockOfLink(link)} and waits for ${lockOfLink(next)}`;
    });
    return prose`${links.flat()}.`;
  }
  if (holder === undefined) return unnamedText(pileUp);
  const who = taskValue(holder.task);
  const doing = holder.syscall === undefined ? '' : prose` in ${symbol(holder.syscall)}`;
  const whoDoing = holder.syscall === undefined ? [who] : prose`${who}, in ${symbol(holder.syscall)},`;
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
          ? prose`${fault} that only its own userfaultfd${descriptorsText(holder, standstill.answerers)} could answer: nobody is left to do it.`
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
      return prose`${whoDoing} was running on a CPU when the machine crashed.`;
    case 'runnable':
      return prose`${whoDoing} is runnable but has no CPU.${turnsText(holder)}`;
    case 'stopped':
      return prose`${whoDoing} is stopped (a debugger or SIGSTOP).`;
    default: {
      const place = holder.waitsIn === undefined ? '' : prose` in ${symbol(holder.waitsIn)}`;
      const driver =
        holder.driver === undefined
          ? ''
          : prose`, called by ${symbol(holder.driver.func)} of module ${name(holder.driver.module)}`;
      return prose`${whoDoing} sleeps${place}${driver}${holder.inFault ? ', inside a page fault' : ''}; ${sleepText(holder)}.`;
    }
  }
}

/** What one that sleeps waits for: proven by what lies on its stack, or said by its functions alone. */
function sleepText({ wait }: Holder): Prose {
  if (wait === undefined || wait.kind === 'unknown') return ['what it waits for is not known here'];
  const end = wait.left === undefined || wait.left < 0n ? '' : prose`, for ${duration(wait.left)} more at most`;
  const how = wait.proof === 'structure' ? '' : ', as the functions on its stack say';
  return prose`it waits ${waitProse(wait)}${end}${how}`;
}

/** The lock by its name, else by its address, so that two are told apart. */
export function lockOfLink({ lock, name: found }: CycleLink): Prose {
  return found.what === 'unknown' || found.what === 'slab'
    ? prose`the ${lock.kind} ${address(lock.address)}`
    : found.text;
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

/** '33 of them hold 20.1 MiB (resident, shared memory counted in each), 6.5 % of all'. */
function heldText({ victims }: PileUp, { info }: MemoryState, { resident }: HeldMemory): Prose {
  const total = info.memTotal.value;
  const share = total === undefined || total === 0 ? '' : prose`, ${ratio(resident / total)} of all`;
  return prose`${count(victims.length)} hold ${byteCount(resident)} (resident, shared memory counted in each)${share}`;
}

/** What the pile-up itself holds, and that this does not explain the rest. */
function residentLine(pileUp: PileUp, memory: MemoryState, held: HeldMemory): StoryLine {
  const text = prose`Those ${heldText(pileUp, memory, held)}; what holds the rest, this does not explain.`;
  return { topic: 'memory', text, detail: held.closes };
}

/** Why the lock names nobody. */
function unnamedText({ lock: { kind, rwsem, mutex, ownerGone, ownerUnread, unread } }: PileUp): Prose {
  if (unread !== undefined) return ['The lock itself cannot be read from this dump, so whom it names is not known.'];
  if (kind === 'semaphore') return ['A semaphore does not say who holds it.'];
  if (ownerGone !== undefined && rwsem?.heldBy !== 'readers')
    return prose`The lock names as its owner ${ctype('struct task_struct')} ${address(ownerGone)}, which is no task of this machine any more: it has exited.`;
  const gone =
    ownerGone !== undefined
      ? '; the task that it names is gone'
      : ownerUnread === undefined
        ? ''
        : prose`; the task that it names, ${ctype('struct task_struct')} ${address(ownerUnread)}, could not be read`;
  if (rwsem?.heldBy === 'readers')
    return prose`${plural(rwsem.readers ?? 0, 'reader holds', 'readers hold')} it, and the lock names ${ownerUnread === undefined ? 'none of them' : 'one'}${gone}.`;
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
    return lock.kind === 'semaphore'
      ? ['not known: a semaphore has no owner.']
      : lock.unread !== undefined
        ? ['not known: the lock cannot be read.']
        : lock.ownerUnread === undefined
          ? ['nobody that the lock names.']
          : ['a task that could not be read.'];
  const off = holderOffCpu === undefined ? '' : prose`, not run for ${duration(holderOffCpu)}`;
  const state = `state ${holder.task.state.letter}`;
  const how = {
    exact: 'named by the lock',
    confirmed: holder.named
      ? 'last reader that the lock names, confirmed by its stack'
      : lock.unread === undefined
        ? 'a reader, as its own stack shows; the lock names none'
        : 'a reader, as its own stack shows; the lock cannot be read',
    hint:
      lock.kind === 'semaphore'
        ? 'the last that took it: a hint, since any task may give it back'
        : 'last reader that the lock names: a hint that its stack does not confirm',
  }[holder.certainty];
  const readers =
    lock.rwsem?.heldBy === 'readers' && lock.rwsem.readers !== undefined && lock.rwsem.readers > 1
      ? prose`; ${plural(lock.rwsem.readers, 'reader')} hold it in all`
      : '';
  const { writers, readers: reading } = modesOf(lock);
  const queue = writers === 0 || reading === 0 ? '' : prose`: ${mixedText(lock)}`;
  const where = prose`${ctype(`struct ${lock.kind}`)} ${address(lock.address)}${queue}`;
  return prose`${taskValue(holder.task)}, ${state}${off} (${how})${readers}; ${where}.`;
}

function groupText(pileUp: PileUp, { comm, victims }: VictimGroup): Prose {
  const [longest] = victims;
  if (longest === undefined) return [];
  const same = victims.every((victim) => victim.mode === longest.mode);
  const role = !same || longest.mode === undefined ? '' : ` to ${longest.mode}`;
  if (victims.length === 1) {
    const position = firstOf(pileUp.lock)?.task === longest.task ? ', first in the queue' : '';
    return prose`${taskValue(longest.task)}${role}${waitText(longest)}${position}.`;
  }
  const known = isWhole(pileUp) ? '' : ' that could be read';
  return prose`${plural(victims.length, 'task')} named ${name(comm)}${role}${known}; longest: ${taskValue(longest.task)}${waitText(longest)}.`;
}

function waitText(victim: Victim): Prose | '' {
  return victim.wait === undefined ? '' : prose`, for ${duration(victim.wait)}`;
}

/** One line for each group that is a crowd, the largest in any case. */
function launchLines({ groups }: PileUp): StoryLine[] {
  return groups
    .slice(0, MAX_GROUPS)
    .filter((group, i) => i === 0 || group.victims.length >= PILE_UP)
    .map(launchText)
    .filter((text) => text.length > 0)
    .map((text) => ({ topic: 'launcher', text }));
}

function launchText({ comm, victims, launch: { levels, orphans, unread } }: VictimGroup): Prose {
  // Threads of one process count as one.
  const threads = new Set(victims.map(({ task }) => task.groupLeader ?? task.address)).size < victims.length;
  const parts = levels.map((level, i): Prose => {
    const [only] = level.tasks;
    const who =
      level.tasks.length === 1 && only !== undefined
        ? prose`${i === 0 ? 'one ' : ''}${taskValue(only)}`
        : prose`${plural(level.tasks.length, 'process', 'processes')} named ${name(level.comm)}`;
    const some = threads
      ? prose`${plural(level.started, 'process', 'processes')} of the tasks`
      : plural(level.started, 'task');
    const those = threads && level.started === 1 ? 'the process of the tasks' : some;
    if (i === 0) return prose`${those} named ${name(comm)} by ${who}`;
    const before = levels[i - 1]?.tasks.length;
    const all = level.started === before;
    return prose`, ${before === 1 ? 'itself' : all ? 'all' : prose`${count(level.started)} of them`} started by ${who}`;
  });
  const also = (): string => (parts.length === 0 ? '' : '; ');
  if (orphans !== undefined) {
    const { shared } = orphans;
    const bound =
      shared === undefined
        ? ''
        : prose`; ${count(shared.count)} of them ${shared.count === 1 ? 'is' : 'are'} in ${shared.kind} ${name(shared.id)}`;
    const whose = orphans.count === 1 ? 'has init as its parent' : 'have init as their parent';
    parts.push(
      prose`${also()}${plural(orphans.count, 'process', 'processes')} named ${name(comm)} ${whose}, which adopts those whose own is gone${bound}`,
    );
  }
  if (unread > 0)
    parts.push(prose`${also()}the ${unread === 1 ? 'parent' : 'parents'} of ${count(unread)} could not be read`);
  return parts.length === 0 ? [] : [...parts.flat(), '.'];
}

function sinceText({ holderOffCpu, arrivals }: PileUp): Prose {
  // Since when the holder has not run stands with the holder.
  if (isLong(arrivals)) return prose`waiters: ${arrivalsText(arrivals, true)}`;
  const stopped = holderOffCpu === undefined ? '' : prose`holder: ${duration(holderOffCpu)} before the crash; `;
  return prose`${stopped}waiters: ${arrivalsText(arrivals, holderOffCpu === undefined)}`;
}

function clearsText(pileUp: PileUp, standstill: Standstill, held: HeldMemory): Prose {
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
      if (held.closes)
        return prose`Only if memory comes free, in a closed loop: the ${count(pileUp.victims.length)} hold ${byteCount(held.anon)} in anonymous pages until they go on, enough to end the shortage.`;
      return ['Only if memory comes free: those who wait hold theirs, and nobody who sleeps like this gives it back.'];
    case 'still':
      return prose`Not in the ${duration(standstill.offCpu)} since its holder last ran; it may yet, if what the holder waits for comes.`;
    case 'old':
      return prose`Not in the ${duration(standstill.oldest)} seen so far; nothing in the structures proves that it never will.`;
    default:
      return openText(pileUp);
  }
}

/** Neither structure nor age says that it stands still. */
function openText(pileUp: PileUp): Prose {
  const wait = pileUp.longest?.wait;
  return wait !== undefined && wait < STILL && isWhole(pileUp)
    ? prose`Probably: nobody has waited for longer than ${duration(wait)}, so the queue moves or has just begun.`
    : ['Perhaps: neither structure nor age says that it stands still.'];
}
