/**
 * `kmem`: views of the kernel's memory, in crash's layouts. Numbers have what CPUs have not added to the counters yet, and
 * slabs are counted in the page structures (docs/crash-differences.md). `mem` shows where all memory went.
 */
import { parseAddress, type VirtAddr } from '../base/address.ts';
import { UsageError } from '../base/errors.ts';
import { defineCommand } from '../model/command.ts';
import { freeAreas, vmallocTable } from '../shell/kmem-areas.ts';
import { hugePages, statistics, zoneBlocks } from '../shell/kmem-counters.ts';
import { nodeTable } from '../shell/kmem-nodes.ts';
import { onePage, pageTable } from '../shell/kmem-pages.ts';
import { slabTable } from '../shell/kmem-slabs.ts';
import { memorySummary } from '../shell/kmem-summary.ts';
import { pageFlagTable, perCpuOffsets } from '../shell/kmem-tables.ts';

const VIEWS = ['i', 'f', 'p', 'v', 's', 'z', 'n', 'V', 'h', 'o', 'g'] as const;

export default defineCommand({
  name: 'kmem',
  summary: 'memory of the kernel: counters, zones, free lists, slab caches, vmalloc, pages',
  description: [
    'One view at a time. Behind -s stand names of slab caches, behind -v and -p an address. ALLOCATED of -s counts objects ' +
      'that CPUs keep ready as free.',
  ],
  options: [
    { flag: 'i', summary: 'memory at a glance' },
    { flag: 'f', summary: 'free lists of the buddy allocator, walked and compared with their counts' },
    { flag: 'p', summary: 'the page structures, or that of an address' },
    { flag: 'v', summary: 'the vmalloc areas, or the one that holds an address' },
    { flag: 's', summary: 'the slab caches, or those of these names' },
    { flag: 'z', summary: 'the zones: sizes, watermarks, counters' },
    { flag: 'n', summary: 'memory nodes, sections of the memmap, blocks of memory that can be plugged' },
    { flag: 'V', summary: 'all counters and events of the memory manager' },
    { flag: 'h', summary: 'the pools of huge pages' },
    { flag: 'o', summary: "where each CPU's variables lie" },
    { flag: 'g', summary: 'the flags of pages, or those that are set in a value' },
    { flag: 'I', value: 'names', summary: 'with -s: without these caches, separated by commas' },
  ],
  arguments: [{ name: 'address | name', kinds: ['address', 'symbol', 'text'], optional: true, repeated: true }],
  examples: [
    { line: 'kmem -i', what: 'memory at a glance' },
    { line: 'kmem -s dentry inode_cache', what: 'two slab caches' },
    { line: 'kmem -s | sort -nrk5 | head', what: 'the caches with the most slabs' },
    { line: 'kmem -z', what: 'where the free pages stand among the watermarks' },
  ],
  run(context, args) {
    const views = VIEWS.filter((flag) => args.has(flag));
    const [view] = views;
    if (view === undefined)
      throw new UsageError(`kmem needs one of -${VIEWS.join(' -')}; 'mem' shows where memory went`);
    if (views.length > 1) throw new UsageError(`-${views.join(' and -')} are different views; give one of them`);
    const [first] = args.positionals;
    if (first !== undefined && !['p', 'v', 's', 'g'].includes(view))
      throw new UsageError(`-${view} takes no '${first}'`);
    switch (view) {
      case 'i':
        return memorySummary(context);
      case 'f':
        return freeAreas(context);
      case 'p':
        return first === undefined ? pageTable(context) : onePage(context, addressOf(first));
      case 'v':
        return vmallocTable(context, first === undefined ? undefined : addressOf(first));
      case 's':
        return slabTable(context, args.positionals, args.value('I')?.split(','));
      case 'z':
        return zoneBlocks(context);
      case 'n':
        return nodeTable(context);
      case 'V':
        return statistics(context);
      case 'h':
        return hugePages(context);
      case 'o':
        return perCpuOffsets(context);
      case 'g':
        return pageFlagTable(context, first);
    }
  },
});

function addressOf(text: string): VirtAddr {
  const found = parseAddress(text);
  if (found === undefined) throw new UsageError(`'${text}' is no address`);
  return found;
}
