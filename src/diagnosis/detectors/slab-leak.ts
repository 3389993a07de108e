/**
 * One slab cache holds a large part of memory, and none of it can be reclaimed: something in the kernel or a module
 * allocates and does not free. That it is a leak and not use is inferred; the size is read.
 */
import { memoryShort } from '../../model/condition.ts';
import { defineDetector } from '../../model/diagnosis.ts';
import type { Evidence, Finding } from '../../model/finding.ts';
import { address, byteCount, command, name, prose, type Prose, ratio } from '../../model/value.ts';
import type { SlabUsage } from '../../kernel/slab-usage.ts';
import { foreignModulesFact } from '../facts/foreign-modules.ts';
import { memoryFact, type MemoryState, memoryText } from '../facts/memory.ts';
import { slabsFact } from '../facts/slabs.ts';
import { tasksFact } from '../facts/tasks.ts';
import { SLAB_SHARE } from '../facts/thresholds.ts';
import { proofLines } from '../facts/proof.ts';

/** Modules from outside of the kernel that are named. */
const MOST_NAMED = 4;

export default defineDetector({
  id: 'slab-leak',
  title: 'Kernel memory in one slab cache',
  summary: 'Memory that the kernel itself allocates and never frees is in no process; the cache tells its kind.',
  needs: { memory: memoryFact, slabs: slabsFact, tasks: tasksFact, foreign: foreignModulesFact },
  appliesTo: (program) =>
    program.tryField('struct kmem_cache_node', 'nr_slabs') !== undefined && program.hasSymbol('slab_caches')
      ? true
      : 'the types of SLUB are not known, or the kernel has another allocator',
  run({ memory, slabs, tasks, foreign }) {
    const total = memory.info.memTotal.value;
    const reclaimable = memory.info.sReclaimable.value;
    const largest = slabs.find((cache) => !isOfTasks(cache, tasks.read));
    if (largest === undefined || total === undefined || reclaimable === undefined || total === 0) return [];
    const share = largest.bytes / total;
    // A cache that is larger than all reclaimable slab together is none of it.
    return share >= SLAB_SHARE && largest.bytes > reclaimable ? [findingOf(largest, share, memory, foreign)] : [];
  },
});

/** Descriptors of tasks that are there: too many tasks are no leak of the cache. */
function isOfTasks({ name: cache, objectSize, bytes }: SlabUsage, tasks: number): boolean {
  return cache === 'task_struct' && tasks * objectSize >= bytes / 2;
}

function findingOf(cache: SlabUsage, share: number, memory: MemoryState, foreign: readonly string[]): Finding {
  const held = prose`${byteCount(cache.bytes)} (${ratio(share)} of memory)`;
  const evidence: readonly Evidence[] = [
    {
      claim: prose`The slabs of ${name(cache.name)} on all nodes hold ${byteCount(cache.bytes)}.`,
      address: cache.cache,
      ctype: 'struct kmem_cache',
      confidence: 'certain',
      show: `kmem -s ${cache.name}`,
    },
  ];
  return {
    detector: 'slab-leak',
    cause: 'slab-leak',
    role: 'cause',
    title: prose`The slab cache ${name(cache.name)} holds ${held}, none of it reclaimable: the kernel or a module leaks memory.`,
    confidence: 'probable',
    because: ['the size is read; that it is a leak, and not use that is wanted, is inferred from the size'],
    weight: 1,
    explains: [memoryShort],
    story: [
      {
        topic: 'what',
        text: prose`The slab cache ${name(cache.name)} (objects of ${byteCount(cache.objectSize)}${isKmalloc(cache) ? ', which kmalloc() gives out' : ''}) holds ${held}.`,
      },
      { topic: 'why', text: ['None of it can be reclaimed, no process owns it, and no kill gives it back.'] },
      ...proofLines(evidence, 1),
      { topic: 'holder', text: holderText(foreign) },
      { topic: 'clears', text: ['No: only who allocated it can free it.'] },
      { topic: 'memory', text: memoryText(memory) },
    ],
    evidence,
    remedies: [
      {
        action: prose`${suspectsText(foreign)} a driver or module that ${isKmalloc(cache) ? prose`allocates objects of up to ${byteCount(cache.objectSize)}` : prose`allocates from ${name(cache.name)}`}; booting with ${command(`slub_debug=U,${cache.name}`)} tells who does, in ${name(`/sys/kernel/debug/slab/${cache.name}/alloc_traces`)}.`,
        ...(foreign.length === 0 ? {} : { verify: ['nothing that you need uses what you unload.'] }),
        caution: ['slub_debug makes the machine slower; only a reboot gives back what was forgotten.'],
      },
    ],
    details: cacheData(cache, share, memory.verdict),
  };
}

const isKmalloc = ({ name: cache }: SlabUsage): boolean => cache.startsWith('kmalloc-');

/** What is looked at first. */
function suspectsText(foreign: readonly string[]): Prose {
  return foreign.length === 0 ? ['Look for'] : prose`Update or unload ${modulesOf(foreign)} first, else look for`;
}

function modulesOf(foreign: readonly string[]): Prose {
  const most = foreign.slice(0, MOST_NAMED).flatMap((module, i): Prose => [i === 0 ? '' : ', ', name(module)]);
  const more = foreign.length > MOST_NAMED ? ` and ${foreign.length - MOST_NAMED} more` : '';
  return prose`module ${most}${more}`;
}

/** No page says who allocated the objects in it. */
function holderText(foreign: readonly string[]): Prose {
  if (foreign.length === 0) return ['Who allocated it is not recorded.'];
  return prose`Who allocated it is not recorded. Look first at what is no part of this kernel: ${modulesOf(foreign)}.`;
}

function cacheData(cache: SlabUsage, share: number, memory: string): Finding['details'] {
  return {
    resource: address(cache.cache),
    cache: name(cache.name),
    objectSize: cache.objectSize,
    held: byteCount(cache.bytes),
    share: ratio(share),
    memory,
  };
}
