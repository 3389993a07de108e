/**
 * Allocations that failed, by the log: those that could not wait for reclaim (in an interrupt, as when a network card
 * receives) while others could have waited, so that the kernel's reserve is too small; and large ones that found no free
 * block of their size although enough pages were free, so that memory is in pieces. Where memory as a whole is short,
 * that is the reason, and nothing is said of either.
 */
import { memoryInPieces } from '../../model/condition.ts';
import { defineDetector, needsTypes } from '../../model/diagnosis.ts';
import type { Finding } from '../../model/finding.ts';
import { byteCount, command, duration, name, plural, prose, type Prose, ratio, symbol } from '../../model/value.ts';
import type { AllocationFailure } from '../../kernel/allocation-failure.ts';
import { freeReserve, setReserve } from '../facts/free-reserve.ts';
import { memoryData, memoryFact, type MemoryState, memoryText } from '../facts/memory.ts';
import { type OomLog, oomLogFact } from '../facts/oom-log.ts';
import { proofLines } from '../facts/proof.ts';
import { COSTLY_ORDER, MIN_FREE, PAGE_LEAK_SHARE } from '../facts/thresholds.ts';
import { type Uncounted, uncountedFact } from '../facts/uncounted.ts';

export default defineDetector({
  id: 'allocation-failure',
  title: 'Allocations that failed',
  summary: 'A reserve that is too small, or memory in pieces, fails allocations while memory is there.',
  needs: { log: oomLogFact, memory: memoryFact, uncounted: uncountedFact },
  appliesTo: needsTypes,
  run: ({ log, memory, uncounted }, { pageSize }) =>
    memory.verdict === 'enough'
      ? [...atomicFindings(log, memory, pageSize), ...fragmented(log, memory, uncounted, pageSize)]
      : [],
});

/** Small ones that could not wait. */
function atomicFindings({ failures }: OomLog, memory: MemoryState, pageSize: number): readonly Finding[] {
  const atomic = failures.filter(({ atomic: cannotWait, order, stalledMs }) => {
    return cannotWait === true && order < COSTLY_ORDER && stalledMs === undefined;
  });
  const [first] = atomic;
  const last = atomic.at(-1);
  if (first === undefined || last === undefined || memory.info.memTotal.value === undefined) return [];
  const reserve = freeReserve(memory);
  // With a large reserve the burst was larger still, or the reserve is in another zone: not known.
  const small = reserve?.isSmall === true ? reserve : undefined;
  const where = stackWords(first);
  const evidence = [evidenceOf(first, 'The first of them, in the log')];
  return [
    {
      detector: 'allocation-failure',
      cause: 'min-free-too-low',
      role: small === undefined ? 'context' : 'cause',
      title: prose`At least ${plural(atomic.length, 'allocation')} that could not wait failed${where}, while memory is not short: the kernel's reserve was used up.`,
      confidence: 'probable',
      because: ['the failures are in the log; that a larger reserve would have met them is inferred'],
      weight: atomic.length,
      story: [
        {
          topic: 'what',
          text: prose`${plural(atomic.length, 'allocation')} of ${sizesOf(atomic, pageSize)} failed, ${whoOf(atomic)}, by the log; the kernel logs few of them.`,
        },
        {
          topic: 'why',
          text: prose`Who may not sleep cannot wait until memory is freed: when little is free, only the kernel's reserve is left for it (vm.min_free_kbytes${reserve === undefined ? '' : prose`, ${byteCount(reserve.now)} or ${ratio(reserve.now / reserve.total)} of memory`}).`,
        },
        ...proofLines(evidence, 1),
        ...sinceOf(first, last),
        { topic: 'memory', text: memoryText(memory) },
      ],
      evidence: evidence,
      remedies:
        small === undefined
          ? []
          : [
              {
                action: prose`Raise the reserve from ${byteCount(small.now)} to ${ratio(MIN_FREE)} of memory: ${setReserve(small)}.`,
                verify: ['something was lost by it (the error counters of that driver).'],
                caution: ['so much less is there for processes.'],
              },
            ],
      details: {
        failures: atomic.length,
        function: where.length === 0 ? undefined : symbol(receiverOf(first) ?? ''),
        minFree: reserve === undefined ? undefined : byteCount(reserve.now),
        wantedMinFree: small === undefined ? undefined : byteCount(small.wanted),
        memory: memoryData(memory),
      },
    },
  ];
}

