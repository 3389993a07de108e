/**
 * `kmem -p`: the page structures, in crash's columns. A word that is shown under MAPPING is none in a page of a slab and
 * others: `mem` says what a page is.
 */
import { add, pageNumber, parseAddress, type Pfn, pfn, type VirtAddr } from '../base/address.ts';
import { attempt, LookupError, UsageError } from '../base/errors.ts';
import { pageLedgerFact } from '../diagnosis/facts/page-ledger.ts';
import { frameOfAddress, frameOfPage, pageOfFrame } from '../kernel/page.ts';
import { Memmap, memorySections } from '../kernel/vmemmap.ts';
import type { CommandContext } from '../model/command.ts';
import type { Shape } from '../model/shape.ts';
import { address, type Data } from '../model/value.ts';
import type { Program } from '../program/program.ts';
import { hex16 } from './format.ts';

const HEADER = '      PAGE       PHYSICAL      MAPPING       INDEX CNT FLAGS';
/** JSON of all page structures would be larger than most dumps. */
const MAX_DATA = 1 << 16;

interface PageWords {
  readonly frame: number;
  readonly page: VirtAddr;
  readonly mapping: bigint;
  readonly index: bigint;
  readonly references: number;
  readonly flags: bigint;
}

interface PageFields {
  readonly flags: number;
  readonly mapping: number;
  readonly index: number | undefined;
  readonly references: number;
}

function fieldsOf(program: Program): PageFields {
  const offset = (...paths: readonly [string, ...string[]]): number => program.firstField('struct page', paths).offset;
  return {
    flags: offset('flags.f', 'flags'),
    mapping: offset('mapping'),
    // __folio_index since 6.16 (commit acc53a0b4c15).
    index: (program.tryField('struct page', 'index') ?? program.tryField('struct page', '__folio_index'))?.offset,
    references: offset('_refcount', '_count'),
  };
}

/** Names of flags by their bit, in crash's spelling: the first of several names. */
function flagNames(program: Program): readonly (readonly [bit: bigint, name: string])[] {
  const type = program.types.tryFind('enum pageflags');
  const names = new Map<bigint, string>();
  for (const { name, value } of (type?.kind === 'enum' ? type.enumerators : undefined) ?? [])
    if (name.startsWith('PG_') && !names.has(value)) names.set(value, name.slice('PG_'.length));
  return [...names].sort(([a], [b]) => (a < b ? -1 : 1));
}

function flagText(names: ReturnType<typeof flagNames>, flags: bigint): string {
  return names.flatMap(([bit, name]) => (((flags >> bit) & 1n) === 1n ? [name] : [])).join(',');
}

function line(
  names: ReturnType<typeof flagNames>,
  { page, frame, mapping, index, references, flags }: PageWords,
  size: number,
): string {
  const set = flagText(names, flags);
  const physical = (frame * size).toString(16).padStart(8);
  return `${hex16(page)} ${physical} ${mapping.toString(16).padStart(16)} ${index.toString(16).padStart(8)} ${String(references).padStart(2)} ${flags.toString(16)}${set === '' ? '' : ` ${set}`}`;
}

function* allPages(context: CommandContext): Generator<PageWords> {
  const { program } = context;
  const fields = fieldsOf(program);
  const memmap = new Memmap(program);
  let unreadable = 0;
  for (const section of memorySections(program)) {
    for (const { first, count, words, stride, readable, unreadable: missing } of memmap.chunks(section)) {
      context.budget.check();
      unreadable += missing;
      const view = new DataView(words.buffer);
      for (let i = 0; i < count; i++) {
        if (readable[i] === 0) continue;
        const at = i * stride * 4;
        yield {
          frame: first + i,
          page: add(memmap.base, (first + i) * memmap.size),
          mapping: view.getBigUint64(at + fields.mapping, true),
          index: fields.index === undefined ? 0n : view.getBigUint64(at + fields.index, true),
          references: view.getInt32(at + fields.references, true),
          flags: view.getBigUint64(at + fields.flags, true),
        };
      }
    }
  }
  if (unreadable > 0) context.problem(`${unreadable} page structures are not in the dump`);
}

/** How many pages have more than one reference; those that are reserved aside. @throws LookupError, FaultError */
export function sharedPages(context: CommandContext): number {
  const bit = context.program.enumerator('PG_reserved');
  if (bit === undefined) throw new LookupError('enumerator', 'PG_reserved');
  let count = 0;
  for (const { references, flags } of allPages(context)) if (references > 1 && ((flags >> bit) & 1n) === 0n) count++;
  return count;
}

