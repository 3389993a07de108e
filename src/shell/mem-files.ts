/**
 * `mem --by file`: page cache, tmpfs and shared memory by file, the most first, by the page structures. Files that were
 * deleted or never had a name show who holds them.
 */
import { type CachedFilePages, cachedFiles } from '../diagnosis/facts/cached-files.ts';
import { pageLedgerFact } from '../diagnosis/facts/page-ledger.ts';
import type { CommandContext } from '../model/command.ts';
import { type Cell, type Column, type Shape, shown } from '../model/shape.ts';
import { address, byteCount, name } from '../model/value.ts';
import { hex16, percent } from './format.ts';

/** Without -a; and with it, as a file server has millions. */
const FEW = 40;
const MANY = 100_000;
/** Of one file. */
const HOLDERS = 3;

const COLUMNS: readonly Column[] = [
  { key: 'size', label: 'SIZE', align: 'right' },
  { key: 'share', label: '%', align: 'right' },
  { key: 'mapped', label: 'MAPPED', align: 'right' },
  { key: 'dirty', label: 'DIRTY', align: 'right' },
  { key: 'inode', label: 'INODE', align: 'left' },
  { key: 'type', label: 'TYPE', align: 'left' },
  { key: 'path', label: 'FILE', align: 'left' },
  { key: 'state', label: '', align: 'left' },
];

/** @param all - not only the largest */
export function byFile(context: CommandContext, all: boolean): Shape {
  const ledger = context.use(pageLedgerFact);
  const { pageSize } = ledger;
  const whole = ledger.memory ?? ledger.frames;
  const { largest, files, pages } = cachedFiles(context, all ? MANY : FEW);
  const unread = ledger.pages('unread', 'unseen');
  if (unread > 0) context.problem(`${unread} page structures were not read: each file has at least so much`);
  const rest = pages - largest.reduce((sum, file) => sum + file.pages, 0);
  const more = files - largest.length;
  return {
    shape: 'list',
    items: [
      {
        shape: 'table',
        columns: COLUMNS,
        rows: largest.map((each) => [
          byteCount(each.pages * pageSize),
          percent(each.pages, whole),
          byteCount(each.mapped * pageSize),
          byteCount(each.dirty * pageSize),
          each.file === undefined ? undefined : address(each.file.inode),
          each.file === undefined ? undefined : name(each.file.fsType),
          fileName(each),
          stateOf(each),
        ]),
      },
      {
        shape: 'text',
        lines: [
          [
            `${files} files have `,
            byteCount(pages * pageSize),
            ' of page cache and shared memory',
            ...(more === 0 ? [] : [`; ${more} that are not shown have `, byteCount(rest * pageSize)]),
            '.',
          ],
        ],
      },
    ],
  };
}

function fileName({ file, mapping }: CachedFilePages): Cell {
  if (file === undefined)
    return shown(`(address space ${hex16(mapping)} is not in the dump)`, { kind: 'address', value: mapping });
  return file.path === undefined ? `(inode ${file.number}: no name in memory)` : name(file.path);
}

/** 'deleted; held by influxd (299)'. */
function stateOf({ file, holders }: CachedFilePages): Cell {
  if (file === undefined) return undefined;
  const inside = file.path !== undefined && !file.reachable ? 'as seen inside its file system' : undefined;
  if (file.state === 'named') return inside;
  if (file.state === 'block') return 'block device';
  const names = holders.slice(0, HOLDERS).map(({ comm, pid }) => `${comm} (${pid})`);
  if (holders.length > HOLDERS) names.push(`${holders.length - HOLDERS} more`);
  const gone = inside === undefined ? 'deleted' : `deleted, ${inside}`;
  const state = file.state === 'deleted' ? gone : 'in no directory';
  const held = names.length === 0 ? 'no process has it open' : `held by ${names.join(', ')}`;
  return name(`${state}; ${held}`);
}
