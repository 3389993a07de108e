/**
 * The kernel is found without VMCOREINFO: by its text in memory, by its banner, by the file's header or by a virtual CPU,
 * on damaged pages of what it is found by: texts, page tables, the tables of kallsyms. Mostly of hand-built machines of a
 * few hundred pages (bootstrap-small.ts); now and then the real sample, opened as a whole.
 */
import { pageNumber, pfn, phys } from '../../src/base/address.ts';
import type { DumpFile } from '../../src/dump/dump-file.ts';
import { imagePhys } from '../../src/program/bootstrap-image.ts';
import { kernelTraces } from '../../src/program/bootstrap-scan.ts';
import { programOf } from '../../src/program/open.ts';
import { valueAt } from '../extremes.ts';
import type { Base, Field, Parts, Summary } from '../input.ts';
import type { Target } from '../target.ts';
import { check } from '../violation.ts';
import { cpuNote, SMALL_BASES, smallBase } from './bootstrap-small.ts';
import { changedDump, pagesRead, realMachine } from './pages.ts';

const PAGE = 4096;
const ENTRY = 8;
/** Bits of a page table entry that are an address. */
const FRAME = 0x000ffffffffff000n;
const TABLES = ['names', 'num_syms', 'token_table', 'token_index', 'offsets', 'relative_base'];

function blanked(pages: ReadonlyMap<string, Uint8Array>): void {
  for (const page of pages.values()) {
    const text = Buffer.from(page.buffer, page.byteOffset, page.length);
    for (let at = text.indexOf('OSRELEASE='); at >= 0; at = text.indexOf('OSRELEASE=')) text.fill('X', at, at + 9);
  }
}

function sampleBase(name: string): Base {
  const { dump } = realMachine('sample');
  const truth = programOf(dump);
  const physBase = BigInt.asUintN(64, truth.vmcoreinfo.number('phys_base') ?? 0n);
  const root = imagePhys(truth.symbol('init_top_pgt').address, physBase);
  const levels = truth.vmcoreinfo.number('pgtable_l5_enabled') === 1n ? 5 : 4;
  const frames = new Set<number>();
  const fields: Field[] = [];
  // The page tables of the image: its last entries but one or two of each level.
  let table: bigint = root;
  for (let level = levels; level >= 2; level--) {
    const frame = pageNumber(phys(table), 12);
    frames.add(frame);
    const bytes = new Uint8Array(PAGE);
    dump.readPage(pfn(frame), bytes);
    const index = level === 3 ? 510 : level === 2 ? 8 : 511;
    for (const near of [index - 1, index, index + 1].filter((entry) => entry < 512)) {
      fields.push({ part: String(frame), at: near * ENTRY, size: 8, role: 'address', group: `level ${level}` });
    }
    table = valueAt(bytes, index * ENTRY, ENTRY) & FRAME;
  }
  for (const trace of kernelTraces(dump)) frames.add(pageNumber(trace.at, 12));
  for (const what of TABLES) {
    const at = truth.vmcoreinfo.symbol(`kallsyms_${what}`);
    if (at === undefined) continue;
    const place = imagePhys(at, physBase);
    frames.add(pageNumber(place, 12));
    fields.push({
      part: String(pageNumber(place, 12)),
      at: Number(place % 4096n),
      size: 4,
      role: 'count',
      group: what,
    });
  }
  const pages = pagesRead(dump, frames);
  const withText = name === 'text' || name === 'header';
  if (!withText) blanked(pages);
  const notes = name === 'processor' ? [cpuNote(root, levels)] : [];
  const bare: DumpFile = {
    ...changedDump(dump, { get: () => new Uint8Array(0) }, new Set()),
    vmcoreinfo: undefined,
    notes,
    physBase: name === 'header' ? dump.physBase : undefined,
  };
  const parts = new Map([...pages, ['states', new Uint8Array(0)]] as const);
  notes.forEach((note, i) => parts.set(`note ${i}`, note.desc));
  if (notes.length > 0) {
    for (const at of [392, 416, 424]) fields.push({ part: 'note 0', at, size: 8, role: 'address', group: 'registers' });
  }
  const names = new Set(parts.keys());
  const run = (changed: Parts, pristine: boolean): Summary => {
    const program = programOf(changedDump(bare, changed, names));
    const { foundBy = '', problems, symbols } = program;
    check(foundBy.startsWith('kernel found by'), () => `the kernel was found by '${foundBy}'`);
    if (pristine) check(problems.length === 0, () => problems.join());
    const told = program.vmcoreinfo.symbol('init_top_pgt') === truth.vmcoreinfo.symbol('init_top_pgt');
    return [foundBy, symbols.kernel.count, told ? 'the same' : 'other tables', ...problems];
  };
  return { parts, fields, fixed: true, run };
}

const SAMPLE_WAYS = ['text', 'banner', 'header', 'processor'];

export const bootstrap: Target = {
  name: 'bootstrap',
  reads:
    'kernels of 3.10 to 7.2, and the sample, found without VMCOREINFO by texts, headers and page tables (program/bootstrap)',
  throws: ['usage', 'format'],
  bases: [
    ...SMALL_BASES.map((name) => ({ name, weight: 200 })),
    ...SAMPLE_WAYS.map((name) => ({ name: `sample, ${name}`, weight: 1 })),
  ],
  allocates: { fixed: 2 ** 30, perByte: 0 },
  heap: 1024,
  base: (name) => (name.startsWith('sample, ') ? sampleBase(name.slice('sample, '.length)) : smallBase(name)),
};
