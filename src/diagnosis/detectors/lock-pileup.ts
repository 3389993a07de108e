/**
 * Tasks queue behind a sleeping lock whose holder does not let go: which lock, who holds it, why the holder cannot go on,
 * who waits and who launched them. A cause when the standstill is proved by structure or argued from age; a note
 * otherwise, since short queues are how locks work.
 */
import type { Task } from '../../kernel/sched.ts';
import { blocked, type Condition, memoryShort } from '../../model/condition.ts';
import { defineDetector, needsTypes } from '../../model/diagnosis.ts';
import { type Confidence, type Finding, type Remedy, remedyLines, type StoryLine } from '../../model/finding.ts';
import {
  byteCount,
  duration,
  name,
  plural,
  prose,
  ratio,
  symbol,
  task as taskValue,
  type Prose,
} from '../../model/value.ts';
import { explainedFact, killCautions } from '../facts/chain-ends.ts';
import { deadOwnersFact } from '../facts/dead-owners.ts';
import { freeReserve, setReserve } from '../facts/free-reserve.ts';
import type { Holder } from '../facts/holders.ts';
import { lostWakeUpsFact } from '../facts/lost-wakeups.ts';
import { memoryFact, type MemoryState } from '../facts/memory.ts';
import { modulesText } from '../facts/lock-names.ts';
import { pileUpDetails, pileUpEvidence } from '../facts/pileup-evidence.ts';
import { lockOfLink, pileUpStory, tasksText } from '../facts/pileup-story.ts';
import { isWhole, type PileUp, pileUpsFact } from '../facts/pileups.ts';
import { rssFact } from '../facts/rss.ts';
import { type Standstill, standstillFact } from '../facts/standstill.ts';
import { tasksFact } from '../facts/tasks.ts';
import { MIN_FREE, PILE_UP, SHORT_AVAILABLE } from '../facts/thresholds.ts';
import { waitVerdictsFact } from '../facts/wait-verdicts.ts';

export default defineDetector({
  id: 'lock-pileup',
  title: 'Queues behind sleeping locks',
  summary: 'One holder that does not let go of a mutex or rw_semaphore stops everybody who needs it.',
  needs: {
    pileUps: pileUpsFact,
    standstills: standstillFact,
    memory: memoryFact,
    rss: rssFact,
    tasks: tasksFact,
    dead: deadOwnersFact,
    verdicts: waitVerdictsFact,
    explained: explainedFact,
    lost: lostWakeUpsFact,
  },
  appliesTo: needsTypes,
  run({ pileUps, standstills, memory, rss, tasks: { tasks }, dead, verdicts, explained, lost }) {
    const findings: Finding[] = [];
    const blocked = tasks.filter(({ state }) => state.uninterruptible);
    for (const pileUp of pileUps) {
      // Told by dead-lock-owner, which knows of what the owner died.
      if (dead.of(pileUp.lock) !== undefined) continue;
      // Told by lost-wake-up, which knows that nobody holds it and nobody is about to wake them.
      if (lost.some(({ target }) => target.address === pileUp.lock.address)) continue;
      // The one at the end of the chain is to blame, and told by a detector of its own.
      if (isExplained(pileUp, explained)) continue;
      // Its holder waits, in the end, for what is no lock, and is told of there.
      if (verdicts.tells(pileUp.lock)) continue;
      const standstill = standstills.of(pileUp);
      if (standstill.kind === 'open' && pileUp.victims.length < PILE_UP) continue;
      const own = new Set(pileUp.victims.map(({ task }) => task));
      const resident = rss.of([...own]);
      const anon = rss.anonOf([...own]);
      const closes = standstill.kind === 'reclaim' && wouldEnd(memory, anon);
      const others = blocked.filter((task) => !own.has(task) && task !== pileUp.holder?.task).length;
      findings.push(findingOf(pileUp, standstill, memory, { resident, anon, closes, others }));
    }
    return findings;
  },
});

/** Its holder waits for somebody that is told of elsewhere, or, without a holder, all who wait are. */
function isExplained({ holder, victims }: PileUp, explained: ReadonlySet<Task>): boolean {
  return holder !== undefined && holder.certainty !== 'hint'
    ? explained.has(holder.task)
    : victims.every(({ task }) => explained.has(task));
}

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

/** What does away with the cause is told with what ends the hang. */
const TOLD: { readonly [K in Standstill['kind']]?: number } = {
  reclaim: 3,
  'lock-cycle': 2,
  'own-userfault': 2,
};

interface Around {
  /** Bytes that the victims hold, shared memory counted in each. */
  readonly resident: number;
  /** Of these, bytes of anonymous memory. */
  readonly anon: number;
  /** What the victims alone hold would end the shortage that they wait for: a closed loop. */
  readonly closes: boolean;
  /** Tasks in uninterruptible sleep that are no part of it. */
  readonly others: number;
}

