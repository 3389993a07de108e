/**
 * Unwind rules from call frame information (DWARF 6.4): where, at an instruction, the canonical frame address is and where
 * the caller's registers were saved. The instructions of one function are run when one of its addresses is asked for.
 * Of expressions only the two shapes that compilers write are known (stack realignment: a register and an offset, and what
 * that points to); a rule of another shape is told as one that is not known.
 */
import { FormatError } from '../../base/errors.ts';
import type { Cie, CfiIndex } from './cfi-records.ts';
import { Cursor } from './cursor.ts';

/** Where a register of the caller is. `cfa` is the canonical frame address; numbers are DWARF's of this architecture. */
export type CfiRule =
  /** Saved in memory: *(base + offset). */
  | { readonly kind: 'at'; readonly base: 'cfa' | number; readonly offset: number }
  /** Its value: base + offset. */
  | { readonly kind: 'is'; readonly base: 'cfa' | number; readonly offset: number }
  /** It cannot be restored. */
  | { readonly kind: 'undefined' }
  /** Told in a way that is not understood here. */
  | { readonly kind: 'unknown' };

export interface CfiRow {
  /** Never of base `cfa`. */
  readonly cfa: CfiRule;
  /** By register; one that is not there is unchanged. */
  readonly saved: ReadonlyMap<number, CfiRule>;
  readonly returnRegister: number;
  /** The frame above was interrupted: its pc is exact. */
  readonly signal: boolean;
}

/** Rules that are remembered; forgotten all at once when there are more. */
const MAX_REMEMBERED = 1 << 14;
const MAX_DEPTH = 64;
const UNKNOWN: CfiRule = { kind: 'unknown' };
const UNDEFINED: CfiRule = { kind: 'undefined' };

export class CfiTable {
  readonly index: CfiIndex;
  readonly #format: string;
  readonly #known = new Map<number, CfiRow | undefined>();

  /** @param format - for messages: '.debug_frame' */
  constructor(index: CfiIndex, format: string) {
    this.index = index;
    this.#format = format;
  }

  /** Functions that it covers. */
  get count(): number {
    return this.index.starts.length;
  }

  /**
   * The rule at an instruction; of an address that a call returns to, ask for the byte before it. Undefined for code that it
   * does not cover.
   * @throws FormatError when the rules are damaged
   */
  lookup(address: bigint): CfiRow | undefined {
    const at = Number(address - this.index.base);
    const known = this.#known.get(at);
    if (known !== undefined || this.#known.has(at)) return known;
    const row = this.#search(at);
    if (this.#known.size >= MAX_REMEMBERED) this.#known.clear();
    this.#known.set(at, row);
    return row;
  }

  #search(at: number): CfiRow | undefined {
    const { starts, lengths, cieOf, cies, froms, tos } = this.index;
    let low = 0;
    let high = starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((starts[middle] ?? 0) <= at) low = middle + 1;
      else high = middle;
    }
    const found = low - 1;
    const start = starts[found];
    const cie = cies[cieOf[found] ?? -1];
    if (start === undefined || cie === undefined || at >= start + (lengths[found] ?? 0)) return undefined;
    const machine = new Machine(this.index.bytes, this.#format, cie);
    machine.run(cie.from, cie.to, Infinity);
    machine.begin();
    machine.run(froms[found] ?? 0, tos[found] ?? 0, at - start);
    return machine.row();
  }
}

interface Rows {
  readonly cfa: CfiRule;
  readonly saved: Map<number, CfiRule>;
}

/** What DW_CFA_* do. */
class Machine {
  readonly #bytes: Uint8Array;
  readonly #format: string;
  readonly #cie: Cie;
  #cfa: CfiRule = UNKNOWN;
  #saved = new Map<number, CfiRule>();
  #initial: ReadonlyMap<number, CfiRule> = new Map();
  readonly #stack: Rows[] = [];
  /** Bytes from the start of the function. */
  #place = 0;

  constructor(bytes: Uint8Array, format: string, cie: Cie) {
    this.#bytes = bytes;
    this.#format = format;
    this.#cie = cie;
  }

