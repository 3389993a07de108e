/**
 * Which types, enumerators, variables and functions the units define, by name: one pass over the outermost entries. The
 * same definition stands in each unit that includes its header: of those that agree in kind, name, size, line and first
 * member the first is kept. Types declared inside of functions are not in it.
 */
import { attempt, FormatError } from '../../base/errors.ts';
import { NameHash, type Strings } from '../name-hash.ts';
import type { Abbrev } from './abbrevs.ts';
import { AT, FORM, TAG } from './constants.ts';
import { Cursor } from './cursor.ts';
import { type DebugInfo, FORMAT, type OpenUnit, skipAttributes, skipChildren } from './debug-info.ts';
import { directForm, isBlock, numberOf, skipForm } from './forms.ts';
import { EntryTable } from './entry-table.ts';

export const DEFINED = {
  struct: 1,
  union: 2,
  enum: 3,
  typedef: 4,
  base: 5,
  /** Declarations: no members are known. */
  structDeclared: 6,
  unionDeclared: 7,
  enumDeclared: 8,
  variable: 9,
  variableStatic: 10,
  variableDeclared: 11,
  func: 12,
  funcDeclared: 13,
} as const;

/** No string has this offset. */
const NO_NAME = 0xffffffff;

/** What one entry says, as far as the index needs it. */
interface Facts {
  name: number;
  size: number;
  line: number;
  declaration: boolean;
  external: boolean;
  specification: number;
  sibling: number | undefined;
}

export class NameIndex {
  readonly table = new EntryTable();
  readonly #info: DebugInfo;
  readonly #strings: Strings;
  readonly #extra: Buffer[] = [];
  readonly #interned = new Map<string, number>();
  #extraSize = 0;
  /** Name and enum of each enumerator. */
  readonly #enumerators: { readonly names: number[]; readonly enums: number[] } = { names: [], enums: [] };
  readonly #byName: NameHash;
  readonly #byEnumerator: NameHash;
  /** Units that could not be read to their end. */
  readonly damage: readonly FormatError[];

  constructor(info: DebugInfo) {
    this.#info = info;
    const damage: FormatError[] = info.damage === undefined ? [] : [info.damage];
    for (const unit of info.units) {
      try {
        this.#scan(info.load(unit));
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        damage.push(error);
      }
    }
    this.damage = damage;
    this.#strings = {
      start: info.strings.length,
      bytes: Buffer.concat(this.#extra),
      base: { start: 0, bytes: info.strings, base: undefined },
    };
    this.#byName = new NameHash(this.table.numbers(), this.table.names(), this.#strings);
    const { names, enums } = this.#enumerators;
    this.#byEnumerator = new NameHash(Uint32Array.from(enums), Uint32Array.from(names), this.#strings);
  }