/** All page structures. */
export function pageTable(context: CommandContext): Shape {
  const names = flagNames(context.program);
  const { pageSize } = context.program;
  function* lines(): Generator<string> {
    yield HEADER;
    for (const page of allPages(context)) yield line(names, page, pageSize);
  }
  return {
    shape: 'lines',
    lines: lines(),
    data: () => {
      const rows: Data[] = [];
      for (const page of allPages(context)) {
        if (rows.length >= MAX_DATA)
          throw new UsageError(`more than ${MAX_DATA} pages: as JSON, ask for one with -p ADDRESS`);
        rows.push(pageData(names, page, pageSize));
      }
      return rows;
    },
  };
}

function pageData(
  names: ReturnType<typeof flagNames>,
  page: PageWords,
  pageSize: number,
): { readonly [key: string]: Data } {
  return {
    page: address(page.page),
    physical: `0x${(page.frame * pageSize).toString(16)}`,
    mapping: `0x${page.mapping.toString(16)}`,
    index: `0x${page.index.toString(16)}`,
    references: page.references,
    flags: flagText(names, page.flags),
  };
}

function wordsOf(program: Program, frame: Pfn): PageWords {
  const page = pageOfFrame(program, frame);
  const fields = fieldsOf(program);
  const { memory } = program;
  return {
    frame,
    page,
    mapping: memory.readU64(add(page, fields.mapping)),
    index: fields.index === undefined ? 0n : memory.readU64(add(page, fields.index)),
    references: memory.readS32(add(page, fields.references)),
    flags: memory.readU64(add(page, fields.flags)),
  };
}

/**
 * The page structure of a frame under crash's header.
 * @throws FaultError, LookupError
 */
export function pageLines(program: Program, frame: Pfn): readonly [header: string, page: string] {
  return [HEADER, line(flagNames(program), wordsOf(program, frame), program.pageSize)];
}

/**
 * The frame of an address: of a page structure, in kernel memory, or a physical address; undefined when it is none.
 * @param physical - only the last of these
 */
export function frameOf(program: Program, wanted: VirtAddr, physical: boolean): Pfn | undefined {
  const mapped = physical
    ? undefined
    : (attempt(() => frameOfPage(program, wanted)) ?? attempt(() => frameOfAddress(program, wanted)));
  const frame = mapped ?? pfn(pageNumber(wanted, Math.log2(program.pageSize)));
  return frame > program.dump.maxPfn ? undefined : frame;
}

/** The same for an argument. @throws UsageError when it is none */
export function frameOfArgument(program: Program, text: string, physical = false): Pfn {
  const wanted = parseAddress(text);
  if (wanted === undefined) throw new UsageError(`'${text}' is no address`);
  const frame = frameOf(program, wanted, physical);
  if (frame === undefined)
    throw new UsageError(`${text}: neither a page structure nor mapped memory, and there is no such physical memory`);
  return frame;
}

/** How far into its page an argument of `frameOfArgument` points; 0 for a page structure. */
export function offsetOfArgument(program: Program, text: string, physical = false): number {
  const wanted = parseAddress(text);
  if (wanted === undefined) return 0;
  if (!physical && attempt(() => frameOfPage(program, wanted)) !== undefined) return 0;
  return Number(wanted & BigInt(program.pageSize - 1));
}

/** The page structures of addresses: of the memmap, of kernel memory, or physical. */
export function somePages(context: CommandContext, wanted: readonly string[], physical: boolean): Shape {
  const { program } = context;
  const names = flagNames(program);
  const pages = wanted.map((text) => {
    const frame = frameOfArgument(program, text, physical);
    return { words: wordsOf(program, frame), use: context.use(pageLedgerFact).classOf(frame) };
  });
  return {
    shape: 'lines',
    lines: [
      HEADER,
      ...pages.map(({ words }) => line(names, words, program.pageSize)),
      ...pages.flatMap(({ words, use }, i) =>
        use === undefined
          ? []
          : [...(i === 0 ? [''] : []), `used for: ${use}${pages.length === 1 ? '' : ` (${hex16(words.page)})`}`],
      ),
    ],
    data: () => {
      const data = pages.map(({ words, use }) => ({ ...pageData(names, words, program.pageSize), use }));
      return data.length === 1 ? data[0] : data;
    },
  };
}