function findingOf(pileUp: PileUp, standstill: Standstill, memory: MemoryState, around: Around): Finding {
  const { resident, anon, closes, others } = around;
  const confidence: Confidence = standstill.kind === 'open' ? 'possible' : standstill.confidence;
  const because = becauseOf(pileUp, standstill);
  const remedies = remediesOf(pileUp, standstill, memory);
  return {
    detector: 'lock-pileup',
    cause:
      standstill.kind === 'old' && pileUp.holder === undefined ? 'lock-stuck-holder-unknown' : CAUSES[standstill.kind],
    role: standstill.kind === 'open' ? 'context' : 'cause',
    title: titleOf(pileUp, standstill),
    confidence,
    ...(because === undefined ? {} : { because }),
    weight: pileUp.victims.length,
    explains: [...victimsOf(pileUp), ...(closes ? [memoryShort] : [])],
    restsOn: [
      ...(pileUp.holder === undefined || pileUp.cycle.length > 0 ? [] : [blocked(pileUp.holder.task.address)]),
      ...(standstill.kind === 'reclaim' ? [memoryShort] : []),
    ],
    story: [
      ...pileUpStory(pileUp, standstill, memory, { resident, anon, closes }),
      ...(others > 0 && standstill.kind !== 'open' ? [othersLine(others)] : []),
      ...remedyLines(remedies, TOLD[standstill.kind] ?? 1),
    ],
    ...(pileUp.arrivals.growth === undefined ? {} : { growth: pileUp.arrivals.growth }),
    evidence: pileUpEvidence(pileUp, standstill),
    remedies,
    details: { ...pileUpDetails(pileUp, standstill), victimsResident: byteCount(resident), memory: memory.verdict },
  };
}

const victimsOf = ({ victims }: PileUp): readonly Condition[] => victims.map(({ task }) => blocked(task.address));

/** Whether so many bytes more would lift memory above where it is called short. */
function wouldEnd({ info, minWatermark }: MemoryState, bytes: number): boolean {
  const total = info.memTotal.value;
  const available = info.memAvailable.value;
  const free = info.memFree.value ?? 0;
  if (total === undefined || available === undefined) return false;
  return available + bytes >= total * SHORT_AVAILABLE && free + bytes >= (minWatermark ?? 0);
}

function othersLine(others: number): StoryLine {
  const text = prose`${plural(others, 'more task is', 'more tasks are')} in uninterruptible sleep, and not in this queue.`;
  // One or two are there on any machine.
  return { topic: 'waiters', text, detail: others < PILE_UP };
}

function titleOf(pileUp: PileUp, standstill: Standstill): Prose {
  const { name: lock, holder, cycle } = pileUp;
  if (standstill.kind === 'lock-cycle') {
    const [first, second] = cycle;
    const tasks = tasksText(pileUp, false);
    if (cycle.length === 1 && first !== undefined)
      return prose`Deadlock: ${taskValue(first.holder.task)} waits for ${lock.text}, which it holds itself; ${tasks} wait in all.`;
    const who =
      cycle.length === 2 && first !== undefined && second !== undefined
        ? prose`${taskValue(first.holder.task)} and ${taskValue(second.holder.task)} wait for each other's locks`
        : prose`${plural(cycle.length, 'task')} wait for each other in a circle of locks`;
    return prose`Deadlock: ${who}; ${tasks} are stuck in or behind it.`;
  }
  const tasks = tasksText(pileUp, true);
  const wait = pileUp.total === 1 ? 'waits' : 'wait';
  if (holder === undefined && standstill.kind === 'owner-exited')
    return prose`${tasks} ${wait} for ${lock.text}, whose owner has exited without letting go.`;
  if (holder === undefined)
    return pileUp.lock.ownerUnread !== undefined
      ? prose`${tasks} ${wait} for ${lock.text}; its holder could not be read.`
      : prose`${tasks} ${wait} for ${lock.text}${atMost(pileUp, standstill)}, and nobody is named as its holder.`;
  if (standstill.kind === 'open')
    return prose`${tasks} ${wait} for ${lock.text}${atMost(pileUp, standstill)}, which ${taskValue(holder.task)} holds.`;
  const certain = standstill.confidence === 'certain';
  const stands: { readonly [K in Exclude<Standstill['kind'], 'lock-cycle' | 'open'>]: string } = {
    'own-userfault': certain ? 'can never go on' : 'can hardly go on',
    userfault: 'waits for a user-space server',
    'owner-exited': 'has exited',
    reclaim: holder.turns?.starved === true ? 'gets no memory and hardly a CPU' : 'gets no memory',
    still: 'has not run since before they came',
    old: 'does not let go',
  };
  return prose`${tasks} ${wait} for ${lock.text}; its holder ${taskValue(holder.task)} ${stands[standstill.kind]}.`;
}

