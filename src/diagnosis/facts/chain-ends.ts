/**
 * Ends of chains that have a detector of their own, each with who waits behind it and how sure it is that the end stands
 * still. The queues of the locks in between are explained by them: `explainedFact` says which.
 */
import type { VirtAddr } from '../../base/address.ts';
import type { Task } from '../../kernel/sched.ts';
import { defineFact, type FactContext } from '../../model/diagnosis.ts';
import type { Confidence, Remedy } from '../../model/finding.ts';
import { name, type Prose, prose, task as taskValue } from '../../model/value.ts';
import { graceStallFact } from './grace-stall.ts';
import { functionAt } from './oopses.ts';
import { type SilentServer, silentServersFact } from './silent-servers.ts';
import { type Starvation, starvationFact } from './starvation.ts';
import { taskWaitsFact } from './task-waits.ts';
import { PILE_UP, SILENT, STILL, STUCK_BY_AGE } from './thresholds.ts';
import { waitGraphFact, type WaitRoot } from './wait-graph.ts';
import { leavesFact } from './wait-leaves.ts';

export interface ServerVerdict {
  readonly server: SilentServer;
  /** Why the server does not go on: fits behind its name. */
  readonly leaf: Prose;
  /** Nobody is left who could end what it waits for. */
  readonly hopeless: boolean;
  readonly confidence: Confidence;
  /** Else it is told as context only. */
  readonly cause: boolean;
}

/** FUSE servers that are worth telling of. */
export const serverVerdictsFact = defineFact<readonly ServerVerdict[]>({
  id: 'server-verdicts',
  derive(context) {
    return context.use(silentServersFact).flatMap((server) => {
      const verdict = serverVerdict(context, server);
      return verdict === undefined ? [] : [verdict];
    });
  },
});

function serverVerdict(context: FactContext, server: SilentServer): ServerVerdict | undefined {
  const { requests, still, reads, behind, root, servers } = server;
  const oldest = requests[0]?.wait;
  const [first] = servers;
  if (oldest === undefined || oldest < STILL) return undefined;
  // Of several that could answer, the leaf says what the one does that ran last.
  const text = context
    .use(leavesFact)
    .of(first === undefined ? root : { ...root, task: first, target: undefined }).text;
  const wait = first === undefined || servers.length > 1 ? undefined : context.use(taskWaitsFact).of(first);
  const found = { server, leaf: text, hopeless: wait?.hopeless === true && wait.left === undefined };
  // Proved by structure, but no real dump has shown it yet.
  if (server.asksItself) return { ...found, confidence: 'probable', cause: true };
  if (!reads && still !== undefined && still >= STILL)
    return { ...found, confidence: still >= SILENT ? 'probable' : 'possible', cause: true };
  if (behind.length < PILE_UP) return undefined;
  return { ...found, confidence: 'possible', cause: oldest >= STUCK_BY_AGE };
}

export interface StarvationVerdict {
  readonly starvation: Starvation;
  readonly root: WaitRoot;
  /** Those who wait for one that is kept from the CPU, directly or not; the ones that are kept from it are not among them. */
  readonly waiters: readonly Task[];
  readonly confidence: Confidence;
  readonly cause: boolean;
}

/** Real-time tasks that keep others from a CPU for long. */
export const starvationVerdictsFact = defineFact<readonly StarvationVerdict[]>({
  id: 'starvation-verdicts',
  derive(context) {
    const { roots } = context.use(waitGraphFact);
    return context.use(starvationFact).flatMap((starvation): StarvationVerdict[] => {
      const [longest] = starvation.starved;
      const root = roots.find(({ task }) => task === starvation.by);
      if (longest === undefined || root === undefined || longest.queued < STILL) return [];
      const kept = new Set(starvation.starved.map(({ task }) => task));
      const waiters = [...root.behind, ...root.further].filter((task) => !kept.has(task));
      const confidence = starvation.sure ? (longest.queued >= SILENT ? 'certain' : 'probable') : 'possible';
      return [{ starvation, root, waiters, confidence, cause: waiters.length > 0 }];
    });
  },
});

/** Where the function begins that the reader stays in who keeps a grace period of RCU from ending. */
export const graceAddressFact = defineFact<VirtAddr | undefined>({
  id: 'grace-address',
  derive({ program, use }) {
    const at = use(graceStallFact)?.readers[0]?.at;
    return at === undefined ? undefined : functionAt(program, { ...at, offset: 0 });
  },
});

/** What goes with every advice to kill: it may be read long after the dump was made. */
export function killCautions({ pid, comm }: Task): Pick<Remedy, 'verify' | 'caution'> {
  return { verify: prose`pid ${String(pid)} is still ${name(comm)}.`, caution: ['what it was doing is lost.'] };
}

/** What killing the one at the end comes to. @param then - fits behind 'its sleep ends on SIGKILL, and' */
export function killRemedy(task: Task, then: Prose): Remedy {
  const who = taskValue(task);
  if (task.kthread) return { action: prose`${who} is a kernel thread and cannot be killed: only a restart clears it.` };
  if (task.state.sleeping && !task.state.killable)
    return {
      action: prose`Killing ${who} does not help: its sleep (state ${task.state.letter}) does not end on a signal. Bring about what it waits for, or restart the machine.`,
    };
  const how = task.state.sleeping ? prose`its sleep (state ${task.state.letter}) ends on SIGKILL, and ` : '';
  return {
    action: prose`Kill ${who}: ${how}${then}.`,
    ...killCautions(task),
  };
}

/** Tasks whose wait another finding explains than that of the lock that they wait for. */
export const explainedFact = defineFact<ReadonlySet<Task>>({
  id: 'explained-waits',
  derive(context) {
    const out = new Set<Task>();
    for (const { cause, server } of context.use(serverVerdictsFact)) {
      if (cause) for (const task of server.behind) out.add(task);
    }
    for (const { cause, root } of context.use(starvationVerdictsFact)) {
      if (cause) for (const task of [...root.behind, ...root.further]) out.add(task);
    }
    for (const task of context.use(graceStallFact)?.behind ?? []) out.add(task);
    return out;
  },
});
