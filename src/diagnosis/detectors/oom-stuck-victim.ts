/**
 * The OOM killer chose a process, and that does not end: it sleeps where a signal does not reach it. Until its memory is
 * taken from it or given up the killer chooses nobody else. One that is on its way out, or runs, is no finding.
 */
import { blocked, memoryShort } from '../../model/condition.ts';
import { defineDetector, needsTypes } from '../../model/diagnosis.ts';
import type { Evidence, Finding } from '../../model/finding.ts';
import { byteCount, name, plural, prose, type Prose, symbol, task as taskValue } from '../../model/value.ts';
import type { Task } from '../../kernel/sched.ts';
import { driverOf } from '../facts/holders.ts';
import { memoryData, memoryFact, type MemoryState, memoryText } from '../facts/memory.ts';
import { type OomCandidates, oomCandidatesFact, type OomProcess } from '../facts/oom-candidates.ts';
import { type StackTable, stacksFact, waitsIn } from '../facts/stacks.ts';
import { type TaskWaits, taskWaitsFact, waitProse } from '../facts/task-waits.ts';
import { proofLines } from '../facts/proof.ts';
import { signalCommand } from '../facts/signal-view.ts';

interface Stuck {
  readonly process: OomProcess;
  /** Those of its threads that sleep uninterruptibly. */
  readonly sleepers: readonly Task[];
  /** What the first of them sleeps in; undefined when its stack cannot be read. */
  readonly func: string | undefined;
  /** What the first of them waits for; undefined when that is not known. */
  readonly waits: Prose | undefined;
  /** Module whose function it sleeps under. */
  readonly driver: string | undefined;
}

export default defineDetector({
  id: 'oom-stuck-victim',
  title: 'Victim of the OOM killer that does not end',
  summary: 'While an earlier victim sleeps uninterruptibly its memory may not come back, and nobody else is chosen.',
  needs: { candidates: oomCandidatesFact, stacks: stacksFact, waits: taskWaitsFact, memory: memoryFact },
  appliesTo: needsTypes,
  run: ({ candidates, stacks, waits, memory }, program) =>
    stuckOf(candidates, stacks, waits).map((stuck) => {
      const show = signalCommand(program, stuck.process.task, 'oom_mm');
      return findingOf(stuck, memory, { pageSize: program.pageSize, show });
    }),
});

function stuckOf({ victims }: OomCandidates, stacks: StackTable, waits: TaskWaits): readonly Stuck[] {
  return victims.flatMap((process): readonly Stuck[] => {
    const sleepers = process.threads.filter(({ state, running }) => state.letter === 'D' && !running);
    const [first] = sleepers;
    if (first === undefined) return [];
    const wait = waits.of(first);
    const known = wait === undefined || wait.kind === 'unknown' ? undefined : waitProse(wait);
    const { frames } = stacks.of(first);
    return [{ process, sleepers, func: waitsIn(frames), waits: known, driver: driverOf(frames)?.module }];
  });
}

function findingOf(
  stuck: Stuck,
  memory: MemoryState,
  { pageSize, show }: { readonly pageSize: number; readonly show: string },
): Finding {
  const { process, sleepers, func, waits } = stuck;
  const size = (process.standing.pages ?? 0) * pageSize;
  const taken = process.standing.exemption === 'skip';
  const short = memory.verdict === 'short';
  const where: Prose = func === undefined ? [] : prose` in ${symbol(func)}`;
  const evidence: readonly Evidence[] = [
    {
      claim: prose`signal->oom_mm of ${taskValue(process.task)} is set.`,
      address: process.task.address,
      ctype: 'struct task_struct',
      confidence: 'certain',
      show,
    },
    ...sleepers.slice(0, 3).map((thread) => ({
      claim: prose`${taskValue(thread)} is in state ${thread.state.letter}${where}.`,
      address: thread.address,
      ctype: 'struct task_struct',
      confidence: 'certain' as const,
      show: `bt ${thread.pid}`,
    })),
  ];
  return {
    detector: 'oom-stuck-victim',
    cause: 'oom-victim-stuck',
    role: 'cause',
    title: prose`The OOM killer chose ${taskValue(process.task)}, which cannot end: ${waits === undefined ? prose`it sleeps uninterruptibly${where}` : prose`in uninterruptible sleep it waits ${waits}`}.`,
    confidence: short ? 'certain' : 'probable',
    ...(short ? {} : { because: ['memory is not short any more, so what it still holds may not matter'] }),
    weight: sleepers.length,
    explains: [memoryShort],
    restsOn: sleepers.map((thread) => blocked(thread.address)),
    story: [
      {
        topic: 'what',
        text: prose`${taskValue(process.task)} was chosen (signal->oom_mm is set), and ${plural(sleepers.length, 'thread')} of it ${sleepers.length === 1 ? 'sleeps' : 'sleep'} uninterruptibly${where}.`,
      },
      {
        topic: 'why',
        text: prose`${waits === undefined ? 'What it waits for is not known' : prose`It waits ${waits}`}; a kill is only seen when that comes.`,
      },
      {
        topic: 'holder',
        text: taken
          ? prose`Its memory was taken from it, or given up (MMF_OOM_SKIP): the killer may choose others. It still counts ${byteCount(size)}.`
          : prose`It still holds ${byteCount(size)}, and the killer chooses nobody else before that is taken or given up.`,
      },
      ...proofLines(evidence, 2),
      { topic: 'memory', text: memoryText(memory) },
    ],
    evidence,
    remedies: [
      {
        action: actionOf(stuck),
      },
    ],
    details: {
      culprit: taskValue(process.task),
      sleeping: sleepers.map((thread) => taskValue(thread)),
      waitsIn: func === undefined ? undefined : symbol(func),
      bytes: byteCount(size),
      memoryTaken: taken,
      memory: memoryData(memory),
    },
  };
}

/** Neither a kill nor more memory wakes it. */
function actionOf({ process, waits, driver }: Stuck): Prose {
  const who = name(process.task.comm);
  if (driver !== undefined)
    return prose`Bring about what ${who} waits for in module ${name(driver)} (reset its device), or restart the machine: no further kill lets it end. Then mend or update ${name(driver)}.`;
  return waits === undefined
    ? prose`Find out by its stack what ${who} waits for: that, and no further kill, lets it end; else restart the machine.`
    : prose`Bring about what ${who} waits for, or restart the machine: no further kill lets it end.`;
}
