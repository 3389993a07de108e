/** The finding that all kinds of stuck CPUs share: which CPU, in which function, for whom, since when. */
import { kernelStopped } from '../../model/condition.ts';
import type { Evidence, Finding, StoryLine } from '../../model/finding.ts';
import { address, command, duration, name, prose, type Prose, task as taskValue } from '../../model/value.ts';
import type { Lockup } from './lockups.ts';
import { moduleRemedy, placeText } from './oops-story.ts';

/** What differs between the kinds. */
export interface LockupTexts {
  readonly detector: string;
  readonly cause: string;
  /** Goes on after 'ethtool (pid 161) is stuck on CPU 0, in ring_wait+0x9': ': no other task gets this CPU'. */
  readonly does: string;
  readonly why: Prose;
  /** Structures prove it, where the CPU's own state confirms it. */
  readonly proved: boolean;
}

export function lockupFinding(lockup: Lockup, texts: LockupTexts): Finding {
  const { report, first, task, at, cpu, func, confirmed, waitsForThis } = lockup;
  const who = task === undefined ? (report.comm === undefined ? undefined : name(report.comm)) : taskValue(task);
  const number = String(cpu ?? '?');
  const subject = who === undefined ? prose`CPU ${number} is stuck` : prose`${who} is stuck on CPU ${number}`;
  const what = prose`${subject} in ${placeText(at)}${texts.does}`;
  const sure = confirmed && texts.proved && waitsForThis === undefined;
  const because =
    waitsForThis !== undefined
      ? ['that this CPU holds the spinlock is inferred: it is the only other one that is busy in the kernel']
      : confirmed
        ? ['the log and its registers agree, but not what it waits for']
        : ['only the log says so'];
  return {
    detector: texts.detector,
    cause: texts.cause,
    role: 'cause',
    title: prose`${what}.`,
    confidence: sure ? 'certain' : confirmed ? 'probable' : 'possible',
    ...(sure ? {} : { because }),
    weight: 1,
    explains: lockup.fatal ? [kernelStopped] : [],
    story: [
      { topic: 'what', text: prose`${what}.`, detail: true },
      { topic: 'why', text: texts.why },
      ...(waitsForThis === undefined ? [] : [waiterLine(waitsForThis)]),
      ...proofLine(lockup),
      ...sinceLine(lockup),
      {
        topic: 'clears',
        text: lockup.fatal ? ['No: the watchdog stopped the kernel.'] : ['Not as long as it loops.'],
        detail: lockup.fatal,
      },
    ],
    evidence: evidenceOf(lockup),
    remedies: moduleRemedy(at?.module),
    details: {
      report: report.kind,
      cpu,
      function:
        at === undefined
          ? undefined
          : {
              name: at.func,
              offset: at.offset,
              module: at.module,
              address: func === undefined ? undefined : address(func),
            },
      task: task === undefined ? undefined : taskValue(task),
      culprit: task === undefined ? undefined : taskValue(task),
      stuck: report.stuck === undefined ? undefined : duration(report.stuck),
      interruptsOff: lockup.interruptsOff,
      confirmed,
      headline: name(first.headline),
      resource: func === undefined ? undefined : address(func),
    },
  };
}

/** What of the log memory confirms. */
function proofLine({ task, cpu, confirmed, interruptsOff }: Lockup): StoryLine[] {
  if (task === undefined || !confirmed) return [];
  const off = interruptsOff === true ? ', and the registers that it saved have interrupts off (IF of EFLAGS is 0)' : '';
  return [
    {
      topic: 'proof',
      text: prose`By the log; in memory CPU ${String(cpu ?? '?')} runs ${taskValue(task)}, whose stack was interrupted in this function${off}; by hand: ${command(`bt ${task.pid}`)}.`,
    },
  ];
}

function waiterLine({ cpu, comm }: { readonly cpu: number; readonly comm: string | undefined }): StoryLine {
  const who = comm === undefined ? '' : prose` for ${name(comm)}`;
  return { topic: 'waiters', text: prose`CPU ${String(cpu)}, which the watchdog named, waits for a spinlock${who}.` };
}

function sinceLine({ report, first }: Lockup): StoryLine[] {
  if (first.timeNs === undefined) return [];
  const stuck =
    report.stuck === undefined ? '' : prose`; by the last report it was stuck for ${duration(report.stuck)}`;
  return [{ topic: 'since', text: prose`First reported ${duration(first.timeNs)} after boot${stuck}.` }];
}

function evidenceOf({ report, task, confirmed, interruptsOff, cpu }: Lockup): Evidence[] {
  const out: Evidence[] = [
    {
      claim: prose`The log says: ${name(report.headline)}`,
      address: undefined,
      ctype: undefined,
      confidence: 'certain',
      show: 'log',
    },
  ];
  if (task !== undefined && confirmed) {
    out.push({
      claim: prose`The stack of ${taskValue(task)}, which its CPU runs, was interrupted in this function.`,
      address: task.address,
      ctype: 'struct task_struct',
      confidence: 'certain',
      show: `bt ${task.pid}`,
    });
  }
  if (interruptsOff === true) {
    out.push({
      claim: prose`The registers that CPU ${String(cpu ?? '?')} saved have interrupts off (IF of EFLAGS is 0).`,
      address: undefined,
      ctype: undefined,
      confidence: 'certain',
      show: `bt ${task?.pid ?? ''}`.trim(),
    });
  }
  return out;
}
