/**
 * Reads every page of a dump once, in the order of its frames, and prints how long that took: a process of its own for
 * each run, so that nothing is warm but the machine's page cache. `node bench/pages.ts DUMP`.
 */
import { pfn, type Pfn } from '../src/base/address.ts';
import { openDump } from '../src/dump/open.ts';

export interface PagesRead {
  /** Milliseconds. */
  readonly reading: number;
  readonly pages: number;
  readonly bytes: number;
}

function readEvery(path: string): PagesRead {
  const dump = openDump(path);
  try {
    const page = new Uint8Array(dump.pageSize);
    let pages = 0;
    const start = performance.now();
    for (let at: Pfn | undefined = dump.nextInFile(pfn(0)); at !== undefined; at = dump.nextInFile(pfn(at + 1))) {
      if (dump.readPage(at, page) === 'data') pages++;
    }
    return { reading: performance.now() - start, pages, bytes: pages * dump.pageSize };
  } finally {
    dump.close();
  }
}

if (import.meta.main) console.log(JSON.stringify(readEvery(process.argv[2] ?? '')));
