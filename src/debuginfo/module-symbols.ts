/**
 * Symbols of one loaded module, as the kernel keeps them (struct mod_kallsyms since Linux 4.5, members of struct module
 * before): an array of Elf64_Sym whose st_value is the final address, its string table, and since 5.2 (1c7651f43777)
 * one byte of nm's type letter per symbol; before, that letter replaced st_info.
 * Not handled: 32-bit and big-endian kernels.
 */
import { cstring } from '../base/bytes.ts';
import { FormatError } from '../base/errors.ts';
import type { VirtAddr } from '../base/address.ts';
import { AddressIndex, addressOf, signedOf } from './address-index.ts';
import type { SymbolEntry, SymbolTable } from './symbol.ts';

/** sizeof(Elf64_Sym): u32 st_name; u8 st_info, st_other; u16 st_shndx; u64 st_value, st_size. */
const SYM_SIZE = 24;
const MAX_NAME = 512;

class ModuleSymbols implements SymbolTable {
  readonly #module: string;
  readonly #names: readonly string[];
  readonly #types: readonly string[];
  readonly #values: Float64Array;
  #byName: Map<string, number[]> | undefined;
  #index: AddressIndex | undefined;

  constructor(module: string, names: readonly string[], types: readonly string[], values: Float64Array) {
    this.#module = module;
    this.#names = names;
    this.#types = types;
    this.#values = values;
  }

  get count(): number {
    return this.#names.length;
  }

  #addresses(): AddressIndex {
    this.#index ??= new AddressIndex(this.#values);
    return this.#index;
  }

  #entry(symbol: number): SymbolEntry {
    return {
      name: this.#names[symbol] ?? '',
      address: addressOf(this.#values[symbol] ?? 0),
      size: this.#addresses().size(symbol),
      type: this.#types[symbol] ?? '?',
      module: this.#module,
    };
  }

  #find(name: string): readonly number[] {
    if (this.#byName === undefined) {
      this.#byName = new Map();
      for (const [symbol, key] of this.#names.entries()) {
        const same = this.#byName.get(key);
        if (same === undefined) this.#byName.set(key, [symbol]);
        else same.push(symbol);
      }
    }
    return this.#byName.get(name) ?? [];
  }

  lookup(name: string): SymbolEntry | undefined {
    const symbol = this.#find(name)[0];
    return symbol === undefined ? undefined : this.#entry(symbol);
  }

  lookupAll(name: string): readonly SymbolEntry[] {
    return this.#find(name).map((symbol) => this.#entry(symbol));
  }

  at(address: VirtAddr): SymbolEntry | undefined {
    const symbol = this.#addresses().find(address);
    return symbol === undefined ? undefined : this.#entry(symbol);
  }

  *entries(): Generator<SymbolEntry> {
    for (const symbol of this.#addresses().inOrder()) yield this.#entry(symbol);
  }
}

/**
 * Undefined symbols and those without a name (sections, the null symbol) are left out, as kernel/module does.
 * @param symtab - Elf64_Sym[]; an incomplete last element is not read
 * @param strtab - names; one that lies outside counts as none
 * @param typetab - nm letter of each symbol; undefined for kernels before 5.2
 * @throws FormatError when `typetab` is shorter than the symbols need
 */
export function openModuleSymbols(
  module: string,
  symtab: Uint8Array,
  strtab: Uint8Array,
  typetab: Uint8Array | undefined,
): SymbolTable {
  const count = Math.floor(symtab.length / SYM_SIZE);
  if (typetab !== undefined && typetab.length < count) throw new FormatError('module symbols', 'types are cut off');
  const view = new DataView(symtab.buffer, symtab.byteOffset, symtab.byteLength);
  const names: string[] = [];
  const types: string[] = [];
  const values: number[] = [];
  for (let i = 0; i < count; i++) {
    const at = i * SYM_SIZE;
    const start = view.getUint32(at, true);
    const section = view.getUint16(at + 6, true);
    if (section === 0 || start >= strtab.length) continue;
    const name = cstring(strtab.subarray(start, start + MAX_NAME));
    if (name === '') continue;
    names.push(name);
    types.push(String.fromCharCode(typetab?.[i] ?? symtab[at + 4] ?? 0x3f));
    values.push(signedOf(view.getBigUint64(at + 8, true)));
  }
  return new ModuleSymbols(module, names, types, Float64Array.from(values));
}
