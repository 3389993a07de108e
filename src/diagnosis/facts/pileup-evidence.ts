/**
 * The evidence of a pile-up and its details for machines: each claim with its address, C type, confidence, and the
 * command of crash that shows the same.
 */
import { hex } from '../../base/address.ts';
import type { Evidence } from '../../model/finding.ts';
import {
  address,
  count,
  type Data,
  duration,
  name,
  plural,
  prose,
  symbol,
  task as taskValue,
} from '../../model/value.ts';
import type { Holder } from './holders.ts';
import type { Launch } from './launchers.ts';
import type { ContendedLock } from './locks.ts';
import { firstOf, isWhole, modesOf, type PileUp, type Victim } from './pileups.ts';
import { lockOfLink } from './pileup-story.ts';
import type { Standstill } from './standstill.ts';
import { cgroupData } from './task-cgroups.ts';

const MAX_LISTED = 5;

export function pileUpEvidence(pileUp: PileUp, standstill: Standstill): readonly Evidence[] {
  const { lock, name, holder, longest } = pileUp;
  const ctype = `struct ${lock.kind}`;
  const out: Evidence[] = [
    {
      claim: prose`It is ${name.text}${name.witnesses.length === 0 ? '' : `: ${name.witnesses.join('; ')}`}.`,
      address: lock.address,
      ctype,
      confidence: name.what === 'unknown' ? 'possible' : 'certain',
      show:
        name.container === undefined
          ? `sym ${hex(lock.address)}`
          : `${showStruct(name.container.ctype)} ${hex(name.container.address)}`,
    },
    queueEvidence(lock),
  ];
  const { rwsem } = lock;
  if (rwsem !== undefined) {
    const who = {
      readers: prose`held by ${plural(rwsem.readers ?? 0, 'reader')}`,
      writer: 'held by a writer',
      nobody: 'held by nobody',
      unknown: 'held, but not by whom',
    }[rwsem.heldBy];
    out.push({
      claim:
        lock.kind === 'percpu_rw_semaphore'
          ? prose`Its counts on all CPUs and its word block (${String(rwsem.count)}) say: ${who}.`
          : prose`Its count 0x${rwsem.count.toString(16)} says: ${who}.`,
      address: lock.address,
      ctype,
      confidence: rwsem.heldBy === 'unknown' ? 'possible' : 'certain',
      show: `${ctype}${rwsem.rawOwner !== undefined && rwsem.nextWriter === undefined ? '.count,owner' : ''} ${hex(lock.address)}`,
    });
  }
  if (holder !== undefined) out.push(...holderEvidence(lock, holder));
  if (holder?.stall.kind === 'userfault') out.push(...userfaultEvidence(holder, standstill));
  if (pileUp.cycle.length > 0) out.push(...cycleEvidence(pileUp));
  if (longest?.wait !== undefined) {
    out.push({
      claim: prose`The longest wait${isWhole(pileUp) ? '' : ' of those that could be read'}: ${taskValue(longest.task)}, ${duration(longest.wait)} since it last got a CPU.`,
      address: longest.task.address,
      ctype: 'struct task_struct',
      confidence: 'certain',
      show: `ps -m ${longest.task.pid}`,
    });
  }
  return out;
}

function queueEvidence(lock: ContendedLock): Evidence {
  const { kind, address: at, waiters, strangers, whole, onStacks, named, unread, problems } = lock;
  if (unread !== undefined) {
    return {
      claim: prose`${plural(waiters.length, 'task names', 'tasks name')} it as what they wait for; the lock itself could not be read.`,
      address: at,
      ctype: `struct ${kind}`,
      confidence: 'probable',
      because: [unread],
      show: `struct ${kind} ${hex(at)}`,
    };
  }
  const because = [...problems];
  const total = waiters.length + strangers;
  if (onStacks + named < total) because.push('the others stand on the list of the lock alone');
  const found = onStacks < total ? prose`${count(onStacks)} of them` : 'each';
  const more = named === 0 ? '' : prose`, ${count(named)} by the lock and the task naming each other`;
  return {
    claim: prose`${whole ? '' : 'At least '}${plural(total, 'waiter')} on its list, ${found} found on the stack of the task that it names${more}.`,
    address: at,
    ctype: `struct ${kind}`,
    confidence: because.length === 0 ? 'certain' : 'probable',
    ...(because.length === 0 ? {} : { because: [because.join('; ')] }),
    show: `struct ${kind} ${hex(at)}`,
  };
}