  /** Offsets of the entries of that name and of one of the kinds, in the order of the file. */
  find(name: string, kinds: readonly number[]): number[] {
    const found: number[] = [];
    for (const i of this.#byName.find(name)) if (kinds.includes(this.table.kind(i))) found.push(this.table.offset(i));
    return found;
  }

  /** Offsets of the enums that have an enumerator of that name. */
  enumsWith(name: string): Iterable<number> {
    return this.#byEnumerator.find(name);
  }

  /** Offsets of the enums without a name of their own. */
  *namelessEnums(): Generator<number> {
    for (let i = 0; i < this.table.count; i++)
      if (this.table.kind(i) === DEFINED.enum && this.table.name(i) === NO_NAME) yield this.table.offset(i);
  }

  /** The one that is kept in place of an entry. @param offset - of an entry of a type */
  canonical(offset: number): number {
    const unit = this.#info.unitAt(offset);
    const open = this.#info.open(unit);
    const cursor = new Cursor(open.bytes, FORMAT, offset - unit.offset);
    const abbrev = open.abbrevs[cursor.uleb()];
    const kind = abbrev === undefined ? undefined : TYPE_KINDS[abbrev.tag];
    if (abbrev === undefined || kind === undefined) return offset;
    const facts = this.#facts(cursor, abbrev, open);
    if (facts.declaration || facts.name === NO_NAME) return offset;
    const first = abbrev.children ? this.#firstName(cursor, open) : NO_NAME;
    return this.table.find(kind, facts.name, facts.size, facts.line, first) ?? offset;
  }

  /** Names of the entries of these kinds; they may repeat. */
  *names(kinds: readonly number[]): Generator<string> {
    const { start, base } = this.#strings;
    for (let i = 0; i < this.table.count; i++) {
      if (!kinds.includes(this.table.kind(i))) continue;
      const name = this.table.name(i);
      if (name === NO_NAME) continue;
      const [bytes, at] = name < start ? [base?.bytes, name] : [this.#strings.bytes, name - start];
      if (bytes !== undefined) yield new Cursor(bytes, FORMAT, at).string();
    }
  }

  #scan(open: OpenUnit): void {
    const { unit, bytes, abbrevs } = open;
    const cursor = new Cursor(bytes, FORMAT, unit.first - unit.offset);
    const root = abbrevs[cursor.uleb()];
    if (root === undefined) throw new FormatError(FORMAT, 'a unit without an entry', unit.offset);
    skipAttributes(cursor, root, unit);
    if (!root.children) return;
    for (;;) {
      const at = cursor.at;
      const code = cursor.uleb();
      cursor.check();
      // The end of the unit is the end of a list that lacks its zero.
      if (code === 0) return;
      const abbrev = abbrevs[code];
      if (abbrev === undefined) throw new FormatError(FORMAT, `no abbreviation ${code}`, unit.offset + at);
      if (isWanted(abbrev.tag)) this.#note(cursor, abbrev, open, at);
      else if (!abbrev.children) skipAttributes(cursor, abbrev, unit);
      else {
        const from = cursor.at;
        let sibling: number | undefined;
        if (abbrev.siblingAt === undefined) skipAttributes(cursor, abbrev, unit);
        else {
          cursor.at += abbrev.siblingAt;
          sibling = cursor.u32();
          cursor.at = from;
          if (sibling <= from) skipAttributes(cursor, abbrev, unit);
        }
        skipChildren(cursor, open, sibling);
      }
      if (cursor.at === bytes.length) return;
    }
  }

  #note(cursor: Cursor, abbrev: Abbrev, open: OpenUnit, at: number): void {
    const facts = this.#facts(cursor, abbrev, open);
    const offset = open.unit.offset + at;
    switch (abbrev.tag) {
      case TAG.variable: {
        // A definition of what was declared before: name and type stand at the declaration.
        const name = facts.name === NO_NAME ? this.#specified(open, facts.specification) : facts.name;
        const kind = facts.declaration
          ? DEFINED.variableDeclared
          : facts.external || facts.specification !== 0
            ? DEFINED.variable
            : DEFINED.variableStatic;
        if (name !== NO_NAME) this.table.add(kind, offset, name, 0, 0, 0);
        break;
      }
      case TAG.subprogram:
        if (facts.name !== NO_NAME)
          this.table.add(facts.declaration ? DEFINED.funcDeclared : DEFINED.func, offset, facts.name, 0, 0, 0);
        break;
      default:
        this.#noteType(cursor, abbrev, open, offset, facts);
    }
    if (abbrev.children) skipChildren(cursor, open, facts.sibling);
  }

