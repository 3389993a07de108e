/**
 * `pressure`: how near the machine is to being out of memory, and who feels it: watermarks of each zone with what is free, the
 * reserve, pressure stall information, the reclaiming threads, tasks that reclaim for themselves.
 */
import { attempt, UsageError } from '../base/errors.ts';
import { freeReserve } from '../diagnosis/facts/free-reserve.ts';
import { memoryFact } from '../diagnosis/facts/memory.ts';
import { pressureFact } from '../diagnosis/facts/pressure.ts';
import { stacksFact, waitsIn } from '../diagnosis/facts/stacks.ts';
import { tasksFact } from '../diagnosis/facts/tasks.ts';
import { MIN_FREE } from '../diagnosis/facts/thresholds.ts';
import { vmCounters } from '../kernel/vmstat.ts';
import { freeBlocks, type Zone } from '../kernel/zone.ts';
import { type CommandContext, defineCommand } from '../model/command.ts';
import { type Cell, type Column, type Shape, shown } from '../model/shape.ts';
import { address, byteCount, name, type Prose, prose, ratio, symbol } from '../model/value.ts';

export default defineCommand({
  name: 'pressure',
  summary: 'how near the machine is to being out of memory, and who feels it',
  description: [
    'MIN, LOW and HIGH are the watermarks: below LOW kswapd is woken, below MIN whoever needs a page has to free one first, and ' +
      'only what cannot wait takes from the rest. LARGEST is the largest free block.',
  ],
  options: [],
  arguments: [],
  examples: [{ line: 'pressure', what: 'zones, pressure stall information, who reclaims' }],
  run(context, args) {
    if (args.positionals[0] !== undefined)
      throw new UsageError(`'${args.positionals[0]}': pressure takes no arguments`);
    return { shape: 'list', items: [zoneTable(context), stallTable(context), reserve(context), reclaimers(context)] };
  },
});

const SIZE = (key: string, label: string): Column => ({ key, label, align: 'right' });

function zoneTable(context: CommandContext): Shape {
  const { program } = context;
  const { zones } = context.use(memoryFact);
  if (zones === undefined) context.problem('the zones cannot be read');
  const size = (pages: number | undefined): Cell =>
    pages === undefined ? undefined : byteCount(pages * program.pageSize);
  const rowOf = (zone: Zone): readonly Cell[] => {
    const blocks = attempt(() => freeBlocks(program, zone.address));
    const largest = blocks?.findLastIndex((count) => count > 0);
    const free = blocks?.reduce((sum, count, order) => sum + count * 2 ** order, 0);
    const { min, low, high } = zone.watermark;
    const below = free === undefined ? '' : free < min ? 'below MIN' : free < low ? 'below LOW' : '';
    return [
      zone.node,
      name(zone.name),
      size(free),
      size(min),
      size(low),
      size(high),
      size(zone.managed),
      largest === undefined || largest < 0
        ? undefined
        : shown(`order ${largest}`, { order: largest, bytes: byteCount(2 ** largest * program.pageSize) }),
      below,
    ];
  };
  return {
    shape: 'table',
    columns: [
      SIZE('node', 'NODE'),
      { key: 'zone', label: 'ZONE', align: 'left' },
      SIZE('free', 'FREE'),
      SIZE('min', 'MIN'),
      SIZE('low', 'LOW'),
      SIZE('high', 'HIGH'),
      SIZE('managed', 'MANAGED'),
      { key: 'largest', label: 'LARGEST', align: 'left' },
      { key: 'below', label: '', align: 'left' },
    ],
    rows: (zones ?? []).filter(({ managed }) => managed > 0).map(rowOf),
  };
}

function stallTable(context: CommandContext): Shape {
  const state = context.use(pressureFact);
  if (state === undefined)
    return { shape: 'text', lines: [['This kernel keeps no account of pressure (PSI), or it cannot be read.']] };
  return {
    shape: 'table',
    title: 'Share of the time that tasks waited (PSI), as last averaged',
    columns: [
      { key: 'of', label: 'FOR', align: 'left' },
      { key: 'kind', label: 'WHO', align: 'left' },
      SIZE('avg10', '10 s'),
      SIZE('avg60', '60 s'),
      SIZE('avg300', '300 s'),
      SIZE('total', 'TOTAL'),
    ],
    rows: state.pressures.map(({ of, kind, averages, total }) => [
      of,
      kind === 'some' ? 'some task' : 'all tasks',
      ...averages.map((share) => ratio(share)),
      { kind: 'duration', ns: total },
    ]),
  };
}

/** The settings, against what this machine should have. */
function reserve(context: CommandContext): Shape {
  const memory = context.use(memoryFact);
  const { info } = memory;
  const kept = freeReserve(memory);
  const lines: Prose[] = [];
  if (kept === undefined) context.problem('vm.min_free_kbytes cannot be read');
  else
    lines.push(
      prose`vm.min_free_kbytes: ${byteCount(kept.now)}, ${ratio(kept.now / kept.total)} of memory${kept.isSmall ? prose`; ${byteCount(kept.wanted)} would be ${ratio(MIN_FREE)}` : ''}.`,
    );
  const swap = info.swapTotal.value;
  const free = info.swapFree.value;
  if (swap !== undefined && free !== undefined)
    lines.push(swap === 0 ? ['There is no swap.'] : prose`Swap: ${byteCount(free)} of ${byteCount(swap)} free.`);
  const committed = info.committedAs.value;
  const limit = info.commitLimit.value;
  if (committed !== undefined && limit !== undefined)
    lines.push(prose`Promised to programs (Committed_AS): ${byteCount(committed)}; CommitLimit ${byteCount(limit)}.`);
  const dirty = attempt(() => vmCounters(context.program).get('NR_WRITEBACK'));
  if (dirty !== undefined && dirty.value > 0)
    lines.push(prose`Being written back: ${byteCount(dirty.value * context.program.pageSize)}.`);
  return { shape: 'text', lines };
}

/** Functions of reclaim and compaction: who is in one of them frees memory for itself. */
const RECLAIMING =
  /^(try_to_free_pages|do_try_to_free_pages|try_to_free_mem_cgroup_pages|shrink_node|shrink_slab|try_to_compact_pages|out_of_memory|throttle_direct_reclaim|mem_cgroup_handle_over_high|__mem_cgroup_handle_over_high)(\.|$)/;
const THREADS = /^(kswapd\d+|kcompactd\d+|oom_reaper|khugepaged)$/;

function reclaimers(context: CommandContext): Shape {
  const { tasks } = context.use(tasksFact);
  const stacks = context.use(stacksFact);
  const rows = tasks.flatMap((task): readonly (readonly Cell[])[] => {
    const { frames } = stacks.of(task);
    const found = frames.find(({ func }) => RECLAIMING.test(func ?? ''))?.func;
    if (found === undefined && !(task.kthread && THREADS.test(task.comm))) return [];
    const func = found ?? waitsIn(frames);
    return [
      [
        task.pid,
        address(task.address),
        task.state.letter,
        name(task.comm),
        func === undefined ? undefined : symbol(func),
      ],
    ];
  });
  return {
    shape: 'table',
    title: 'Who frees memory: the threads for it, and tasks that have to do it themselves',
    columns: [
      SIZE('pid', 'PID'),
      { key: 'task', label: 'TASK', align: 'left' },
      { key: 'state', label: 'ST', align: 'left' },
      { key: 'comm', label: 'COMM', align: 'left' },
      { key: 'func', label: 'IN', align: 'left' },
    ],
    rows,
  };
}