/** Each holds a lock and waits for the next; the last waits for the first. */
function cycleEvidence({ cycle }: PileUp): Evidence[] {
  return cycle.map((link, i) => {
    const { lock, name: found, holder } = link;
    const next = cycle[(i + 1) % cycle.length] ?? link;
    const ctype = `struct ${lock.kind}`;
    const where = found.what === 'unknown' || found.what === 'slab' ? '' : prose`, at ${address(lock.address)},`;
    return {
      claim: prose`${taskValue(holder.task)} holds ${lockOfLink(link)}${where} and waits for ${lockOfLink(next)}.`,
      address: lock.address,
      ctype,
      confidence: holder.certainty === 'exact' || holder.proof?.taker !== undefined ? 'certain' : 'probable',
      show: `${ctype} ${hex(lock.address)}`,
    };
  });
}

function showStruct(ctype: string): string {
  return ctype.startsWith('struct ') ? ctype : 'kmem';
}

function holderEvidence({ kind, unread }: ContendedLock, { task, certainty, named, proof, turns }: Holder): Evidence[] {
  const out: Evidence[] = named ? [namedEvidence(kind, task, certainty)] : [];
  if (turns !== undefined) {
    const life = turns.alive === undefined ? '' : prose`, of the ${duration(turns.alive)} since it started`;
    out.push({
      claim: prose`It got a CPU ${count(Number(turns.runs))} times and waited for one for ${duration(turns.waited)} in all${life}.`,
      address: task.address,
      ctype: 'struct task_struct',
      confidence: 'certain',
      show: `task -R sched_info ${task.pid}`,
    });
  }
  if (proof === undefined) return out;
  const whose = named
    ? 'Its'
    : unread === undefined
      ? prose`The lock names no reader, but ${taskValue(task)} is one: its`
      : prose`Whom the lock names is not known, but ${taskValue(task)} is a reader: its`;
  const what = proof.points === 'lock' ? 'the address of the lock' : 'the address of the object around the lock';
  const under = proof.taker === undefined ? '' : prose`, called by ${symbol(proof.taker)}, which works under this lock`;
  out.push({
    claim: prose`${whose} stack holds ${what}, saved by ${symbol(proof.func ?? '?')}${under}.`,
    address: proof.at,
    ctype: 'unsigned long',
    confidence: proof.taker === undefined ? 'probable' : 'certain',
    ...(proof.taker === undefined ? { because: ['no function is known on this stack that takes such a lock'] } : {}),
    show: `bt -f ${task.pid}`,
  });
  return out;
}

function namedEvidence(kind: ContendedLock['kind'], task: Holder['task'], certainty: Holder['certainty']): Evidence {
  const exact = certainty === 'exact';
  const asWhat = exact ? '' : ` as the ${kind === 'semaphore' ? 'task' : 'reader'} that took it last`;
  const because =
    kind === 'semaphore'
      ? 'others may hold it too, and any task may give it back'
      : 'a reader may have let go since; only its stack can confirm it';
  return {
    claim: prose`${kind === 'semaphore' ? 'Its last_holder' : 'The owner word'} names ${taskValue(task)}${asWhat}.`,
    address: task.address,
    ctype: 'struct task_struct',
    confidence: exact ? 'certain' : 'possible',
    ...(exact ? {} : { because: [because] }),
    show: `bt ${task.pid}`,
  };
}

function userfaultEvidence({ task, stall }: Holder, standstill: Standstill): Evidence[] {
  if (stall.kind !== 'userfault') return [];
  const { fault, context, mapping } = stall.userfault;
  const registered = mapping?.registered === true ? ', in a mapping registered with that userfaultfd' : '';
  const out: Evidence[] = [
    {
      claim: prose`${taskValue(task)} waits for an answer to its ${fault.access} at ${address(fault.address)} (${fault.wants} page)${registered}.`,
      address: fault.waiter,
      ctype: 'struct userfaultfd_wait_queue',
      confidence: 'certain',
      show: `struct userfaultfd_wait_queue ${hex(fault.waiter)}`,
    },
  ];
  if (standstill.kind === 'own-userfault' || standstill.kind === 'userfault') {
    const { all, complete } = standstill.answerers;
    const listed = all
      .slice(0, MAX_LISTED)
      .map((a, i) => prose`${i === 0 ? '' : ', '}fd ${String(a.fd)} of ${taskValue(a.task)}`);
    const rest = all.length > MAX_LISTED ? prose` and ${count(all.length - MAX_LISTED)} more` : '';
    out.push({
      claim: prose`Open descriptors of it: ${listed.length === 0 ? 'none found' : listed.flat()}${rest}${complete ? '; its file and its context have no further references' : ''}.`,
      address: context.ctx,
      ctype: 'struct userfaultfd_ctx',
      confidence: complete ? 'certain' : 'probable',
      ...(complete
        ? {}
        : { because: ['it has references that no descriptor explains, or some descriptors could not be read'] }),
      show: `foreach files -R userfaultfd`,
    });
  }
  return out;
}