  row(): CfiRow {
    const { returnRegister, signal } = this.#cie;
    return { cfa: this.#cfa, saved: this.#saved, returnRegister, signal };
  }

  /** What the CIE has said is what DW_CFA_restore goes back to. */
  begin(): void {
    this.#initial = new Map(this.#saved);
    this.#place = 0;
  }

  /** Runs until the rules are those of the byte at `wanted`. @throws FormatError */
  run(from: number, to: number, wanted: number): void {
    const cursor = new Cursor(this.#bytes, this.#format, from);
    const { dataAlign } = this.#cie;
    const factored = (): number => Number(cursor.sleb()) * dataAlign;
    while (cursor.at < to) {
      const byte = cursor.u8();
      const low = byte & 0x3f;
      if (byte >= 0xc0) this.#restore(low);
      else if (byte >= 0x80) this.#at(low, cursor.uleb() * dataAlign);
      else if (byte >= 0x40) {
        if (this.#advance(low, wanted)) return;
      } else if (byte >= 0x01 && byte <= 0x04) {
        // DW_CFA_set_loc is written by no compiler of kernels.
        if (byte === 0x01) throw new FormatError(this.#format, 'DW_CFA_set_loc', cursor.at);
        if (this.#advance(byte === 0x02 ? cursor.u8() : byte === 0x03 ? cursor.u16() : cursor.u32(), wanted)) return;
      } else {
        switch (byte) {
          case 0x00:
            break;
          case 0x05:
            this.#at(cursor.uleb(), cursor.uleb() * dataAlign);
            break;
          case 0x06:
            this.#restore(cursor.uleb());
            break;
          case 0x07:
            this.#saved.set(cursor.uleb(), UNDEFINED);
            break;
          case 0x08:
            this.#saved.delete(cursor.uleb());
            break;
          case 0x09:
            this.#saved.set(cursor.uleb(), { kind: 'is', base: cursor.uleb(), offset: 0 });
            break;
          case 0x0a:
            if (this.#stack.length >= MAX_DEPTH)
              throw new FormatError(this.#format, 'states nest too deeply', cursor.at);
            this.#stack.push({ cfa: this.#cfa, saved: new Map(this.#saved) });
            break;
          case 0x0b: {
            const state = this.#stack.pop();
            if (state === undefined) throw new FormatError(this.#format, 'a state that was not kept', cursor.at);
            this.#cfa = state.cfa;
            this.#saved = state.saved;
            break;
          }
          case 0x0c:
            this.#cfa = { kind: 'is', base: cursor.uleb(), offset: cursor.uleb() };
            break;
          case 0x0d:
            this.#rebase(cursor.uleb(), undefined);
            break;
          case 0x0e:
            this.#rebase(undefined, cursor.uleb());
            break;
          case 0x0f:
            this.#cfa = this.#expression(cursor, false);
            break;
          case 0x10:
            this.#saved.set(cursor.uleb(), this.#expression(cursor, true));
            break;
          case 0x11:
            this.#at(cursor.uleb(), factored());
            break;
          case 0x12:
            this.#cfa = { kind: 'is', base: cursor.uleb(), offset: factored() };
            break;
          case 0x13:
            this.#rebase(undefined, factored());
            break;
          case 0x14:
            this.#saved.set(cursor.uleb(), { kind: 'is', base: 'cfa', offset: cursor.uleb() * dataAlign });
            break;
          case 0x15:
            this.#saved.set(cursor.uleb(), { kind: 'is', base: 'cfa', offset: factored() });
            break;
          case 0x16:
            this.#saved.set(cursor.uleb(), this.#expression(cursor, false));
            break;
          case 0x2e:
            // DW_CFA_GNU_args_size tells of arguments that have been pushed; unwinding has no use for it.
            cursor.skipLeb();
            break;
          default:
            throw new FormatError(this.#format, `instruction ${byte}`, cursor.at);
        }
      }
      cursor.check();
    }
  }

  /** True when the rules so far are those that are wanted. */
  #advance(delta: number, wanted: number): boolean {
    this.#place += delta * this.#cie.codeAlign;
    return this.#place > wanted;
  }

  #at(register: number, offset: number): void {
    this.#saved.set(register, { kind: 'at', base: 'cfa', offset });
  }

  #restore(register: number): void {
    const rule = this.#initial.get(register);
    if (rule === undefined) this.#saved.delete(register);
    else this.#saved.set(register, rule);
  }

  #rebase(register: number | undefined, offset: number | undefined): void {
    const { kind } = this.#cfa;
    if (kind !== 'is') {
      this.#cfa = UNKNOWN;
      return;
    }
    this.#cfa = { kind, base: register ?? this.#cfa.base, offset: offset ?? this.#cfa.offset };
  }

  /**
   * `DW_OP_breg6 -8` and `DW_OP_breg6 -8; DW_OP_deref`.
   * @param isPlace - what it computes is where the value is, not the value
   */
  #expression(cursor: Cursor, isPlace: boolean): CfiRule {
    const end = cursor.uleb() + cursor.at;
    const op = cursor.u8();
    const isRegister = op >= 0x70 && op <= 0x8f;
    const base = op === 0x92 ? cursor.uleb() : op - 0x70;
    const offset = isRegister || op === 0x92 ? Number(cursor.sleb()) : 0;
    const isDeref = cursor.at + 1 === end && cursor.u8() === 0x06;
    const isShape = (isRegister || op === 0x92) && cursor.at === end && Math.abs(offset) < 2 ** 31;
    cursor.at = end;
    if (!isShape || (isPlace && isDeref)) return UNKNOWN;
    return { kind: isPlace || isDeref ? 'at' : 'is', base, offset };
  }
}
