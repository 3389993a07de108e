/**
 * The kernel's own symbol table, as kept in memory for /proc/kallsyms. With CONFIG_KALLSYMS_ALL (all distributions)
 * it has data symbols as well. Found through VMCOREINFO (since Linux 6.0) or by its looks (kallsyms-scan.ts); decoded
 * by kallsyms-tables.ts. Not handled: tables of big-endian or 32-bit kernels.
 *
 * Several symbols may share an address: `at` names the first in table order, as the kernel itself does; the table is
 * sorted at build time so that strong, less underscored and not linker-made names come first.
 */
import { distance, type VirtAddr } from '../base/address.ts';
import { attempt, FormatError, isDataError } from '../base/errors.ts';
import type { MemoryReader, VirtRange } from '../base/memory.ts';
import { AddressIndex, addressOf, signedOf } from './address-index.ts';
import type { KallsymsNames } from './kallsyms-names.ts';
import { type FoundKallsyms, scanForKallsyms } from './kallsyms-scan.ts';
import {
  type AddressTable,
  type KallsymsLocation,
  type KnownSymbol,
  loadAddresses,
  loadNames,
  type LoadedAddresses,
  type NameLayout,
  offsetTables,
  readAddress,
  readU32,
} from './kallsyms-tables.ts';
import type { SymbolEntry, SymbolTable } from './symbol.ts';
import type { Vmcoreinfo } from './vmcoreinfo.ts';

/** Answers that are remembered; forgotten all at once when there are more. */
const MAX_REMEMBERED = 1 << 14;

/** Where the tables lie, and how they are to be read: enough to open them again without a search. */
export interface KallsymsPlace {
  readonly location: KallsymsLocation;
  readonly table: AddressTable;
}

export class Kallsyms implements SymbolTable {
  readonly place: KallsymsPlace;
  readonly layout: NameLayout & { readonly addresses: AddressTable['kind'] };
  readonly #names: KallsymsNames;
  readonly #values: Float64Array;
  /** 1 for symbols whose address is lost; those whose name is lost, the names tell. */
  readonly #lostAddresses: Uint8Array | undefined;
  /** Symbols that have no name or no address any more. */
  readonly lost: number;
  /** Whoever unwinds stacks asks for the same few symbols again and again: by number, and by name. */
  readonly #entries = new Map<number, SymbolEntry>();
  readonly #lookups = new Map<string, SymbolEntry | undefined>();
  #index: AddressIndex | undefined;

  constructor(names: KallsymsNames, addresses: LoadedAddresses, layout: NameLayout, location: KallsymsLocation) {
    this.place = { location, table: addresses.table };
    this.#names = names;
    this.#values = addresses.values;
    this.#lostAddresses = addresses.lost;
    this.layout = { ...layout, addresses: addresses.table.kind };
    let count = 0;
    for (let symbol = 0; symbol < names.count; symbol++) if (this.#isLost(symbol)) count++;
    this.lost = count;
  }

  #isLost(symbol: number): boolean {
    return this.#lostAddresses?.[symbol] === 1 || this.#names.isLost(symbol);
  }

  get count(): number {
    return this.#names.count;
  }