/** Large ones for which enough pages were free, but not in one piece. */
function fragmented(
  { failures }: OomLog,
  memory: MemoryState,
  uncounted: Uncounted | undefined,
  pageSize: number,
): readonly Finding[] {
  const large = failures.filter((failure) => failure.order >= COSTLY_ORDER && inPieces(failure, pageSize));
  const [first] = large;
  const last = large.at(-1);
  if (first === undefined || last === undefined) return [];
  const size = 2 ** first.order * pageSize;
  const free = freeBytes(first);
  const unmovable = unmovableBytes(uncounted, memory, first.order);
  const evidence = [evidenceOf(first, 'The first of them, with the free blocks of each zone below it in the log')];
  return [
    {
      detector: 'allocation-failure',
      cause: 'memory-fragmented',
      role: 'cause',
      title: prose`${plural(large.length, 'allocation')} of ${byteCount(size)} in one piece failed${stackWords(first)}, while ${byteCount(free)} were free: memory is in pieces.`,
      confidence: 'certain',
      weight: large.length,
      restsOn: unmovable === undefined ? [] : [memoryInPieces],
      story: [
        {
          topic: 'what',
          text: prose`${plural(large.length, 'allocation')} of ${sizesOf(large, pageSize)} failed${stackWords(first)}, ${whoOf(large)}.`,
        },
        {
          topic: 'why',
          text: prose`No zone had a free block of ${byteCount(size)}; smaller ones added up to ${byteCount(free)}.`,
        },
        ...(unmovable === undefined ? [] : [{ topic: 'holder' as const, text: unmovableText(unmovable, memory) }]),
        ...proofLines(evidence, 1),
        ...sinceOf(first, last),
        { topic: 'memory', text: memoryText(memory) },
      ],
      evidence: evidence,
      remedies: [
        {
          action: prose`Let whoever asks for ${byteCount(size)} in one piece be content with single pages (kvmalloc, scatter lists), or allocate early.`,
        },
        {
          action: prose`Until then ${command('sysctl vm.compact_memory=1')} makes larger pieces of what lies between pages that can be moved${unmovable === undefined ? '' : prose`: those ${byteCount(unmovable)} cannot`}.`,
          caution: ['it stops processes for a moment, and lasts only a while.'],
        },
      ],
      details: {
        failures: large.length,
        order: first.order,
        bytes: byteCount(size),
        free: byteCount(free),
        unmovable: unmovable === undefined ? undefined : byteCount(unmovable),
        comm: name(first.comm),
        memory: memoryData(memory),
      },
    },
  ];
}

/**
 * What lies between the free pages and compaction cannot move: pages that somebody took from the page allocator in blocks
 * smaller than those that failed. Undefined where that is little.
 */
function unmovableBytes(uncounted: Uncounted | undefined, { info }: MemoryState, order: number): number | undefined {
  const total = info.memTotal.value;
  const usual = uncounted?.unclassified.blocks[0]?.order;
  if (uncounted === undefined || total === undefined || usual === undefined || usual >= Math.min(order, COSTLY_ORDER))
    return undefined;
  return uncounted.bytes >= total * PAGE_LEAK_SHARE ? uncounted.bytes : undefined;
}

function unmovableText(bytes: number, { info }: MemoryState): Prose {
  const share = ratio(bytes / (info.memTotal.value ?? bytes));
  return prose`Probably ${byteCount(bytes)} (${share} of memory) in pages that no counter has: taken in small blocks that cannot be moved, they keep free ones apart.`;
}

