/**
 * Swap is full, and tasks wait all the time for what was thrown out for another. Pressure stall information proves the
 * waiting: of the machine, for memory or, where each page comes from a slow device, for I/O; and of each task, which has
 * pages in swap. Without it tasks that are reading from swap, by their stacks, are taken for it. Swap that is full of what
 * nobody asks for is no finding.
 */
import { attempt } from '../../base/errors.ts';
import { rssOf } from '../../kernel/mm.ts';
import { type PressureState, type Stall, stallOf } from '../../kernel/psi.ts';
import { memoryShort } from '../../model/condition.ts';
import { defineDetector, needsTypes } from '../../model/diagnosis.ts';
import type { Evidence, Finding } from '../../model/finding.ts';
import { byteCount, name, plural, prose, ratio, task as taskValue } from '../../model/value.ts';
import type { Task } from '../../kernel/sched.ts';
import { memoryData, memoryFact, type MemoryState, memoryText } from '../facts/memory.ts';
import { pressureFact, recentPressure } from '../facts/pressure.ts';
import { rssFact, type RssTable } from '../facts/rss.ts';
import { type StackTable, stacksFact } from '../facts/stacks.ts';
import { type TaskTable, tasksFact } from '../facts/tasks.ts';
import { MEMORY_PRESSURE, PILE_UP, SWAP_FULL } from '../facts/thresholds.ts';
import { proofLines } from '../facts/proof.ts';

/** Who is in one of these gets a page back from swap. */
const SWAPPING_IN =
  /^(do_swap_page|swapin_readahead|swap_cluster_readahead|swap_vma_readahead|swap_readpage|swap_read_folio)(\.|$)/;

interface Seen {
  readonly total: number;
  readonly free: number;
  /** Undefined where the kernel keeps no account. */
  readonly pressure: Waited | undefined;
  readonly swapping: readonly Task[];
  /** Those of them that have pages in swap and that the kernel counts as waiting for memory or I/O. */
  readonly proven: readonly Reader[];
}

/** What tasks waited for in the last ten seconds, and in which share of them. */
interface Waited {
  readonly what: 'memory' | 'I/O';
  readonly share: number;
}

interface Reader {
  readonly task: Task;
  readonly stall: Stall;
  /** Bytes. */
  readonly inSwap: number;
}

export default defineDetector({
  id: 'swap-thrashing',
  title: 'Swap that is full and in use',
  summary: 'With swap full, programs throw each other out of memory, and the machine only moves pages.',
  needs: { memory: memoryFact, pressure: pressureFact, tasks: tasksFact, stacks: stacksFact, rss: rssFact },
  appliesTo: needsTypes,
  run({ memory, pressure, tasks, stacks, rss }, program) {
    const total = memory.info.swapTotal.value;
    const free = memory.info.swapFree.value;
    if (total === undefined || free === undefined || total === 0 || free > total * SWAP_FULL) return [];
    const swapping = swappingIn(tasks, stacks);
    const proven = swapping.flatMap((task) => {
      const { mm, address } = task;
      const stall = attempt(() => stallOf(program, address));
      if (mm === undefined || stall === undefined || !(stall.memory || stall.io)) return [];
      const inSwap = attempt(() => rssOf(program, mm, [address]).swap * program.pageSize) ?? 0;
      return inSwap > 0 ? [{ task, stall, inSwap }] : [];
    });
    const seen: Seen = { total, free, pressure: waitedFor(pressure, proven), swapping, proven };
    return isThrashing(seen, memory) ? [findingOf(seen, memory, rss)] : [];
  },
});

function swappingIn({ tasks }: TaskTable, stacks: StackTable): readonly Task[] {
  return tasks.filter(
    (task) => !task.idle && !task.kthread && stacks.of(task).frames.some(({ func }) => SWAPPING_IN.test(func ?? '')),
  );
}

/** Waiting for I/O is that for swap where several tasks wait for it at this very moment. */
function waitedFor(state: PressureState | undefined, proven: readonly Reader[]): Waited | undefined {
  const memory = recentPressure(state, 'memory');
  const io = recentPressure(state, 'io') ?? 0;
  if (memory === undefined) return undefined;
  const bySwap = memory < MEMORY_PRESSURE && proven.length >= PILE_UP && io > memory;
  return bySwap ? { what: 'I/O', share: io } : { what: 'memory', share: memory };
}

function isThrashing({ pressure, swapping }: Seen, memory: MemoryState): boolean {
  if (pressure !== undefined) return pressure.share >= MEMORY_PRESSURE;
  return swapping.length >= PILE_UP && memory.verdict === 'short';
}

