/**
 * The line table of one unit (.debug_line, DWARF 2 to 5, section 6.2): which file and line an address was compiled from.
 * Addresses are kept as numbers relative to the first one of the table, as the loop over millions of rows takes no bigints.
 */
import { FormatError } from '../../base/errors.ts';
import { Cursor } from './cursor.ts';
import type { DebugInfo } from './debug-info.ts';
import { FORM } from './constants.ts';
import { skipForm, numberOf, type Widths } from './forms.ts';

const FORMAT = '.debug_line';
const MAX_FILES = 1 << 16;
const MAX_ROWS = 1 << 24;
/** DW_LNCT_path, DW_LNCT_directory_index. */
const LNCT_PATH = 1;
const LNCT_DIRECTORY = 2;

export interface SourceLine {
  /** As the compiler says it, mostly from the top of the source tree: 'kernel/sched/core.c'. */
  readonly file: string;
  /** From 1; 0 for code of no line. */
  readonly line: number;
}

/** Address, file and line, one after the other: rows of one sequence by rising address, its end the last. */
type Rows = Float64Array;
const COLUMNS = 3;

export class LineTable {
  readonly #files: readonly string[];
  readonly #base: bigint;
  /** Sequences by rising address: each is rows up to its end. */
  readonly #sequences: readonly Rows[];

  constructor(files: readonly string[], base: bigint, sequences: readonly Rows[]) {
    this.#files = files;
    this.#base = base;
    this.#sequences = sequences;
  }

  file(index: number): string | undefined {
    return this.#files[index];
  }

  /** @param address - as the file of debug information has it */
  at(address: bigint): SourceLine | undefined {
    const wanted = Number(address - this.#base);
    for (const rows of this.#sequences) {
      const count = rows.length / COLUMNS;
      if (wanted < (rows[0] ?? 0) || wanted >= (rows[(count - 1) * COLUMNS] ?? 0)) continue;
      let low = 0;
      let high = count;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if ((rows[middle * COLUMNS] ?? 0) <= wanted) low = middle + 1;
        else high = middle;
      }
      const row = (low - 1) * COLUMNS;
      const file = this.#files[rows[row + 1] ?? -1];
      if (file !== undefined) return { file, line: rows[row + 2] ?? 0 };
    }
    return undefined;
  }
}

/**
 * @param offset - DW_AT_stmt_list of the unit
 * @throws FormatError
 */
export function readLineTable(info: DebugInfo, offset: number): LineTable {
  const section = info.section(FORMAT);
  const start = new Cursor(section, FORMAT, offset);
  let offsetSize = 4;
  let length = start.u32();
  if (length === 0xffffffff) {
    offsetSize = 8;
    length = start.u64();
  }
  const end = start.at + length;
  if (!(end <= section.length)) throw new FormatError(FORMAT, `a table of ${length} bytes`, offset);
  const cursor = new Cursor(section.subarray(0, end), FORMAT, start.at);
  const version = cursor.u16();
  if (version < 2 || version > 5) throw new FormatError(FORMAT, `version ${version}`, offset);
  let addressSize = 8;
  if (version >= 5) {
    addressSize = cursor.u8();
    cursor.at++;
  }
  const headerLength = cursor.offset(offsetSize);
  const program = cursor.at + headerLength;
  const instruction = cursor.u8();
  if (version >= 4) cursor.at++;
  // default_is_stmt tells debuggers where to stop.
  cursor.at++;
  const lineBase = (cursor.u8() << 24) >> 24;
  const lineRange = cursor.u8();
  const opcodeBase = cursor.u8();
  if (lineRange === 0 || opcodeBase === 0) throw new FormatError(FORMAT, 'a header of zeros', offset);
  const lengths = [0, ...Array.from({ length: opcodeBase - 1 }, () => cursor.u8())];
  const widths = { version, offsetSize, addressSize };
  const files = version >= 5 ? filesOf5(cursor, widths, info) : filesOf2(cursor);
  cursor.check();
  cursor.at = program;
  return run(cursor, { instruction, lineBase, lineRange, opcodeBase, lengths }, files);
}

