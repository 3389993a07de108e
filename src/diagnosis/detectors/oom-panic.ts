/**
 * The OOM killer stopped the machine: it found nobody whom it may kill, or vm.panic_on_oom asks for it. Says who holds
 * the memory, and whether it was exempt: only oom_score_adj -1000 exempts.
 */
import { kernelStopped, memoryShort } from '../../model/condition.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import type { Evidence, Finding } from '../../model/finding.ts';
import { byteCount, command, name, prose, type Prose, task as taskValue } from '../../model/value.ts';
import { memoryData, memoryFact, type MemoryState, memoryText } from '../facts/memory.ts';
import { proofLines } from '../facts/proof.ts';
import { signalCommand } from '../facts/signal-view.ts';
import { MOST_OF_MEMORY } from '../facts/thresholds.ts';
import { oomPanicFact, type OomPanic, type OomProcess } from '../facts/oom-panic.ts';

export default defineDetector({
  id: 'oom-panic',
  title: 'Panic of the OOM killer',
  summary: 'When nobody may be killed, the kernel stops: who holds the memory, and what protects it.',
  needs: { panic: oomPanicFact, memory: memoryFact },
  appliesTo: () => true,
  run: ({ panic, memory }, program) =>
    panic === undefined ? [] : [findingOf(panic, memory, ({ task }) => signalCommand(program, task, 'oom_score_adj'))],
});

function findingOf(panic: OomPanic, memory: MemoryState, show: (process: OomProcess) => string): Finding {
  const [first] = panic.largest;
  const mostly =
    panic.why === 'no-victim' ? first?.exempt === true && isLargest(panic, memory) : hasMost(panic, memory);
  const culprit = mostly ? first : undefined;
  const sure = culprit !== undefined && panic.why === 'no-victim';
  const evidence = [panicEvidence(panic), ...panic.largest.map((process) => evidenceOf(process, show(process)))];
  return {
    detector: 'oom-panic',
    cause: panic.why === 'no-victim' ? 'oom-no-victim' : 'oom-panic-on-oom',
    // A setting says what happens when memory runs out, not why it does; others say that, unless memory came free since.
    role: panic.why === 'no-victim' || memory.verdict !== 'short' ? 'cause' : 'symptom',
    title: titleOf(panic, first, culprit),
    confidence: sure ? 'certain' : 'probable',
    ...(sure ? {} : { because: ['that the memory ran out is certain; who is to blame for it is not'] }),
    weight: panic.largest.length,
    explains: [kernelStopped],
    restsOn: [memoryShort],
    story: [
      // The trigger says so, too.
      { topic: 'what', text: prose`The kernel panicked: ${name(panic.text)}.`, detail: true },
      { topic: 'why', text: whyText(panic, culprit) },
      ...panic.largest.slice(0, 3).map((process) => ({
        topic: 'holder' as const,
        text: processText(process),
      })),
      ...proofLines(evidence, 1),
      { topic: 'memory', text: memoryText(memory) },
    ],
    evidence,
    remedies: remediesOf(panic, culprit),
    details: {
      why: panic.why,
      panic: name(panic.text),
      culprit: culprit === undefined ? undefined : taskValue(culprit.task),
      largest: panic.largest.map(({ task, group, scoreAdj, exempt }) => ({
        task: taskValue(task),
        comm: group.comm,
        processes: group.processes,
        rss: byteCount(group.bytes),
        oomScoreAdj: scoreAdj,
        exempt,
      })),
      memory: memoryData(memory),
    },
  };
}

/** Nobody who was not read can hold more than the first: that is more than half of memory, where processes are missing. */
function isLargest({ largest, whole }: OomPanic, { info }: MemoryState): boolean {
  return whole || hasMost({ largest }, { info });
}

function hasMost({ largest }: Pick<OomPanic, 'largest'>, { info }: Pick<MemoryState, 'info'>): boolean {
  const total = info.memTotal.value;
  const bytes = largest[0]?.group.largestBytes ?? 0;
  return total !== undefined && bytes > total * MOST_OF_MEMORY;
}

function titleOf({ why, whole }: OomPanic, first: OomProcess | undefined, culprit: OomProcess | undefined): Prose {
  if (why === 'by-setting') {
    const most = culprit === undefined ? '' : prose`, most of it held by ${taskValue(culprit.task)}`;
    return prose`Memory ran out${most}, and vm.panic_on_oom made the kernel stop instead of killing a process.`;
  }
  const holds = culprit ?? first;
  if (holds === undefined) return ['Memory ran out, and the OOM killer found nobody whom it may kill.'];
  const exempt = culprit === undefined ? '' : ', which is exempt (oom_score_adj -1000)';
  const most = whole || culprit !== undefined ? 'most' : 'of what could be read, most';
  return prose`Memory ran out, and the OOM killer found nobody to kill; ${most} is held by ${taskValue(holds.task)}${exempt}.`;
}

function whyText({ why }: OomPanic, culprit: OomProcess | undefined): Prose {
  if (why === 'by-setting') return ['vm.panic_on_oom asks the kernel to stop when memory runs out.'];
  if (culprit === undefined) return ['All that could be killed was gone or exempt.'];
  return ['A process with oom_score_adj -1000 may not be killed, and all others were exempt as well or gone.'];
}

function processText({ task, group, scoreAdj, exempt }: OomProcess): Prose {
  const adj =
    scoreAdj === undefined ? ', oom_score_adj not known' : `, oom_score_adj ${scoreAdj}${exempt ? ': exempt' : ''}`;
  const others = group.processes > 1 ? prose` and ${String(group.processes - 1)} more of that name` : '';
  return prose`${taskValue(task)}${others}: ${byteCount(group.bytes)} resident${adj}.`;
}

function panicEvidence({ text }: OomPanic): Evidence {
  return {
    claim: prose`The log says: ${name(text)}.`,
    address: undefined,
    ctype: undefined,
    confidence: 'certain',
    show: 'log',
  };
}

function evidenceOf(process: OomProcess, show: string): Evidence {
  return {
    claim: processText(process),
    address: process.task.address,
    ctype: 'struct task_struct',
    confidence: process.scoreAdj === undefined ? 'probable' : 'certain',
    ...(process.scoreAdj === undefined ? { because: ['its signal_struct cannot be read'] } : {}),
    show,
  };
}

function remediesOf({ why }: OomPanic, culprit: OomProcess | undefined): Finding['remedies'] {
  if (why === 'by-setting') {
    return [{ action: prose`Set ${command('vm.panic_on_oom=0')} if a killed process is better than a reboot.` }];
  }
  if (culprit === undefined) return [];
  return [
    {
      action: prose`Do not exempt ${name(culprit.task.comm)} from the OOM killer (oom_score_adj above -1000), or limit its memory.`,
      verify: ['it does not need that much.'],
      caution: ['without protection the OOM killer chooses it first.'],
    },
  ];
}