  #noteType(cursor: Cursor, abbrev: Abbrev, open: OpenUnit, offset: number, facts: Facts): void {
    const kind = TYPE_KINDS[abbrev.tag] ?? 0;
    if (facts.declaration) {
      const declared = DECLARED_KINDS[kind];
      if (declared !== undefined && facts.name !== NO_NAME) this.table.add(declared, offset, facts.name, 0, 0, 0);
      return;
    }
    const from = cursor.at;
    const first = abbrev.children ? this.#firstName(cursor, open) : NO_NAME;
    cursor.at = from;
    if (facts.name === NO_NAME && kind !== DEFINED.enum) return;
    const isNew = this.table.add(kind, offset, facts.name, facts.size, facts.line, first);
    if (isNew && kind === DEFINED.enum && abbrev.children) this.#noteEnumerators(cursor, open, offset);
    cursor.at = from;
  }

  #noteEnumerators(cursor: Cursor, open: OpenUnit, offset: number): void {
    for (;;) {
      cursor.check();
      const code = cursor.uleb();
      if (code === 0) return;
      const abbrev = open.abbrevs[code];
      // Whatever else stands in an enum is of no interest.
      if (abbrev === undefined || abbrev.children) return;
      const { name } = this.#facts(cursor, abbrev, open);
      if (name === NO_NAME) continue;
      this.#enumerators.names.push(name);
      this.#enumerators.enums.push(offset);
    }
  }

  /** Name of the first child; `cursor` stands behind the attributes of its parent. */
  #firstName(cursor: Cursor, open: OpenUnit): number {
    const abbrev = open.abbrevs[cursor.uleb()];
    return abbrev === undefined ? NO_NAME : this.#facts(cursor, abbrev, open).name;
  }

  /** Reads all attributes. */
  #facts(cursor: Cursor, abbrev: Abbrev, open: OpenUnit): Facts {
    const { unit } = open;
    const { attributes, forms, implicit } = abbrev;
    const facts: Facts = {
      name: NO_NAME,
      size: 0,
      line: 0,
      declaration: false,
      external: false,
      specification: 0,
      sibling: undefined,
    };
    for (let i = 0; i < attributes.length; i++) {
      let form = forms[i] ?? 0;
      const attribute = attributes[i];
      if (!isFact(attribute ?? 0)) {
        if (form !== FORM.implicit_const) skipForm(cursor, form, unit);
        continue;
      }
      if (form === FORM.indirect) form = directForm(cursor);
      if (attribute === AT.name) {
        facts.name = this.#nameOf(cursor, form, open);
        continue;
      }
      if (isBlock(form) || form === FORM.string) {
        skipForm(cursor, form, unit);
        continue;
      }
      const value = form === FORM.implicit_const ? Number(implicit?.get(i) ?? 0n) : numberOf(cursor, form, unit);
      if (attribute === AT.byte_size) facts.size = value;
      else if (attribute === AT.decl_line) facts.line = value;
      else if (attribute === AT.declaration) facts.declaration = value !== 0;
      else if (attribute === AT.external) facts.external = value !== 0;
      else if (attribute === AT.specification) facts.specification = form === FORM.ref_addr ? 0 : value;
      else if (attribute === AT.sibling) facts.sibling = value;
    }
    return facts;
  }

  /** Place of a name among all strings: in .debug_str, or behind it for those that stand in the entries. */
  #nameOf(cursor: Cursor, form: number, { unit }: OpenUnit): number {
    switch (form) {
      case FORM.strp:
        return cursor.offset(unit.offsetSize);
      case FORM.string:
        return this.#intern(cursor.string());
      case FORM.line_strp:
        return this.#intern(this.#info.stringAt('.debug_line_str', cursor.offset(unit.offsetSize)));
      case FORM.strp_sup:
      case FORM.GNU_strp_alt:
        cursor.at += unit.offsetSize;
        return NO_NAME;
      default:
        return this.#info.stringOffset(unit, numberOf(cursor, form, unit));
    }
  }

  #intern(name: string): number {
    if (name === '') return NO_NAME;
    let offset = this.#interned.get(name);
    if (offset === undefined) {
      offset = this.#info.strings.length + this.#extraSize;
      const bytes = Buffer.from(`${name}\0`, 'latin1');
      this.#extra.push(bytes);
      this.#extraSize += bytes.length;
      this.#interned.set(name, offset);
    }
    return offset;
  }

  #specified(open: OpenUnit, at: number): number {
    if (at === 0) return NO_NAME;
    return (
      attempt(() => {
        const cursor = new Cursor(open.bytes, FORMAT, at);
        const abbrev = open.abbrevs[cursor.uleb()];
        return abbrev === undefined ? NO_NAME : this.#facts(cursor, abbrev, open).name;
      }) ?? NO_NAME
    );
  }
}

function isWanted(tag: number): boolean {
  return TYPE_KINDS[tag] !== undefined || tag === TAG.variable || tag === TAG.subprogram;
}

function isFact(attribute: number): boolean {
  switch (attribute) {
    case AT.name:
    case AT.byte_size:
    case AT.decl_line:
    case AT.declaration:
    case AT.external:
    case AT.specification:
    case AT.sibling:
      return true;
    default:
      return false;
  }
}

const TYPE_KINDS: { readonly [tag: number]: number } = {
  [TAG.structure_type]: DEFINED.struct,
  [TAG.class_type]: DEFINED.struct,
  [TAG.union_type]: DEFINED.union,
  [TAG.enumeration_type]: DEFINED.enum,
  [TAG.typedef]: DEFINED.typedef,
  [TAG.base_type]: DEFINED.base,
};
const DECLARED_KINDS: { readonly [kind: number]: number } = {
  [DEFINED.struct]: DEFINED.structDeclared,
  [DEFINED.union]: DEFINED.unionDeclared,
  [DEFINED.enum]: DEFINED.enumDeclared,
};
