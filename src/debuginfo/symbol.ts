/**
 * Symbols as every symbol table delivers them (kallsyms of the kernel and of its modules now; ELF symbol tables later).
 */
import type { VirtAddr } from '../base/address.ts';

export interface SymbolEntry {
  readonly name: string;
  readonly address: VirtAddr;
  /** Bytes up to the next symbol, capped; an upper bound and not the object's true size. */
  readonly size: number;
  /** nm's letter: 't'/'T' text, 'd'/'D' data, 'b'/'B' bss, 'r'/'R' rodata, 'A'/'a' absolute (per-CPU offsets) ... */
  readonly type: string;
  /** Undefined for the kernel itself. */
  readonly module: string | undefined;
}

export interface SymbolTable {
  readonly count: number;
  /** How many have lost their name or address in damaged pages; that one of these is not found proves nothing. */
  readonly lost?: number;
  /** First symbol of that exact name. */
  lookup(name: string): SymbolEntry | undefined;
  /** All symbols of that exact name (static symbols repeat). */
  lookupAll(name: string): readonly SymbolEntry[];
  /** The symbol that covers `address`: the last one at or below it, unless the address lies behind its size. */
  at(address: VirtAddr): SymbolEntry | undefined;
  /** All symbols in address order. */
  entries(): Iterable<SymbolEntry>;
}
