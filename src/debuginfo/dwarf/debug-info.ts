/**
 * The entries of .debug_info, read where they are asked for. A unit's bytes are kept while they are in use, some dozen
 * megabytes in all; .debug_str and .debug_abbrev (3 to 6 MB each) are kept whole.
 * Not handled: supplementary files (dwz, .gnu_debugaltlink) and split DWARF (.dwo): what refers to them is an error.
 */
import { cstring } from '../../base/bytes.ts';
import { FormatError } from '../../base/errors.ts';
import type { SectionBytes } from '../elf-image.ts';
import type { DebugSections } from '../relocated-image.ts';
import { type Abbrev, type Abbrevs, readAbbrevs } from './abbrevs.ts';
import { AT, FORM } from './constants.ts';
import { Cursor } from './cursor.ts';
import { Entry } from './entry.ts';
import { skipForm } from './forms.ts';
import { readUnits, type Unit } from './units.ts';

export const FORMAT = '.debug_info';
const KEPT_BYTES = 24 << 20;
/** An inlined function stands for an abstract one, which completes a declaration. */
const MAX_ORIGINS = 6;
const EMPTY = new Uint8Array(0);

export interface OpenUnit {
  readonly unit: Unit;
  readonly bytes: Uint8Array;
  readonly abbrevs: Abbrevs;
}

export class DebugInfo {
  readonly image: DebugSections;
  readonly units: readonly Unit[];
  /** Why not all units are read; undefined when they are. */
  readonly damage: FormatError | undefined;
  /** .debug_str */
  readonly strings: Uint8Array;
  readonly #info: SectionBytes;
  readonly #types: SectionBytes | undefined;
  readonly #abbrevs: Uint8Array;
  readonly #sections = new Map<string, Uint8Array>();
  readonly #open = new Map<Unit, OpenUnit>();
  readonly #bases = new Map<Unit, { readonly strings: number; readonly addresses: number; readonly ranges: number }>();
  #openBytes = 0;
  #signatures: ReadonlyMap<bigint, number> | undefined;

  /** @throws FormatError when there is no debug information that can be read */
  constructor(image: DebugSections) {
    const info = image.pieces('.debug_info');
    if (info === undefined) throw new FormatError(image.name, 'it has no debug information (.debug_info)');
    this.image = image;
    this.#info = info;
    this.#types = image.pieces('.debug_types');
    this.#abbrevs = this.section('.debug_abbrev');
    this.strings = this.section('.debug_str');
    const read = readUnits(info, 0, false);
    const types = this.#types === undefined ? undefined : readUnits(this.#types, info.size, true);
    this.units = [...read.units, ...(types?.units ?? [])];
    this.damage = read.damage ?? types?.damage;
    if (this.units.length === 0) throw read.damage ?? new FormatError(FORMAT, 'it has no units');
  }

  /** A section of the file, read once; empty when there is none. */
  section(name: string): Uint8Array {
    const known = this.#sections.get(name);
    if (known !== undefined) return known;
    const bytes = this.image.read(name) ?? EMPTY;
    this.#sections.set(name, bytes);
    return bytes;
  }

  /** The unit that an offset lies in. @throws FormatError */
  unitAt(offset: number): Unit {
    let low = 0;
    let high = this.units.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.units[middle]?.offset ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    const unit = this.units[low - 1];
    if (unit === undefined || offset >= unit.end) throw new FormatError(FORMAT, 'a reference to no unit', offset);
    return unit;
  }

