/**
 * Swap is full, and tasks wait for memory all the time: what one needs was thrown out for another. Pressure stall information
 * proves the waiting, of the machine and of each task; without it tasks that are reading from swap, by their stacks, are
 * taken for it. Swap that is full of what nobody asks for is no finding.
 */
import { attempt } from '../../base/errors.ts';
import { isMemoryStalled } from '../../kernel/psi.ts';
import { memoryShort } from '../../model/condition.ts';
import { defineDetector, needsTypes } from '../../model/diagnosis.ts';
import type { Finding } from '../../model/finding.ts';
import { byteCount, name, plural, prose, ratio, task as taskValue } from '../../model/value.ts';
import type { Task } from '../../kernel/sched.ts';
import { memoryData, memoryFact, type MemoryState, memoryText } from '../facts/memory.ts';
import { memoryPressure, pressureFact } from '../facts/pressure.ts';
import { rssFact, type RssTable } from '../facts/rss.ts';
import { type StackTable, stacksFact } from '../facts/stacks.ts';
import { type TaskTable, tasksFact } from '../facts/tasks.ts';
import { MEMORY_PRESSURE, PILE_UP, SWAP_FULL } from '../facts/thresholds.ts';

/** Who is in one of these gets a page back from swap. */
const SWAPPING_IN =
  /^(do_swap_page|swapin_readahead|swap_cluster_readahead|swap_vma_readahead|swap_readpage|swap_read_folio)(\.|$)/;

interface Seen {
  readonly total: number;
  readonly free: number;
  /** Undefined where the kernel keeps no account. */
  readonly pressure: number | undefined;
  readonly swapping: readonly Task[];
  /** Those of them that the kernel counts as waiting for memory. */
  readonly stalled: readonly Task[];
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
    const stalled = swapping.filter(({ address }) => attempt(() => isMemoryStalled(program, address)) === true);
    const seen: Seen = { total, free, pressure: memoryPressure(pressure), swapping, stalled };
    return isThrashing(seen, memory) ? [findingOf(seen, memory, rss)] : [];
  },
});

function swappingIn({ tasks }: TaskTable, stacks: StackTable): readonly Task[] {
  return tasks.filter(
    (task) => !task.idle && !task.kthread && stacks.of(task).frames.some(({ func }) => SWAPPING_IN.test(func ?? '')),
  );
}

function isThrashing({ pressure, swapping }: Seen, memory: MemoryState): boolean {
  if (pressure !== undefined) return pressure >= MEMORY_PRESSURE;
  return swapping.length >= PILE_UP && memory.verdict === 'short';
}

function doubtOf({ pressure, swapping, stalled }: Seen): string | undefined {
  if (pressure === undefined) return 'the kernel keeps no account of pressure';
  if (swapping.length === 0) return 'no task was reading from swap at that moment';
  return stalled.length === 0 ? 'that tasks read from swap is told by the functions on their stacks alone' : undefined;
}

function findingOf(seen: Seen, memory: MemoryState, rss: RssTable): Finding {
  const { total, free, pressure, swapping, stalled } = seen;
  const used = total - free;
  const measured = pressure !== undefined;
  const doubt = doubtOf(seen);
  return {
    detector: 'swap-thrashing',
    cause: 'swap-thrashing',
    role: 'cause',
    title: prose`Swap is full (${byteCount(used)} of ${byteCount(total)}), and programs throw each other out of memory${measured ? prose`: in ${ratio(pressure)} of the last ten seconds tasks waited for memory` : ''}.`,
    confidence: doubt === undefined ? 'certain' : 'probable',
    ...(doubt === undefined ? {} : { because: [doubt] }),
    weight: Math.max(1, swapping.length),
    restsOn: [memoryShort],
    story: [
      {
        topic: 'what',
        text: prose`${byteCount(free)} of ${byteCount(total)} of swap are free; ${plural(swapping.length, 'task')} ${swapping.length === 1 ? 'is' : 'are'} getting pages back from it.`,
      },
      {
        topic: 'why',
        text: [
          'What is needed at the same time is more than memory and swap hold: each page that comes back throws out another.',
        ],
      },
      ...rss.groups.slice(0, 3).map(({ comm, processes, bytes }) => ({
        topic: 'holder' as const,
        text: prose`${plural(processes, 'process', 'processes')} named ${name(comm)}: ${byteCount(bytes)} resident (shared memory counted in each).`,
      })),
      { topic: 'clears', text: ['Only when a large program ends: it moves, but mostly pages.'] },
      { topic: 'memory', text: memoryText(memory) },
    ],
    evidence: [
      ...(pressure === undefined
        ? []
        : [
            {
              claim: prose`psi_system: some task waited for memory in ${ratio(pressure)} of the last ten seconds.`,
              address: undefined,
              ctype: 'struct psi_group',
              confidence: 'certain' as const,
              show: 'p psi_system',
            },
          ]),
      {
        claim: prose`${byteCount(free)} of ${byteCount(total)} of swap are free.`,
        address: undefined,
        ctype: undefined,
        confidence: 'certain',
        show: 'kmem -i',
      },
      ...(stalled.length > 0 ? stalled : swapping).slice(0, 3).map((task) => ({
        claim:
          stalled.length > 0
            ? prose`${taskValue(task)} is getting a page back from swap, and waits for memory by its psi_flags.`
            : prose`${taskValue(task)} is getting a page back from swap.`,
        address: task.address,
        ctype: 'struct task_struct',
        confidence: stalled.length > 0 ? ('certain' as const) : ('probable' as const),
        show: `bt ${task.pid}`,
      })),
    ],
    remedies: [
      {
        action: [
          'Let less run at the same time, or give the machine more memory; more swap only lets it crawl for longer.',
        ],
      },
    ],
    details: {
      swapTotal: byteCount(total),
      swapFree: byteCount(free),
      pressure: pressure === undefined ? undefined : ratio(pressure),
      swappingIn: swapping.slice(0, 10).map((task) => taskValue(task)),
      memory: memoryData(memory),
    },
  };
}