/** DWARF 2 to 4: files count from 1, directory 0 is that of the compilation. */
function filesOf2(cursor: Cursor): string[] {
  const folders = [''];
  for (let name = cursor.string(); name !== ''; name = cursor.string()) {
    folders.push(name);
    cursor.check();
  }
  const files = [''];
  for (let name = cursor.string(); name !== ''; name = cursor.string()) {
    const folder = folders[cursor.uleb()] ?? '';
    cursor.skipLeb();
    cursor.skipLeb();
    cursor.check();
    files.push(joined(folder, name));
    if (files.length > MAX_FILES) throw new FormatError(FORMAT, 'too many files');
  }
  return files;
}

/** DWARF 5: each list tells its own form; number 0 is the compiled file, directory 0 where it was compiled. */
function filesOf5(cursor: Cursor, widths: Widths, info: DebugInfo): string[] {
  const folders = entries(cursor, widths, info).map(({ path }, i) => (i === 0 ? '' : path));
  return entries(cursor, widths, info).map(({ path, folder }) => joined(folders[folder] ?? '', path));
}

function entries(
  cursor: Cursor,
  widths: Widths,
  info: DebugInfo,
): { readonly path: string; readonly folder: number }[] {
  const formats = Array.from({ length: cursor.u8() }, () => [cursor.uleb(), cursor.uleb()] as const);
  const count = cursor.uleb();
  if (count > MAX_FILES) throw new FormatError(FORMAT, `claims ${count} files`);
  return Array.from({ length: count }, () => {
    let path = '';
    let folder = 0;
    for (const [content, form] of formats) {
      if (content === LNCT_PATH) path = stringOf(cursor, form, widths, info);
      else if (content === LNCT_DIRECTORY) folder = numberOf(cursor, form, widths);
      else skipForm(cursor, form, widths);
    }
    cursor.check();
    return { path, folder };
  });
}

function stringOf(cursor: Cursor, form: number, widths: Widths, info: DebugInfo): string {
  if (form === FORM.string) return cursor.string();
  const section = form === FORM.line_strp ? '.debug_line_str' : form === FORM.strp ? '.debug_str' : undefined;
  if (section === undefined) throw new FormatError(FORMAT, `a name in form 0x${form.toString(16)}`, cursor.at);
  return info.stringAt(section, cursor.offset(widths.offsetSize));
}

function joined(folder: string, name: string): string {
  return name.startsWith('/') || folder === '' ? name : `${folder}/${name}`;
}

interface Header {
  readonly instruction: number;
  readonly lineBase: number;
  readonly lineRange: number;
  readonly opcodeBase: number;
  readonly lengths: readonly number[];
}

function run(cursor: Cursor, header: Header, files: readonly string[]): LineTable {
  const { instruction, lineBase, lineRange, opcodeBase } = header;
  const sequences: Rows[] = [];
  let base: bigint | undefined;
  let rows: number[] = [];
  let count = 0;
  let address = 0;
  let file = 1;
  let line = 1;
  const emit = (end: boolean): void => {
    // Of rows with one address the last counts.
    if (!end && rows.length > 0 && rows[rows.length - COLUMNS] === address) rows.length -= COLUMNS;
    rows.push(address, file, line);
    if (++count > MAX_ROWS) throw new FormatError(FORMAT, 'too many rows', cursor.at);
  };
  while (cursor.at < cursor.bytes.length) {
    const op = cursor.u8();
    if (op >= opcodeBase) {
      const step = op - opcodeBase;
      address += Math.floor(step / lineRange) * instruction;
      line += lineBase + (step % lineRange);
      emit(false);
      continue;
    }
    switch (op) {
      case 0: {
        const size = cursor.uleb();
        const next = cursor.at + size;
        const extended = cursor.u8();
        if (extended === 1) {
          emit(true);
          sequences.push(Float64Array.from(rows));
          rows = [];
          address = 0;
          file = 1;
          line = 1;
        } else if (extended === 2) {
          const absolute = size === 5 ? BigInt(cursor.u32()) : cursor.big();
          base ??= absolute;
          address = Number(absolute - base);
        }
        cursor.at = next;
        break;
      }
      case 1:
        emit(false);
        break;
      case 2:
        address += cursor.uleb() * instruction;
        break;
      case 3:
        line += Number(cursor.sleb());
        break;
      case 4:
        file = cursor.uleb();
        break;
      case 8:
        address += Math.floor((255 - opcodeBase) / lineRange) * instruction;
        break;
      case 9:
        address += cursor.u16();
        break;
      default:
        for (let i = header.lengths[op] ?? 0; i > 0; i--) cursor.skipLeb();
    }
    cursor.check();
  }
  return new LineTable(files, base ?? 0n, sequences);
}
