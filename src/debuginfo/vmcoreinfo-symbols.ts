/**
 * The few symbols that VMCOREINFO itself names, as a table: what is left when kallsyms cannot be read. Enough for the
 * kernel's name, its log and its page tables; no address can be given a name by it.
 */
import type { SymbolEntry, SymbolTable } from './symbol.ts';
import type { Vmcoreinfo } from './vmcoreinfo.ts';

/** Symbols of VMCOREINFO have neither size nor letter. */
export function vmcoreinfoSymbols(vmcoreinfo: Vmcoreinfo): SymbolTable {
  const names = vmcoreinfo.keys().flatMap((key) => /^SYMBOL\((\w+)\)$/.exec(key)?.[1] ?? []);
  const lookup = (name: string): SymbolEntry | undefined => {
    const address = vmcoreinfo.symbol(name);
    return address === undefined ? undefined : { name, address, size: 0, type: '?', module: undefined };
  };
  return {
    count: names.length,
    lookup,
    lookupAll: (name) => [lookup(name) ?? []].flat(),
    at: () => undefined,
    entries: () =>
      names
        .flatMap((name) => lookup(name) ?? [])
        .sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0)),
  };
}
