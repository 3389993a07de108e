/**
 * RCU waits for a reader that does not come out of its section: a CPU that loops in the kernel, or a task that sleeps where
 * it must not. Found from RCU's own tree; where that says nothing, from the log alone. With interrupts off it is
 * `hard-lockup`.
 */
import { blocked } from '../../model/condition.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import { type Evidence, type Finding, type Remedy, remedyLines } from '../../model/finding.ts';
import {
  address,
  command,
  ctype,
  duration,
  name,
  plural,
  prose,
  type Prose,
  symbol,
  task as taskValue,
} from '../../model/value.ts';
import { graceAddressFact, killCautions, killRemedy } from '../facts/chain-ends.ts';
import { graceStallFact, type GraceStall, type StallingReader } from '../facts/grace-stall.ts';
import { lockupFinding } from '../facts/lockup-story.ts';
import { lockupFact } from '../facts/lockups.ts';
import { moduleRemedy } from '../facts/oops-story.ts';
import { type WaitStory, waitStoriesFact } from '../facts/wait-story.ts';

export default defineDetector({
  id: 'rcu-stall',
  title: 'CPUs that RCU waits for',
  summary: 'A reader that never ends stops RCU, and with it whoever frees memory or changes shared tables.',
  needs: { lockup: lockupFact, stall: graceStallFact, place: graceAddressFact, stories: waitStoriesFact },
  appliesTo: () => true,
  run({ lockup, stall, place, stories }) {
    if (lockup?.interruptsOff === true) return [];
    if (stall !== undefined) {
      const log = lockup?.report.kind === 'rcu-stall' ? lockup.report.headline : undefined;
      // That the CPU loops is told by the watchdog's own detector: RCU waits because it does.
      const told = log === undefined && lockup?.task !== undefined && lockup.task === stall.readers[0]?.task;
      return [structural(stall, stories.of(stall.root), { log, place, told })];
    }
    if (lockup?.report.kind !== 'rcu-stall') return [];
    return [
      lockupFinding(lockup, {
        detector: 'rcu-stall',
        cause: 'rcu-stall',
        does: ', and RCU waits for it',
        why: ['It loops in the kernel: no grace period of RCU can end before it schedules.'],
        proved: false,
      }),
    ];
  },
});

interface Beside {
  readonly log: string | undefined;
  /** Where the function begins that the reader stays in. */
  readonly place: Parameters<typeof address>[0] | undefined;
  /** Another watchdog reported the same task. */
  readonly told: boolean;
}

function structural(stall: GraceStall, { lines, details, grown }: WaitStory, beside: Beside): Finding {
  const { grace, age, readers, behind } = stall;
  const [first] = readers;
  if (first === undefined) throw new RangeError('a stall has a reader');
  const { task } = first;
  const behindText = behind.length === 0 ? [] : prose`; ${plural(behind.length, 'task waits', 'tasks wait')} behind it`;
  const remedies = remediesOf(first);
  return {
    detector: 'rcu-stall',
    cause: 'rcu-stall',
    role: beside.told ? 'symptom' : 'cause',
    title: prose`RCU has waited for ${duration(age)} for ${taskValue(task)}, which ${doesText(first)}${behindText}.`,
    confidence: 'probable',
    because: ['that RCU waits for it is read from its tree; that it will never go on is argued from the age'],
    weight: Math.max(1, behind.length),
    explains: behind.map((each) => blocked(each.address)),
    ...grown,
    story: [
      {
        topic: 'what',
        text: prose`Who frees or changes what RCU protects waits for the end of a grace period. This one has been running for ${duration(age)}, where the kernel complains after ${duration(stall.threshold)}.`,
      },
      { topic: 'why', text: whyText(first) },
      {
        topic: 'holder',
        text: prose`${taskValue(task)}, state ${task.state.letter}: ${first.why}.${moreText(readers)}`,
        // The reason says the same of one alone.
        detail: readers.length === 1,
      },
      { topic: 'proof', text: proofText(stall, first) },
      ...lines,
      { topic: 'clears', text: clearsText(first) },
      ...remedyLines(remedies, 1),
    ],
    evidence: evidenceOf(stall, first, beside),
    remedies,
    details: {
      resource: { address: address(grace.state), ctype: 'struct rcu_state' },
      culprit: taskValue(task),
      function:
        first.at === undefined
          ? undefined
          : {
              name: first.at.func,
              module: first.at.module,
              address: beside.place === undefined ? undefined : address(beside.place),
            },
      gracePeriod: duration(age),
      cpus: grace.cpus.map(({ cpu }) => cpu),
      readers: readers.map((reader) => ({ task: taskValue(reader.task), why: reader.why })),
      victims: behind.length,
      report: beside.log === undefined ? undefined : 'rcu-stall',
      headline: beside.log === undefined ? undefined : name(beside.log),
      ...details,
    },
  };
}