function doubtOf({ pressure, swapping, proven }: Seen): string | undefined {
  if (pressure === undefined) return 'the kernel keeps no account of pressure';
  if (pressure.what === 'I/O')
    return 'tasks that read from swap waited for I/O at that moment; of the last ten seconds the share has all other I/O in it';
  if (swapping.length === 0) return 'no task was reading from swap at that moment';
  return proven.length === 0 ? 'that tasks read from swap is told by the functions on their stacks alone' : undefined;
}

function findingOf(seen: Seen, memory: MemoryState, rss: RssTable): Finding {
  const { total, free, pressure, swapping, proven } = seen;
  const used = total - free;
  const [first] = rss.groups;
  const largest =
    first === undefined
      ? undefined
      : prose`the ${plural(first.processes, 'process', 'processes')} named ${name(first.comm)}`;
  const doubt = doubtOf(seen);
  const inSwap = rss.groups.reduce((sum, group) => sum + group.swap, 0);
  const evidence: readonly Evidence[] = [
    ...(pressure === undefined
      ? []
      : [
          {
            claim: prose`psi_system: some task waited for ${pressure.what} in ${ratio(pressure.share)} of the last ten seconds.`,
            address: undefined,
            ctype: 'struct psi_group',
            confidence: 'certain' as const,
            show: 'pressure',
          },
        ]),
    {
      claim: prose`${byteCount(free)} of ${byteCount(total)} of swap are free.`,
      address: undefined,
      ctype: undefined,
      confidence: 'certain',
      show: 'kmem -i',
    },
    ...(proven.length > 0 ? proven.slice(0, 3).map(provenEvidence) : swapping.slice(0, 3).map(stackEvidence)),
  ];
  return {
    detector: 'swap-thrashing',
    cause: 'swap-thrashing',
    role: 'cause',
    title: prose`Swap is full (${byteCount(used)} of ${byteCount(total)}), and programs throw each other out of memory${pressure === undefined ? '' : prose`: in ${ratio(pressure.share)} of the last ten seconds tasks waited for ${pressure.what}`}.`,
    confidence: doubt === undefined ? 'certain' : 'probable',
    ...(doubt === undefined ? {} : { because: [doubt] }),
    weight: Math.max(1, swapping.length),
    restsOn: [memoryShort],
    story: [
      {
        topic: 'what',
        text: prose`${byteCount(free)} of ${byteCount(total)} of swap are free; ${plural(swapping.length, 'task')} ${swapping.length === 1 ? 'is' : 'are'} getting pages back from it. Processes have ${byteCount(inSwap)} in it.`,
      },
      {
        topic: 'why',
        text: [
          'What is needed at the same time is more than memory and swap hold: each page that comes back throws out another.',
        ],
      },
      ...rss.groups.slice(0, 3).map(({ comm, processes, bytes, swap }) => ({
        topic: 'holder' as const,
        text: prose`${plural(processes, 'process', 'processes')} named ${name(comm)}: ${byteCount(bytes)} resident (shared memory counted in each), ${byteCount(swap)} in swap.`,
      })),
      ...proofLines(evidence, 2),
      {
        topic: 'clears',
        text: ['Only when a large program ends: the machine goes on, but spends its time on moving pages.'],
      },
      { topic: 'memory', text: memoryText(memory) },
    ],
    evidence,
    remedies: [
      {
        action: prose`Let less run at the same time${largest === undefined ? '' : prose` (first of all ${largest})`}, or give the machine more memory; more swap only lets it crawl for longer.`,
        verify: ['none of them takes more than it needs.'],
      },
    ],
    details: {
      swapTotal: byteCount(total),
      swapFree: byteCount(free),
      pressure: pressure === undefined ? undefined : ratio(pressure.share),
      waitedFor: pressure?.what,
      swappingIn: swapping.slice(0, 10).map((task) => taskValue(task)),
      memory: memoryData(memory),
    },
  };
}

function provenEvidence({ task, stall, inSwap }: Reader): Evidence {
  return {
    claim: prose`${taskValue(task)} has ${byteCount(inSwap)} in swap, is getting a page back, and waits for ${stall.memory ? 'memory' : 'I/O'} by its psi_flags.`,
    address: task.address,
    ctype: 'struct task_struct',
    confidence: 'certain',
    show: `bt ${task.pid}`,
  };
}

function stackEvidence(task: Task): Evidence {
  return {
    claim: prose`${taskValue(task)} is getting a page back from swap.`,
    address: task.address,
    ctype: 'struct task_struct',
    confidence: 'probable',
    show: `bt ${task.pid}`,
  };
}