  /** Bytes and abbreviations of a unit, not kept. @throws FormatError */
  load(unit: Unit): OpenUnit {
    const size = unit.end - unit.offset;
    const bytes =
      unit.offset >= this.#info.size
        ? this.#types?.read(unit.offset - this.#info.size, size)
        : this.#info.read(unit.offset, size);
    return { unit, bytes: bytes ?? EMPTY, abbrevs: readAbbrevs(this.#abbrevs, unit.abbrevOffset, unit) };
  }

  /** As `load`, and kept while there is room. */
  open(unit: Unit): OpenUnit {
    let open = this.#open.get(unit);
    if (open === undefined) {
      open = this.load(unit);
      this.#openBytes += open.bytes.length;
    } else this.#open.delete(unit);
    // The last used stands at the end.
    this.#open.set(unit, open);
    for (const [other, { bytes }] of this.#open) {
      if (this.#openBytes <= KEPT_BYTES || other === unit) break;
      this.#open.delete(other);
      this.#openBytes -= bytes.length;
    }
    return open;
  }

  /** The entry at an offset. @throws FormatError when there is none */
  entry(offset: number): Entry {
    const unit = this.unitAt(offset);
    const entry = this.read(this.open(unit), offset - unit.offset);
    if (entry === undefined) throw new FormatError(FORMAT, 'a reference to no entry', offset);
    return entry;
  }

  /** The entry of the unit itself. @throws FormatError */
  root(unit: Unit): Entry {
    return this.entry(unit.first);
  }

  /**
   * The name of an entry, also where the declaration that it completes or the function that was inlined has it.
   * @throws FormatError
   */
  nameOf(entry: Entry): string | undefined {
    return this.throughOrigins(entry, (each) => each.name);
  }

  /** What an entry tells, else the one that it stands for (DW_AT_abstract_origin, DW_AT_specification). @throws FormatError */
  throughOrigins<T>(entry: Entry, told: (entry: Entry) => T | undefined): T | undefined {
    let at: Entry | undefined = entry;
    for (let depth = 0; at !== undefined && depth < MAX_ORIGINS; depth++) {
      const value = told(at);
      if (value !== undefined) return value;
      const other: number | undefined = at.reference(AT.abstract_origin) ?? at.reference(AT.specification);
      at = other === undefined ? undefined : this.entry(other);
    }
    return undefined;
  }

  /** @param at - from the start of the unit; undefined where entries of one level end */
  read(open: OpenUnit, at: number): Entry | undefined {
    const cursor = new Cursor(open.bytes, FORMAT, at);
    const code = cursor.uleb();
    cursor.check();
    if (code === 0) return undefined;
    const abbrev = open.abbrevs[code];
    if (abbrev === undefined) throw new FormatError(FORMAT, `no abbreviation ${code}`, open.unit.offset + at);
    const positions: number[] = [];
    for (const form of abbrev.forms) {
      positions.push(cursor.at);
      if (form !== FORM.implicit_const) skipForm(cursor, form, open.unit);
    }
    cursor.check();
    return new Entry(this, open, at, abbrev, positions, cursor.at);
  }

  /**
   * Entries right below one.
   * @param wanted - tags of those that are wanted; all when it is not given
   * @throws FormatError when they are damaged
   */
  *children(entry: Entry, wanted?: ReadonlySet<number>): Generator<Entry> {
    if (!entry.abbrev.children) return;
    const cursor = new Cursor(entry.open.bytes, FORMAT, entry.end);
    for (;;) {
      if (wanted !== undefined && passOver(cursor, entry.open, wanted)) continue;
      const child = this.read(entry.open, cursor.at);
      if (child === undefined) return;
      yield child;
      cursor.at = child.end;
      if (child.abbrev.children) skipChildren(cursor, entry.open, child.sibling);
    }
  }

  /** Offsets in other sections that the unit's numbers count from (DWARF 5, 3.1.1). */
  bases(unit: Unit): { readonly strings: number; readonly addresses: number; readonly ranges: number } {
    let bases = this.#bases.get(unit);
    if (bases === undefined) {
      const root = this.root(unit);
      // Without a base, the first table counts: behind its header.
      const header = unit.version < 5 ? 0 : unit.offsetSize === 8 ? 16 : 8;
      bases = {
        strings: root.number(AT.str_offsets_base) ?? header,
        addresses: root.number(AT.addr_base) ?? header,
        ranges: root.number(AT.rnglists_base) ?? (unit.version < 5 ? 0 : header + 4),
      };
      this.#bases.set(unit, bases);
    }
    return bases;
  }

  /** Offset in .debug_str of a string by its number. @throws FormatError */
  stringOffset(unit: Unit, index: number): number {
    const at = this.bases(unit).strings + index * unit.offsetSize;
    const cursor = new Cursor(this.section('.debug_str_offsets'), '.debug_str_offsets', at);
    const offset = cursor.offset(unit.offsetSize);
    cursor.check();
    return offset;
  }

  /** An address by its number. @throws FormatError */
  address(unit: Unit, index: number): bigint {
    const cursor = new Cursor(this.section('.debug_addr'), '.debug_addr', this.bases(unit).addresses + index * 8);
    const address = cursor.big();
    cursor.check();
    return address;
  }

  /** Offset of the type of a type unit. @throws FormatError when there is none of that signature */
  typeUnit(signature: bigint): number {
    this.#signatures ??= new Map(this.units.flatMap(({ type }) => (type ? [[type.signature, type.offset]] : [])));
    const offset = this.#signatures.get(signature);
    if (offset === undefined) throw new FormatError(FORMAT, `no type of signature ${signature.toString(16)}`);
    return offset;
  }

  /** A string of .debug_str or .debug_line_str. @throws FormatError */
  stringAt(section: '.debug_str' | '.debug_line_str', offset: number): string {
    const bytes = this.section(section);
    if (offset >= bytes.length) throw new FormatError(section, 'no string', offset);
    const end = bytes.indexOf(0, offset);
    return cstring(bytes.subarray(offset, end < 0 ? bytes.length : end));
  }
}

/** Moves behind an entry of another tag, and all below it; false when it is one that is wanted, or none. */
function passOver(cursor: Cursor, open: OpenUnit, wanted: ReadonlySet<number>): boolean {
  const from = cursor.at;
  const abbrev = open.abbrevs[cursor.uleb()];
  if (abbrev === undefined || wanted.has(abbrev.tag)) {
    cursor.at = from;
    return false;
  }
  let sibling: number | undefined;
  if (abbrev.siblingAt !== undefined) {
    const at = cursor.at;
    cursor.at += abbrev.siblingAt;
    sibling = cursor.u32();
    cursor.at = at;
  }
  skipAttributes(cursor, abbrev, open.unit);
  if (abbrev.children) skipChildren(cursor, open, sibling);
  cursor.check();
  return true;
}

/**
 * From behind an entry that has children to behind the last of them.
 * @param sibling - where that is, when the entry tells
 */
export function skipChildren(cursor: Cursor, { bytes, abbrevs, unit }: OpenUnit, sibling: number | undefined): void {
  if (sibling !== undefined && sibling > cursor.at && sibling <= bytes.length) {
    cursor.at = sibling;
    return;
  }
  for (let depth = 1; depth > 0; ) {
    cursor.check();
    const code = cursor.uleb();
    if (code === 0) {
      depth--;
      continue;
    }
    const abbrev = abbrevs[code];
    if (abbrev === undefined) throw new FormatError(FORMAT, `no abbreviation ${code}`, unit.offset + cursor.at);
    if (abbrev.children && abbrev.siblingAt !== undefined) {
      const from = cursor.at;
      cursor.at += abbrev.siblingAt;
      const next = cursor.u32();
      if (next > from && next <= bytes.length) {
        cursor.at = next;
        continue;
      }
      cursor.at = from;
    }
    skipAttributes(cursor, abbrev, unit);
    if (abbrev.children) depth++;
  }
  cursor.check();
}

export function skipAttributes(cursor: Cursor, abbrev: Abbrev, unit: Unit): void {
  if (abbrev.size !== undefined) {
    cursor.at += abbrev.size;
    return;
  }
  for (const form of abbrev.forms) if (form !== FORM.implicit_const) skipForm(cursor, form, unit);
}