/** True when the log shows zones with enough free memory for it above their reserves, and none of them a block so large. */
function inPieces({ order, memory }: AllocationFailure, pageSize: number): boolean {
  if (memory === undefined) return false;
  const needed = (2 ** order * pageSize) / 1024;
  const spare = memory.zones.filter(({ kilobytes, lowmemReserve }) => {
    const kept = (kilobytes.get('min') ?? Number.POSITIVE_INFINITY) + (lowmemReserve * pageSize) / 1024;
    return (kilobytes.get('free') ?? 0) - kept >= needed;
  });
  return (
    spare.length > 0 &&
    spare.every(
      ({ freeBlocks }) => freeBlocks.length > order && freeBlocks.slice(order).every((blocks) => blocks === 0),
    )
  );
}

function freeBytes({ memory }: AllocationFailure): number {
  return (memory?.zones ?? []).reduce((sum, { kilobytes }) => sum + (kilobytes.get('free') ?? 0) * 1024, 0);
}

/** Functions of the allocator itself, which are on each of these stacks. */
const ALLOCATOR =
  /^(dump_stack|warn_alloc|__alloc_pages|alloc_pages|alloc_slab|new_slab|___slab|__slab|allocate_slab|cache_alloc|kmem_|__kmem|kmalloc|__kmalloc|kmem_getpages|__do_kmalloc|page_frag|__page_frag|get_page|__get_free|show_mem|cache_grow|fallback_alloc|____cache|_kmem|alloc_frag)/;

/** Who asked: the first function that is not the allocator's own. */
function receiverOf({ stack }: AllocationFailure): string | undefined {
  return stack.find((func) => !ALLOCATOR.test(func));
}

function stackWords(failure: AllocationFailure): Prose {
  const func = receiverOf(failure);
  const module = func === undefined ? undefined : failure.modules.get(func);
  return func === undefined
    ? []
    : prose` in ${symbol(func)}${module === undefined ? '' : prose` of module ${name(module)}`}`;
}

/** '4 KiB (order 0), 64 KiB (order 4)'. */
function sizesOf(failures: readonly AllocationFailure[], pageSize: number): Prose {
  const orders = [...new Set(failures.map(({ order }) => order))].sort((a, b) => a - b);
  return orders.flatMap(
    (order, i) => prose`${i === 0 ? '' : ', '}${byteCount(2 ** order * pageSize)} (order ${String(order)})`,
  );
}

/** An interrupt is not the doing of the task that it interrupts. */
function whoOf(failures: readonly AllocationFailure[]): Prose {
  return failures.every(({ inInterrupt }) => inInterrupt)
    ? prose`in an interrupt that came while ${namesOf(failures)} ran`
    : prose`for ${namesOf(failures)}`;
}

function namesOf(failures: readonly AllocationFailure[]): Prose {
  const tasks = [...new Map(failures.map((failure) => [`${failure.comm} ${failure.pid}`, failure])).values()];
  const shown = tasks
    .slice(0, 3)
    .flatMap(
      ({ comm, pid }, i) => prose`${i === 0 ? '' : ', '}${name(comm)}${pid === undefined ? '' : ` (pid ${pid})`}`,
    );
  return tasks.length > 3 ? [...shown, ` and ${tasks.length - 3} more`] : shown;
}

function sinceOf(first: AllocationFailure, last: AllocationFailure): Finding['story'] {
  if (first.timeNs === undefined || last.timeNs === undefined) return [];
  const when =
    first === last
      ? prose`${duration(first.timeNs)} after boot`
      : prose`From ${duration(first.timeNs)} to ${duration(last.timeNs)} after boot`;
  return [{ topic: 'since', text: prose`${when}, as far as the log reaches back.` }];
}

function evidenceOf(failure: AllocationFailure, what: string): Finding['evidence'][number] {
  const flags = failure.gfpFlags ?? `0x${failure.gfpMask.toString(16)}`;
  return {
    claim: prose`${what}: ${name(failure.comm)}, order ${String(failure.order)}, ${name(flags)}.`,
    address: undefined,
    ctype: undefined,
    confidence: 'certain',
    show: "log | grep -A40 'page allocation failure'",
  };
}