/** Keys: docs/json-schema.md, lock-pileup. */
export function pileUpDetails(pileUp: PileUp, standstill: Standstill): { readonly [key: string]: Data } {
  const { lock, name, holder, victims, groups, longest, behind, cycle } = pileUp;
  const { writers, readers } = modesOf(lock);
  const first = firstOf(lock);
  return {
    lock: {
      address: address(lock.address),
      ctype: `struct ${lock.kind}`,
      member: name.member,
      containerAddress: name.container === undefined ? undefined : address(name.container.address),
      containerType: name.container?.ctype,
      path: name.path,
      pathInFileSystem: name.pathInFileSystem,
      inodeKind: name.inodeKind,
      fsType: name.fsType,
      count: lock.rwsem === undefined ? undefined : `0x${lock.rwsem.count.toString(16)}`,
      heldBy: lock.rwsem?.heldBy,
      readersHolding: lock.rwsem?.readers,
      unread: lock.unread,
    },
    holder: holder === undefined ? undefined : holderDetails(pileUp, holder),
    standstill: standstill.kind,
    provedByStructure: standstill.kind !== 'open' && standstill.confidence === 'certain',
    cycle: cycle.map((link) => ({
      lock: address(link.lock.address),
      name: link.name.member,
      path: link.name.path,
      holder: taskValue(link.holder.task),
    })),
    waiters: {
      total: lock.whole ? lock.waiters.length + lock.strangers : undefined,
      read: lock.waiters.length,
      writers: lock.whole && lock.kind === 'rw_semaphore' ? writers : undefined,
      readers: lock.whole && lock.kind === 'rw_semaphore' ? readers : undefined,
      first: victimDetails(victims.find((victim) => first !== undefined && victim.task === first.task)),
      longest: victimDetails(longest),
    },
    cgroups: cgroupData(pileUp.cgroups),
    victims: pileUp.whole ? pileUp.total : undefined,
    victimsRead: victims.length,
    locksBehind: behind.map((other) => address(other.address)),
    groups: groups.map((group) => ({
      comm: group.comm,
      count: group.victims.length,
      longest: victimDetails(group.victims[0]),
      launchers: launchDetails(group.launch),
    })),
    killingHolderHelps:
      holder?.task.state.sleeping === true ? holder.task.state.killable && !holder.task.kthread : undefined,
  };
}

function holderDetails(pileUp: PileUp, holder: Holder): Data {
  return {
    task: taskValue(holder.task),
    state: holder.task.state.letter,
    certainty: holder.certainty,
    namedByLock: holder.named,
    offCpu: pileUp.holderOffCpu === undefined ? undefined : duration(pileUp.holderOffCpu),
    stall: holder.stall.kind,
    inPageFault: holder.inFault,
    syscall: holder.syscall,
    waitsIn: holder.waitsIn,
    driver:
      holder.driver === undefined
        ? undefined
        : { func: symbol(holder.driver.func), module: name(holder.driver.module) },
    reclaim: holder.reclaim,
    runs: holder.turns === undefined ? undefined : count(Number(holder.turns.runs)),
    waitedForCpu: holder.turns === undefined ? undefined : duration(holder.turns.waited),
    starved: holder.turns?.starved,
    userfault:
      holder.stall.kind === 'userfault'
        ? {
            address: address(holder.stall.userfault.fault.address),
            context: address(holder.stall.userfault.context.ctx),
            access: holder.stall.userfault.fault.access,
          }
        : undefined,
  };
}

function victimDetails(victim: Victim | undefined): Data {
  if (victim === undefined) return undefined;
  return {
    task: taskValue(victim.task),
    mode: victim.mode,
    wait: victim.wait === undefined ? undefined : duration(victim.wait),
  };
}

function launchDetails({ levels, orphans, unread }: Launch): Data {
  return {
    levels: levels.map((level) => ({
      comm: level.comm,
      processes: level.tasks.length,
      started: level.started,
      first: level.tasks[0]?.pid,
    })),
    orphans: orphans?.count,
    unread: unread === 0 ? undefined : unread,
    orphansShare: orphans?.shared === undefined ? undefined : `${orphans.shared.kind} ${orphans.shared.id}`,
  };
}
