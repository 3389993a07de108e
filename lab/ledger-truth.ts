/**
 * What a manifest tells of the size of what holds memory, beside what the page ledger has of it.
 */
import { cachedFiles } from '../src/diagnosis/facts/cached-files.ts';
import { type PageLedger, pageLedgerFact } from '../src/diagnosis/facts/page-ledger.ts';
import type { FactContext } from '../src/model/diagnosis.ts';
import type { Manifest } from './manifest.ts';

export interface Size {
  /** 'pages that no counter has'. */
  readonly what: string;
  /** As the guest told it, and as the ledger has it: in pages unless `what` says otherwise. */
  readonly told: number;
  readonly found: number;
  /** Whether the two must be equal; 5 % off is right else, as the guest has more of the same kind. */
  readonly exact: boolean;
}

/** Files that are named, counted once. */
const MOST_FILES = 100_000;
const PAGES_OF = 'pages of ';

/** All that can be compared of one dump; none for an incident that tells no size. */
export function sizesOf(context: FactContext, manifest: Manifest): readonly Size[] {
  const ledger = context.use(pageLedgerFact);
  const { counts, addresses } = manifest;
  const count = (name: string): number => counts[name] ?? 0;
  const size = (what: string, told: number, found: number, exact = false): Size => ({ what, told, found, exact });
  switch (manifest.incident) {
    case '05-deleted-tmpfs':
      return [size('deleted files', count('bytes in deleted files') / ledger.pageSize, filesOf(context, 'deleted'))];
    case '06-kmalloc-leak-module': {
      const told = (count('records leaked') * count('bytes of a record')) / ledger.pageSize;
      return [size('the slab cache', told, ledger.slabs[0]?.pages ?? 0)];
    }
    case '11-tmpfs-full': {
      const told = count('bytes in files') / ledger.pageSize;
      const superBlock = addresses.find(({ role }) => role === 'resource')?.address;
      return [size('files of the tmpfs', told, filesOf(context, 'named', BigInt(superBlock ?? 0)))];
    }
    case '12-page-leak':
      return [size('pages in no counter', count('pages leaked'), ledger.pages('unclassified'))];
    case '13-vmalloc-leak':
      return [size('the largest caller of vmalloc()', count('pages leaked'), largestCaller(ledger))];
    case '14-page-tables': {
      const perProcess = Math.ceil(count('bytes mapped by each') / (512 * ledger.pageSize));
      return [size('page tables', count('processes') * perProcess, ledger.pages('table'))];
    }
    case '16-hugepage-pool':
      return [
        size('huge pages', count('huge pages') * 512, ledger.pages('hugetlb', 'hugetlb-free'), true),
        size('huge pages in use', count('huge pages used') * 512, ledger.pages('hugetlb'), true),
      ];
    case '17-negative-dentries': {
      const cache = ledger.slabs.find(({ name }) => name === 'dentry');
      return [size('dentries (objects)', count('dentries'), cache?.used ?? 0)];
    }
    case '18-balloon':
      return [
        size('pages in the balloon', count('pages in the balloon'), ledger.pages('balloon'), true),
        size('pages that the host took', count('bytes that the host took') / ledger.pageSize, ledger.pages('balloon')),
      ];
    case 'cached-files':
      return sizesOfFiles(context, counts);
    default:
      return [];
  }
}

/** Pages of files of a state. */
function filesOf(context: FactContext, state: 'named' | 'deleted', superBlock?: bigint): number {
  const { largest } = cachedFiles(context, MOST_FILES);
  return largest
    .filter(({ file }) => file?.state === state)
    .filter((each) => superBlock === undefined || each.superBlock === superBlock)
    .reduce((sum, { pages }) => sum + pages, 0);
}

function largestCaller({ vmalloc }: PageLedger): number {
  return vmalloc.find((area) => area.class === 'vmalloc')?.pages ?? 0;
}

function sizesOfFiles(context: FactContext, counts: Manifest['counts']): readonly Size[] {
  const { largest } = cachedFiles(context, MOST_FILES);
  return Object.entries(counts)
    .filter(([name]) => name.startsWith(PAGES_OF))
    .map(([name, told]) => {
      const path = name.slice(PAGES_OF.length);
      const found = largest.filter(({ file }) => file?.path === path);
      return { what: path, told, found: found.reduce((sum, { pages }) => sum + pages, 0), exact: true };
    });
}
