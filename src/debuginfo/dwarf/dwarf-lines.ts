/**
 * From an address to source lines: the unit that covers it (.debug_aranges, else the units' own ranges), its line table, and
 * the functions that the compiler has inlined there. Addresses are those of the file.
 */
import { attempt } from '../../base/errors.ts';
import { AT, TAG } from './constants.ts';
import { Cursor } from './cursor.ts';
import type { DebugInfo } from './debug-info.ts';
import type { Entry } from './entry.ts';
import { type LineTable, readLineTable } from './line-table.ts';
import { covers, type Range, rangesOf } from './ranges.ts';
import type { Unit } from './units.ts';

/** Deepest nesting of inlined functions and blocks; kernels have about 30. */
const MAX_DEPTH = 256;
const KEPT_UNITS = 16;

/** One function at an address, the innermost first: those before the last one were inlined. */
export interface SourceFrame {
  readonly func: string | undefined;
  readonly file: string | undefined;
  /** From 1; undefined when it is not told. */
  readonly line: number | undefined;
}

interface OpenLines {
  readonly table: LineTable | undefined;
  readonly functions: readonly { readonly ranges: readonly Range[]; readonly entry: Entry }[];
}

const FUNCTIONS: ReadonlySet<number> = new Set([TAG.subprogram, TAG.namespace]);
const IN_NAMESPACES: ReadonlySet<number> = new Set([
  TAG.subprogram,
  TAG.namespace,
  TAG.structure_type,
  TAG.union_type,
  TAG.enumeration_type,
]);
const BLOCKS: ReadonlySet<number> = new Set([TAG.inlined_subroutine, TAG.lexical_block]);

export class DwarfLines {
  readonly #info: DebugInfo;
  readonly #open = new Map<Unit, OpenLines>();
  /** By rising start. */
  #ranges: readonly { readonly start: bigint; readonly end: bigint; readonly unit: Unit }[] | undefined;

  constructor(info: DebugInfo) {
    this.#info = info;
  }

  /** Empty when nothing is told of the address. @throws FormatError */
  at(address: bigint): readonly SourceFrame[] {
    const unit = this.#unitOf(address);
    if (unit === undefined) return [];
    const { table, functions } = this.#lines(unit);
    const place = table?.at(address);
    const func = functions.find(({ ranges }) => covers(ranges, address))?.entry;
    const frames: SourceFrame[] = [];
    let file = place?.file;
    let line = lineOf(place?.line);
    // The innermost comes first; each is called from the place that the entry of the inlined one tells.
    for (const inlined of func === undefined ? [] : this.#inlined(func, address).reverse()) {
      frames.push({ func: this.#info.nameOf(inlined), file, line });
      file = table?.file(inlined.number(AT.call_file) ?? -1);
      line = lineOf(inlined.number(AT.call_line));
    }
    frames.push({ func: func === undefined ? undefined : this.#info.nameOf(func), file, line });
    return func === undefined && place === undefined ? [] : frames;
  }

  /**
   * The function at an address and those that were inlined there, as entries, the innermost first; empty when nothing is told.
   * @throws FormatError
   */
  functionsAt(address: bigint): readonly Entry[] {
    const unit = this.#unitOf(address);
    if (unit === undefined) return [];
    const func = this.#lines(unit).functions.find(({ ranges }) => covers(ranges, address))?.entry;
    return func === undefined ? [] : [...this.#inlined(func, address).reverse(), func];
  }

  /** Inlined functions at the address, the outermost first. */
  #inlined(func: Entry, address: bigint): Entry[] {
    const found: Entry[] = [];
    let at: Entry | undefined = func;
    for (let depth = 0; at !== undefined && depth < MAX_DEPTH; depth++) {
      let next: Entry | undefined;
      for (const child of this.#info.children(at, BLOCKS)) {
        if (!covers(rangesOf(child), address)) continue;
        next = child;
        break;
      }
      if (next?.tag === TAG.inlined_subroutine) found.push(next);
      at = next;
    }
    return found;
  }

  #lines(unit: Unit): OpenLines {
    let lines = this.#open.get(unit);
    if (lines === undefined) {
      const root = this.#info.root(unit);
      const offset = root.number(AT.stmt_list);
      lines = {
        table: offset === undefined ? undefined : readLineTable(this.#info, offset),
        functions: [...this.#functionsBelow(root)].flatMap((entry) => {
          const ranges = attempt(() => rangesOf(entry)) ?? [];
          return ranges.length === 0 ? [] : [{ ranges, entry }];
        }),
      };
      const [oldest] = this.#open.keys();
      if (oldest !== undefined && this.#open.size >= KEPT_UNITS) this.#open.delete(oldest);
      this.#open.set(unit, lines);
    }
    return lines;
  }

  /** Those of C stand right below the unit, those of Rust in namespaces and types as well. */
  *#functionsBelow(entry: Entry, wanted = FUNCTIONS, depth = 0): Generator<Entry> {
    if (depth > MAX_DEPTH) return;
    for (const child of this.#info.children(entry, wanted)) {
      if (child.tag === TAG.subprogram) yield child;
      else yield* this.#functionsBelow(child, IN_NAMESPACES, depth + 1);
    }
  }

  #unitOf(address: bigint): Unit | undefined {
    this.#ranges ??= this.#readRanges();
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle]?.start ?? 0n) <= address) low = middle + 1;
      else high = middle;
    }
    const range = this.#ranges[low - 1];
    return range !== undefined && address < range.end ? range.unit : undefined;
  }

  #readRanges(): { readonly start: bigint; readonly end: bigint; readonly unit: Unit }[] {
    const told = readAranges(this.#info);
    const units = new Map(this.#info.units.map((unit) => [unit.offset, unit]));
    const ranges = told.flatMap(({ offset, start, end }) => {
      const unit = units.get(offset);
      return unit === undefined ? [] : [{ start, end, unit }];
    });
    const covered = new Set(ranges.map(({ unit }) => unit));
    for (const unit of this.#info.units) {
      if (covered.has(unit) || unit.type !== undefined) continue;
      for (const [start, end] of attempt(() => rangesOf(this.#info.root(unit))) ?? [])
        ranges.push({ start, end, unit });
    }
    return ranges.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
  }
}

/** 0 stands for code of no line; programs that are damaged count below it. */
function lineOf(line: number | undefined): number | undefined {
  return line !== undefined && line > 0 ? line : undefined;
}

/** DWARF 2 to 5, 6.1.2: tuples of address and length, aligned to their size. What is damaged ends the list. */
function readAranges(info: DebugInfo): { readonly offset: number; readonly start: bigint; readonly end: bigint }[] {
  const cursor = new Cursor(info.section('.debug_aranges'), '.debug_aranges');
  const ranges: { readonly offset: number; readonly start: bigint; readonly end: bigint }[] = [];
  while (cursor.at + 12 <= cursor.bytes.length) {
    const from = cursor.at;
    const length = cursor.u32();
    const next = cursor.at + length;
    const version = cursor.u16();
    const offset = cursor.u32();
    const addressSize = cursor.u8();
    if (version !== 2 || addressSize !== 8 || next > cursor.bytes.length) break;
    cursor.at = from + 16;
    while (cursor.at + 16 <= next) {
      const start = cursor.big();
      const size = cursor.big();
      if (size > 0n) ranges.push({ offset, start, end: start + size });
    }
    cursor.at = next;
  }
  return ranges;
}
