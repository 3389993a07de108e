/**
 * The views of `mem --by ...`: the same memory summed by something else than the use of pages. Whoever adds one writes a
 * `MemView` and names it in `memViews`.
 */
import { pageLedgerFact } from '../diagnosis/facts/page-ledger.ts';
import { classOf, codeOf } from '../kernel/page-class.ts';
import type { CommandContext } from '../model/command.ts';
import { type Column, type Shape, shown } from '../model/shape.ts';
import { byteCount, name } from '../model/value.ts';
import { hex16, percent } from './format.ts';
import { byFile } from './mem-files.ts';
import { residentViews } from './mem-resident.ts';

export interface MemView {
  /** What stands behind `--by`. */
  readonly key: string;
  /** One line for help. */
  readonly summary: string;
  /** @param all - not only the largest, where there may be many */
  run(context: CommandContext, all: boolean): Shape;
}

/** Columns that each view ends with or begins with. */
const SIZE: Column = { key: 'size', label: 'SIZE', align: 'right' };
const SHARE: Column = { key: 'share', label: '%', align: 'right' };

const bySlab: MemView = {
  key: 'slab',
  summary: 'slab caches: memory, objects in use, waste',
  run(context) {
    const ledger = context.use(pageLedgerFact);
    const whole = ledger.memory ?? ledger.frames;
    return {
      shape: 'table',
      columns: [
        SIZE,
        SHARE,
        { key: 'slabs', label: 'SLABS', align: 'right' },
        { key: 'objects', label: 'OBJECTS', align: 'right' },
        { key: 'used', label: 'IN USE', align: 'right' },
        { key: 'cache', label: 'CACHE', align: 'left' },
        { key: 'name', label: 'NAME', align: 'left' },
      ],
      rows: ledger.slabs.map(({ pages, slabs, objects, used, cache, name: called }) => [
        byteCount(pages * ledger.pageSize),
        percent(pages, whole),
        slabs,
        objects,
        objects === undefined || used === undefined
          ? undefined
          : shown(`${((used / (objects || 1)) * 100).toFixed(0)} %`, used),
        shown(hex16(cache), { kind: 'address', value: cache }),
        name(called),
      ]),
    };
  },
};

const byCaller: MemView = {
  key: 'caller',
  summary: 'vmalloc areas by who asked for them, stacks and modules among them',
  run(context) {
    const ledger = context.use(pageLedgerFact);
    const whole = ledger.memory ?? ledger.frames;
    return {
      shape: 'table',
      columns: [
        SIZE,
        SHARE,
        { key: 'areas', label: 'AREAS', align: 'right' },
        { key: 'class', label: 'USED FOR', align: 'left' },
        { key: 'caller', label: 'CALLER', align: 'left' },
      ],
      rows: ledger.vmalloc
        .filter(({ pages }) => pages > 0)
        .map(({ pages, areas, class: id, caller }) => [
          byteCount(pages * ledger.pageSize),
          percent(pages, whole),
          areas,
          shown(classOf(codeOf(id)).label, id),
          { kind: 'symbol', value: caller },
        ]),
    };
  },
};

const byFileSystem: MemView = {
  key: 'filesystem',
  summary: 'page cache, tmpfs and shared memory by type of file system',
  run(context) {
    const ledger = context.use(pageLedgerFact);
    const whole = ledger.memory ?? ledger.frames;
    const { pageSize } = ledger;
    return {
      shape: 'table',
      columns: [
        SIZE,
        SHARE,
        { key: 'mapped', label: 'MAPPED', align: 'right' },
        { key: 'dirty', label: 'DIRTY', align: 'right' },
        { key: 'files', label: 'FILES', align: 'right' },
        { key: 'type', label: 'TYPE', align: 'left' },
      ],
      rows: ledger.fileSystems.map(({ pages, mapped, dirty, files, type }) => [
        byteCount(pages * pageSize),
        percent(pages, whole),
        byteCount(mapped * pageSize),
        byteCount(dirty * pageSize),
        files,
        name(type),
      ]),
    };
  },
};

const byFileView: MemView = {
  key: 'file',
  summary: 'page cache, tmpfs and shared memory by file, with who holds those that no directory shows',
  run: byFile,
};

export const memViews: readonly MemView[] = [...residentViews, bySlab, byCaller, byFileView, byFileSystem];
