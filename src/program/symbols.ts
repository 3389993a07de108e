/**
 * All symbols of the open dump: the kernel's own table and, once an address or a name asks for them, the modules'.
 */
import { type VirtAddr, distance } from '../base/address.ts';
import type { SymbolEntry, SymbolTable } from '../debuginfo/symbol.ts';
import type { KernelModule } from './modules.ts';

export interface SymbolAt extends SymbolEntry {
  /** Bytes from the start of the symbol. */
  readonly offset: number;
}

export class Symbols {
  readonly kernel: SymbolTable;
  readonly #modules: () => readonly KernelModule[];
  readonly #text: { readonly start: VirtAddr; readonly end: VirtAddr } | undefined;
  readonly #initText: { readonly start: VirtAddr; readonly end: VirtAddr } | undefined;

  constructor(kernel: SymbolTable, modules: () => readonly KernelModule[]) {
    this.kernel = kernel;
    this.#modules = modules;
    this.#text = rangeOf(kernel, '_stext', '_etext');
    this.#initText = rangeOf(kernel, '_sinittext', '_einittext');
  }

  /** First symbol of that name in the kernel, else in a module when `modules` is set. */
  lookup(name: string, options?: { readonly modules?: boolean }): SymbolEntry | undefined {
    const found = this.kernel.lookup(name);
    if (found !== undefined || options?.modules !== true) return found;
    for (const module of this.#modules()) {
      const symbol = module.symbols?.lookup(name);
      if (symbol !== undefined) return symbol;
    }
    return undefined;
  }

  /** The symbol that covers the address, in the kernel or in a module. */
  at(address: VirtAddr): SymbolAt | undefined {
    const symbol = this.kernel.at(address) ?? this.moduleAt(address)?.symbols?.at(address);
    return symbol === undefined ? undefined : { ...symbol, offset: distance(address, symbol.address) };
  }

  moduleAt(address: VirtAddr): KernelModule | undefined {
    return this.#modules().find((module) => module.covers(address));
  }

  /** True when the address lies in the code of the kernel or of a module. */
  isText(address: VirtAddr): boolean {
    for (const range of [this.#text, this.#initText]) {
      if (range !== undefined && address >= range.start && address < range.end) return true;
    }
    return this.moduleAt(address)?.isText(address) ?? false;
  }
}

function rangeOf(table: SymbolTable, from: string, to: string): { start: VirtAddr; end: VirtAddr } | undefined {
  const start = table.lookup(from)?.address;
  const end = table.lookup(to)?.address;
  return start === undefined || end === undefined ? undefined : { start, end };
}