  #addresses(): AddressIndex {
    this.#index ??= new AddressIndex(this.#values);
    return this.#index;
  }

  #entry(symbol: number): SymbolEntry {
    return {
      name: this.#names.name(symbol),
      address: addressOf(this.#values[symbol] ?? 0),
      size: this.#addresses().size(symbol),
      type: this.#names.type(symbol),
      module: undefined,
    };
  }

  #remembered(symbol: number): SymbolEntry {
    let entry = this.#entries.get(symbol);
    if (entry === undefined) {
      entry = this.#entry(symbol);
      if (this.#entries.size >= MAX_REMEMBERED) this.#entries.clear();
      this.#entries.set(symbol, entry);
    }
    return entry;
  }

  lookup(name: string): SymbolEntry | undefined {
    const known = this.#lookups.get(name);
    if (known !== undefined || this.#lookups.has(name)) return known;
    const symbol = this.#find(name);
    const entry = symbol === undefined ? undefined : this.#remembered(symbol);
    if (this.#lookups.size >= MAX_REMEMBERED) this.#lookups.clear();
    this.#lookups.set(name, entry);
    return entry;
  }

  #find(name: string): number | undefined {
    for (const symbol of this.#names.find(name)) if (!this.#isLost(symbol)) return symbol;
    return undefined;
  }

  lookupAll(name: string): readonly SymbolEntry[] {
    return [...this.#names.find(name)].filter((symbol) => !this.#isLost(symbol)).map((symbol) => this.#entry(symbol));
  }

  at(address: VirtAddr): SymbolEntry | undefined {
    const symbol = this.#addresses().find(address);
    return symbol === undefined || this.#isLost(symbol) ? undefined : this.#remembered(symbol);
  }

  *entries(): Generator<SymbolEntry> {
    for (const symbol of this.#addresses().inOrder()) if (!this.#isLost(symbol)) yield this.#entry(symbol);
  }
}

/**
 * @param vmcoreinfo - names the tables since Linux 6.0; its `_stext` checks what was read
 * @param ranges - where to look for the tables when VMCOREINFO does not say: the kernel image, best only its rodata
 * @param known - further addresses that the right table must give
 * @param place - where the tables were found before: looked at first
 * @throws FormatError when there is no such table, or none that makes sense
 * @throws FaultError when VMCOREINFO says where it is but the pages are not in the dump
 */
export function openKallsyms(
  memory: MemoryReader,
  vmcoreinfo: Vmcoreinfo | undefined,
  ranges: () => readonly VirtRange[] = () => [],
  known: readonly KnownSymbol[] = [],
  place?: KallsymsPlace,
): Kallsyms {
  const stext = vmcoreinfo?.symbol('_stext');
  const checks = stext === undefined ? known : [...known, { name: '_stext', address: stext }];
  let failure: Error | undefined;
  for (const found of candidates(memory, vmcoreinfo, ranges, place)) {
    try {
      const { names, layout } = loadNames(memory, found.location);
      const addresses = loadAddresses(memory, names, [...found.tables()], checks);
      return new Kallsyms(names, addresses, layout, found.location);
    } catch (error) {
      // VMCOREINFO damaged, a copy in the page cache, another kernel's table: the next one may be it.
      if (!isDataError(error)) throw error;
      failure ??= error;
    }
  }
  throw failure ?? new FormatError('kallsyms', 'not found in this dump');
}

function* candidates(
  memory: MemoryReader,
  vmcoreinfo: Vmcoreinfo | undefined,
  ranges: () => readonly VirtRange[],
  place: KallsymsPlace | undefined,
): Generator<FoundKallsyms> {
  if (place !== undefined) yield { location: place.location, tables: () => [place.table] };
  const named = vmcoreinfo === undefined ? undefined : attempt(() => locateByName(memory, vmcoreinfo));
  if (named !== undefined) yield named;
  yield* scanForKallsyms(memory, ranges());
}

/** Since Linux 6.0 (f09bddbd8661); undefined where VMCOREINFO is older or was cut off before. */
function locateByName(memory: MemoryReader, vmcoreinfo: Vmcoreinfo): FoundKallsyms | undefined {
  const names = vmcoreinfo.symbol('kallsyms_names');
  const countAt = vmcoreinfo.symbol('kallsyms_num_syms');
  const tokenTable = vmcoreinfo.symbol('kallsyms_token_table');
  const tokenIndex = vmcoreinfo.symbol('kallsyms_token_index');
  const offsets = vmcoreinfo.symbol('kallsyms_offsets');
  const baseAt = vmcoreinfo.symbol('kallsyms_relative_base');
  const addresses = vmcoreinfo.symbol('kallsyms_addresses');
  if (names === undefined || countAt === undefined || tokenTable === undefined || tokenIndex === undefined) return;
  const stored = attempt(() => readU32(memory, countAt));
  // The base follows the offsets, but for padding: that tells the count as well.
  const room = offsets === undefined || baseAt === undefined ? undefined : Math.floor(distance(baseAt, offsets) / 4);
  const agrees = stored !== undefined && (room === undefined || stored === room || stored === room - 1);
  const count = agrees ? stored : (room ?? readU32(memory, countAt));
  const location: KallsymsLocation = { count, names, tokenTable, tokenIndex };
  if (offsets !== undefined && baseAt !== undefined) {
    // The lowest address of all, which is that of the text.
    const read = attempt(() => readAddress(memory, baseAt));
    const base =
      read !== undefined && signedOf(read) < 0 ? read : (vmcoreinfo.symbol('_stext') ?? readAddress(memory, baseAt));
    return { location, tables: () => offsetTables(memory, offsets, base, count) };
  }
  if (offsets !== undefined) return { location, tables: () => [{ kind: 'place-relative', at: offsets }] };
  if (addresses !== undefined) return { location, tables: () => [{ kind: 'absolute', at: addresses }] };
  return undefined;
}
