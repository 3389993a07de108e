/**
 * `kmem`: views of the kernel's memory, in crash's layouts. Numbers have what CPUs have not added to the counters yet, and
 * slabs are counted in the page structures (docs/crash-differences.md). `mem` shows where all memory went.
 */
import { parseAddress, type VirtAddr } from '../base/address.ts';
import { UsageError } from '../base/errors.ts';
import { type CommandArguments, type CommandContext, defineCommand } from '../model/command.ts';
import type { Shape } from '../model/shape.ts';
import { addressArgument } from '../shell/expression.ts';
import { vmallocTable } from '../shell/kmem-areas.ts';
import { hugePages, statistics, zoneBlocks } from '../shell/kmem-counters.ts';
import { freeAreas, freeBlocksAt } from '../shell/kmem-free.ts';
import { identify } from '../shell/kmem-identify.ts';
import { nodeTable } from '../shell/kmem-nodes.ts';
import { pageMembers } from '../shell/kmem-page-members.ts';
import { pageTable, somePages } from '../shell/kmem-pages.ts';
import { slabObjects, slabPlace } from '../shell/kmem-slab-objects.ts';
import { isCache, slabNames, slabTable } from '../shell/kmem-slabs.ts';
import { memorySummary } from '../shell/kmem-summary.ts';
import { pageFlagTable, perCpuOffsets } from '../shell/kmem-tables.ts';

const VIEWS = ['i', 'f', 'F', 'p', 'm', 'v', 's', 'S', 'z', 'n', 'V', 'h', 'o', 'g'] as const;
const WITH_ARGUMENTS: readonly string[] = ['f', 'p', 'm', 'v', 's', 'S', 'g'];

export default defineCommand({
  name: 'kmem',
  summary: 'memory of the kernel: counters, zones, free lists, slab caches, vmalloc, pages; what an address is',
  description: [
    'One view at a time. Behind -s and -S stand names of slab caches, or addresses of objects; behind -f, -m, -p and -v ' +
      'addresses. Addresses alone are told what they are. ALLOCATED counts objects that CPUs keep ready as free.',
  ],
  options: [
    { flag: 'i', value: 'shared', optionalValue: true, summary: 'memory at a glance; also the pages that are shared' },
    { flag: 'f', summary: 'free lists of the buddy allocator, walked and compared with their counts' },
    { flag: 'F', summary: 'the same with each free block' },
    { flag: 'p', summary: 'the page structures, or those of addresses' },
    { flag: 'm', value: 'members', kind: 'member', summary: 'these members of the page structures: flags,lru.next' },
    { flag: 'v', summary: 'the vmalloc areas, or the one that holds an address' },
    { flag: 's', summary: "the slab caches, or those of these names; 'list' for their names" },
    { flag: 'S', value: 'cpus', optionalValue: true, summary: 'slabs and objects, by CPU and node' },
    { flag: 'z', summary: 'the zones: sizes, watermarks, counters' },
    { flag: 'n', summary: 'memory nodes, sections of the memmap, blocks of memory that can be plugged' },
    { flag: 'V', summary: 'all counters and events of the memory manager' },
    { flag: 'h', summary: 'the pools of huge pages' },
    { flag: 'o', summary: "where each CPU's variables lie" },
    { flag: 'g', summary: 'the flags of pages, or those that are set in a value' },
    { flag: 'P', summary: 'addresses are physical' },
    { flag: 'I', value: 'names', summary: 'with -s and -S: without these caches, separated by commas' },
  ],
  arguments: [{ name: 'address | name', kinds: ['address', 'symbol', 'text'], optional: true, repeated: true }],
  examples: [
    { line: 'kmem -i', what: 'memory at a glance' },
    { line: 'kmem -s dentry inode_cache', what: 'two slab caches' },
    { line: 'kmem -s | sort -nrk5 | head', what: 'the caches with the most slabs' },
    { line: 'kmem -S dentry', what: 'which dentries the CPUs keep ready, and which are in use' },
    { line: 'kmem -z', what: 'where the free pages stand among the watermarks' },
    { line: 'kmem ffff8889811ea0c0', what: 'what an address is: a symbol, an object of a slab, a stack, a free page' },
  ],
  run(context, args) {
    const views = VIEWS.filter((flag) => args.has(flag));
    const [view] = views;
    const all = args.positionals;
    const [first] = all;
    if (views.length > 1) throw new UsageError(`-${views.join(' and -')} are different views; give one of them`);
    if (view === undefined && first === undefined)
      throw new UsageError(`kmem needs one of -${VIEWS.join(' -')}, or an address; 'mem' shows where memory went`);
    if (first !== undefined && view !== undefined && !WITH_ARGUMENTS.includes(view))
      throw new UsageError(`-${view} takes no '${first}'`);
    const physical = args.has('P');
    const ignored = args.value('I')?.split(',') ?? [];
    switch (view) {
      case undefined:
        return identify(
          context,
          all.map((text, i) => addressArgument(context.program, args.raws[i] ?? text)),
          physical,
        );
      case 'i':
        return memorySummary(context, isShared(args.value('i')));
      case 'f':
        return first === undefined ? freeAreas(context, false) : freeBlocksAt(context, all, physical);
      case 'F':
        return freeAreas(context, true);
      case 'p':
        return first === undefined ? pageTable(context) : somePages(context, all, physical);
      case 'm':
        return pageMembers(context, args.value('m') ?? '', all, physical);
      case 'v':
        return vmallocTable(context, first === undefined ? undefined : addressOf(first));
      case 's':
      case 'S':
        return slabs(context, args, ignored);
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

function isShared(value: string | undefined): boolean {
  if (value !== undefined && value !== '' && value !== 'shared') throw new UsageError(`-i=${value}: can be =shared`);
  return value === 'shared';
}

/** Caches by name, or what is at addresses. */
function slabs(context: CommandContext, args: CommandArguments, ignored: readonly string[]): Shape {
  const all = args.positionals;
  const each = args.has('S');
  const physical = args.has('P');
  if (!each && all.length === 1 && all[0] === 'list') return slabNames(context);
  const caches = all.filter((text) => isCache(context, text));
  const addresses = all.filter((text) => !caches.includes(text) && parseAddress(text) !== undefined);
  if (addresses.length === 0)
    return each ? slabObjects(context, all, ignored, args.value('S')) : slabTable(context, all, ignored);
  const other = all.find((text) => !addresses.includes(text));
  if (other !== undefined) throw new UsageError(`'${other}' is no address; give names or addresses, not both`);
  const places = addresses.map((text) => {
    const place = slabPlace(context, text, { whole: each, physical });
    if (place === undefined) context.failure(`${text} is in no slab`);
    return place;
  });
  const found = places.filter((place) => place !== undefined);
  return {
    shape: 'lines',
    lines: found.flatMap(({ lines }, i) => [...(i === 0 ? [] : ['']), ...lines]),
    data: () => found.map(({ data }) => data),
  };
}

function addressOf(text: string): VirtAddr {
  const found = parseAddress(text);
  if (found === undefined) throw new UsageError(`'${text}' is no address`);
  return found;
}