/** ' in routedev_walk of module routedev'. */
function atText({ at }: StallingReader): Prose {
  if (at === undefined) return [];
  return prose` in ${symbol(at.func)}${at.module === undefined ? '' : prose` of module ${name(at.module)}`}`;
}

function doesText(reader: StallingReader): Prose {
  const { task } = reader;
  if (task.running) return prose`stays${atText(reader)} on CPU ${String(task.cpu ?? '?')}`;
  return prose`${task.state.sleeping ? 'sleeps' : 'has no CPU'}${atText(reader)} as a reader`;
}

function whyText(reader: StallingReader): Prose {
  const { task, since } = reader;
  if (task.running) {
    const long = since ? ' and has since before the grace period began' : '';
    return prose`${taskValue(task)} runs${atText(reader)}${long}: no grace period can end before its CPU schedules.`;
  }
  const off = reader.offCpu === undefined ? '' : prose` ${duration(reader.offCpu)} before the crash`;
  return prose`${taskValue(task)} ${task.state.sleeping ? 'went to sleep' : 'was put off its CPU'}${atText(reader)}${off}, between rcu_read_lock() and rcu_read_unlock(): no grace period can end before it comes out.`;
}

function proofText({ grace }: GraceStall, { task }: StallingReader): Prose {
  const node = grace.cpus.find(({ cpu }) => cpu === task.cpu)?.node;
  const reader = task.running
    ? prose`the bit of CPU ${String(task.cpu ?? '?')} in ${symbol('qsmask')} of its struct rcu_node is still set${node === undefined ? '' : prose`; by hand: ${command(`struct rcu_node.qsmask ${node.toString(16)}`)}`}`
    : prose`${taskValue(task)} stands on ${symbol('blkd_tasks')} of its struct rcu_node`;
  return prose`${symbol('gp_seq')} and ${symbol('gp_start')} of ${ctype('struct rcu_state')} ${address(grace.state)} say that a grace period runs and since when; ${reader}.`;
}

function moreText(readers: readonly StallingReader[]): Prose {
  const more = readers.length - 1;
  return more === 0 ? [] : prose` ${plural(more, 'more reader keeps', 'more readers keep')} it from ending as well.`;
}

function clearsText({ task }: StallingReader): Prose {
  return task.running ? ['Not as long as it loops.'] : ['Only when what it sleeps for comes.'];
}

function remediesOf({ task, at }: StallingReader): readonly Remedy[] {
  if (task.running)
    return [
      {
        action: prose`Kill ${taskValue(task)}, which helps only when its loop in the kernel looks for signals; else restart the machine.`,
        ...killCautions(task),
        ...(at?.module === undefined
          ? {}
          : {
              caution: prose`what it was doing is lost; it comes back until the module ${name(at.module)} is mended.`,
            }),
      },
      ...moduleRemedy(at?.module),
    ];
  return [killRemedy(task, ['the grace period can end']), ...moduleRemedy(at?.module)];
}

function evidenceOf({ grace, age }: GraceStall, reader: StallingReader, { log }: Beside): readonly Evidence[] {
  const { task } = reader;
  const node = grace.cpus.find(({ cpu }) => cpu === task.cpu)?.node;
  const out: Evidence[] = [
    {
      claim: prose`gp_seq says that a grace period runs; gp_start lies ${duration(age)} back.`,
      address: grace.state,
      ctype: 'struct rcu_state',
      confidence: 'certain',
      show: 'struct rcu_state.gp_seq,gp_start rcu_state',
    },
    task.running
      ? {
          claim: prose`The bit of CPU ${String(task.cpu ?? '?')} in qsmask of its struct rcu_node is still set.`,
          address: node,
          ctype: node === undefined ? undefined : 'struct rcu_node',
          confidence: 'certain',
          show: node === undefined ? `bt ${task.pid}` : `struct rcu_node.qsmask ${node.toString(16)}`,
        }
      : {
          claim: prose`${taskValue(task)} stands on blkd_tasks of its struct rcu_node, at or behind gp_tasks.`,
          address: task.address,
          ctype: 'struct task_struct',
          confidence: 'certain',
          show: `struct task_struct.rcu_read_lock_nesting,rcu_node_entry ${task.address.toString(16)}`,
        },
  ];
  if (log !== undefined)
    out.push({
      claim: prose`The log says: ${name(log)}`,
      address: undefined,
      ctype: undefined,
      confidence: 'certain',
      show: 'log',
    });
  return out;
}
