/**
 * `kmem -i`: memory at a glance in crash's rows, with what CPUs have not added to the counters yet. `mem` has the whole.
 */
import { attempt } from '../base/errors.ts';
import { hugePagePools } from '../kernel/hugetlb.ts';
import type { Known } from '../kernel/known.ts';
import { meminfo } from '../kernel/meminfo.ts';
import type { CommandContext } from '../model/command.ts';
import type { Shape } from '../model/shape.ts';
import { byteCount, type Data } from '../model/value.ts';
import { sizeText } from './format.ts';
import { sharedPages } from './kmem-pages.ts';

const LABEL = 13;
const PAGES = 7;
const SIZE = 11;

interface Row {
  readonly label: string;
  readonly key: string;
  readonly bytes: number | undefined;
  /** Of which whole it is a part, in crash's words. */
  readonly of?: string;
}

/** @param shared - with the pages that have more than one reference, which takes a look at all page structures */
export function memorySummary(context: CommandContext, shared: boolean): Shape {
  const { program } = context;
  const info = meminfo(program);
  const value = (what: string, known: Known<number>): number | undefined => {
    if (known.value === undefined) context.problem(`${what}: ${known.source}: ${known.problem}`);
    return known.value;
  };
  const minus = (a: number | undefined, b: number | undefined): number | undefined =>
    a === undefined || b === undefined ? undefined : a - b;
  const total = value('TOTAL MEM', info.memTotal);
  const free = value('FREE', info.memFree);
  const swapTotal = value('TOTAL SWAP', info.swapTotal);
  const swapFree = value('SWAP FREE', info.swapFree);
  const pools = attempt(() => hugePagePools(program));
  if (pools === undefined) context.problem('TOTAL HUGE: hstates cannot be read');
  const huge = pools?.reduce((sum, { total: pages, size }) => sum + pages * size, 0);
  const hugeFree = pools?.reduce((sum, { free: pages, size }) => sum + pages * size, 0);
  const mem = 'TOTAL MEM';
  const groups: readonly (readonly Row[])[] = [
    [
      { label: mem, key: 'total', bytes: total },
      { label: 'FREE', key: 'free', bytes: free, of: mem },
      { label: 'USED', key: 'used', bytes: minus(total, free), of: mem },
      ...(shared ? [{ label: 'SHARED', key: 'shared', bytes: sharedBytes(context), of: mem }] : []),
      { label: 'BUFFERS', key: 'buffers', bytes: value('BUFFERS', info.buffers), of: mem },
      { label: 'CACHED', key: 'cached', bytes: value('CACHED', info.cached), of: mem },
      { label: 'SLAB', key: 'slab', bytes: value('SLAB', info.slab), of: mem },
    ],
    [
      { label: 'TOTAL HUGE', key: 'hugeTotal', bytes: huge },
      { label: 'HUGE FREE', key: 'hugeFree', bytes: hugeFree, of: 'TOTAL HUGE' },
    ],
    [
      { label: 'TOTAL SWAP', key: 'swapTotal', bytes: swapTotal },
      { label: 'SWAP USED', key: 'swapUsed', bytes: minus(swapTotal, swapFree), of: 'TOTAL SWAP' },
      { label: 'SWAP FREE', key: 'swapFree', bytes: swapFree, of: 'TOTAL SWAP' },
    ],
    [
      { label: 'COMMIT LIMIT', key: 'commitLimit', bytes: value('COMMIT LIMIT', info.commitLimit) },
      { label: 'COMMITTED', key: 'committed', bytes: value('COMMITTED', info.committedAs), of: 'TOTAL LIMIT' },
    ],
  ];
  return {
    shape: 'lines',
    lines: [
      '                 PAGES        TOTAL      PERCENTAGE',
      ...groups.flatMap((rows, i) => [
        ...(i === 0 ? [] : ['']),
        ...rows.map((row) => line(row, rows[0]?.bytes, program.pageSize)),
      ]),
    ],
    data: () => {
      const data: { [key: string]: Data } = {};
      for (const { key, bytes } of groups.flat()) data[key] = bytes === undefined ? undefined : byteCount(bytes);
      return data;
    },
  };
}

function sharedBytes(context: CommandContext): number | undefined {
  const pages = attempt(() => sharedPages(context));
  if (pages === undefined) context.problem('SHARED: the page structures cannot be read');
  return pages === undefined ? undefined : pages * context.program.pageSize;
}

function line({ label, bytes, of }: Row, whole: number | undefined, pageSize: number): string {
  const start = label.padStart(LABEL);
  if (bytes === undefined) return `${start}  ${'(unknown)'.padStart(PAGES)}`;
  const numbers = `${start}  ${String(bytes / pageSize).padStart(PAGES)}  ${sizeText(bytes).padStart(SIZE)}`;
  if (of === undefined) return `${numbers}         ----`;
  if (whole === undefined) return numbers;
  const percent = whole === 0 ? 0 : Math.floor((bytes * 100) / whole);
  return `${numbers}  ${String(percent).padStart(3)}% of ${of}`;
}