/** What tells a queue that moves from one that stands: where it is not known that it stands. */
function atMost(pileUp: PileUp, standstill: Standstill): Prose {
  const wait = pileUp.longest?.wait;
  return standstill.kind !== 'open' || wait === undefined || !isWhole(pileUp)
    ? []
    : prose`, for ${duration(wait)} at most`;
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
  const out: Remedy[] = standstill.kind === 'lock-cycle' ? cycleRemedies(pileUp) : [];
  if (holder !== undefined && standstill.kind !== 'owner-exited' && standstill.kind !== 'lock-cycle') {
    const kill = killText(pileUp, holder);
    if (kill !== undefined)
      out.push(kill.caution === undefined ? kill : { ...kill, caution: costText(holder, standstill) });
    if (holder.driver !== undefined && (standstill.kind === 'still' || standstill.kind === 'old'))
      out.push({
        action: prose`Mend or update the module ${name(holder.driver.module)}: ${symbol(holder.driver.func)} must not wait without a timeout while it has the lock.`,
      });
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

/** What a kill costs, and that it mends nothing. */
function costText({ driver }: Holder, { kind }: Standstill): Prose {
  return driver !== undefined && (kind === 'still' || kind === 'old')
    ? prose`what it was doing is lost, and it comes back until the module ${name(driver.module)} is mended.`
    : ['what it was doing is lost.'];
}

/** A circle ends when one of its tasks can be killed; else only with the machine. */
function cycleRemedies({ cycle }: PileUp): Remedy[] {
  const mortal = cycle.find(({ holder: { task } }) => task.state.killable && !task.kthread)?.holder.task;
  const again =
    cycle.length === 1
      ? []
      : prose`it comes back until the code that takes both is mended${modulesText(cycle.map((link) => link.name.module))}: all must take them in one order.`;
  const end: Remedy =
    mortal === undefined
      ? {
          action: [
            'Restart the machine: none of the tasks in the circle can be killed out of it, as their sleep does not end on a signal.',
          ],
          ...(cycle.length === 1 ? {} : { caution: again }),
        }
      : {
          action: prose`Kill ${taskValue(mortal)}: its sleep (state ${mortal.state.letter}) ends on SIGKILL, and it lets go of the lock that the next one waits for.`,
          ...killCautions(mortal),
        };
  const names = cycle.map((link, i) => prose`${i === 0 ? '' : ' and '}${lockOfLink(link)}`);
  const mend: Remedy =
    cycle.length === 1
      ? { action: ['Mend the code that takes the lock while it holds it.'] }
      : { action: prose`Mend the code that takes them in different orders: ${names.flat()}.` };
  return [end, mend];
}

/** Undefined where the reserve is not small, or not known. */
function reserveRemedy(memory: MemoryState): Remedy | undefined {
  const reserve = freeReserve(memory);
  if (reserve?.isSmall !== true) return undefined;
  return {
    action: prose`Once memory is under control, raise the kernel's reserve from ${byteCount(reserve.now)} to ${ratio(MIN_FREE)} of memory, ${setReserve(reserve)}: then what must not wait for a page, such as receiving from the network, still gets one.`,
    caution: ['that much less is left for programs.'],
  };
}

/** Whether SIGKILL ends what the holder does; undefined when its state does not tell. */
function killText({ lock, whole, total }: PileUp, { task, stall, certainty, driver }: Holder): Remedy | undefined {
  const who = taskValue(task);
  if (task.kthread) return { action: ['The holder is a kernel thread and cannot be killed: only a reboot clears it.'] };
  if (stall.kind === 'running' || stall.kind === 'runnable' || stall.kind === 'exited') return undefined;
  if (!task.state.killable && task.state.sleeping) {
    return {
      action: prose`Killing ${who} does not help: its sleep (state ${task.state.letter}) does not end on a signal. Bring about what it waits for${driver === undefined ? '' : prose` in module ${name(driver.module)} (reset its device)`}, or restart the machine.`,
    };
  }
  const others = (lock.rwsem?.heldBy === 'readers' ? (lock.rwsem.readers ?? 1) : 1) - 1;
  const waiters = whole ? prose`all ${plural(total, 'waiter')}` : 'all waiters';
  const then =
    certainty === 'hint'
      ? prose`if it is the holder, ${waiters} should go on`
      : others > 0
        ? prose`it lets go, but ${plural(others, 'more reader holds', 'more readers hold')} the lock`
        : prose`${waiters} should go on`;
  return {
    action: prose`Kill ${who}: its sleep (state ${task.state.letter}) ends on SIGKILL, and ${then}.`,
    ...killCautions(task),
  };
}
