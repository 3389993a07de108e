/**
 * All symbols of the open dump: the kernel's own table and, once an address or a name asks for them, the modules'.
 */
import { add, compare, distance, sub, type VirtAddr } from '../base/address.ts';
import type { VirtRange } from '../base/memory.ts';
import type { SymbolEntry, SymbolTable } from '../debuginfo/symbol.ts';
import type { KernelModule } from './modules.ts';

export interface SymbolAt extends SymbolEntry {
  /** Bytes from the start of the symbol. */
  readonly offset: number;
}

interface ModulePart {
  readonly start: VirtAddr;
  readonly end: VirtAddr;
  readonly module: KernelModule;
}

export class Symbols {
  readonly kernel: SymbolTable;
  readonly #modules: () => readonly KernelModule[];
  readonly #text: VirtRange | undefined;
  readonly #initText: VirtRange | undefined;
  readonly #image: VirtRange | undefined;
  /** Ranges of all modules by rising start, and the list they were made of. */
  #parts: readonly ModulePart[] = [];
  #partsOf: readonly KernelModule[] | undefined;

  constructor(kernel: SymbolTable, modules: () => readonly KernelModule[]) {
    this.kernel = kernel;
    this.#modules = modules;
    this.#text = rangeOf(kernel, '_stext', '_etext');
    this.#initText = rangeOf(kernel, '_sinittext', '_einittext');
    this.#image = rangeOf(kernel, '_text', '_end') ?? this.#text;
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
    return this.#covering(address, address);
  }

  /**
   * The function that made the call which returns to `address`: a call that never returns may be a function's last
   * instruction, so that the address lies behind it. The offset is that of `address` itself.
   */
  atReturn(address: VirtAddr): SymbolAt | undefined {
    return this.#covering(sub(address, 1), address);
  }

  #covering(covered: VirtAddr, address: VirtAddr): SymbolAt | undefined {
    const symbol = this.kernel.at(covered) ?? this.moduleAt(covered)?.symbolAt(covered);
    if (symbol === undefined) return undefined;
    const { name, size, type, module } = symbol;
    return { name, address: symbol.address, size, type, module, offset: distance(address, symbol.address) };
  }

  /** The module that covers an address; none inside the kernel's own image, whatever a module's record claims. */
  moduleAt(address: VirtAddr): KernelModule | undefined {
    if (isIn(this.#image, address)) return undefined;
    const parts = this.#moduleParts();
    let low = 0;
    let high = parts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const part = parts[middle];
      if (part !== undefined && part.start <= address) low = middle + 1;
      else high = middle;
    }
    const part = parts[low - 1];
    return part !== undefined && address < part.end ? part.module : undefined;
  }

  /** Parts of sound modules do not overlap; of those that do, a part ends where the next begins. */
  #moduleParts(): readonly ModulePart[] {
    const modules = this.#modules();
    if (modules === this.#partsOf) return this.#parts;
    const parts = modules
      .flatMap((module) => module.ranges.map(({ start, size }) => ({ start, end: add(start, size), module })))
      .sort((a, b) => compare(a.start, b.start));
    this.#parts = parts;
    this.#partsOf = modules;
    return parts;
  }

  /** True when the address lies in the kernel's own code, the part for booting included. */
  isKernelText(address: VirtAddr): boolean {
    return isIn(this.#text, address) || isIn(this.#initText, address);
  }

  /** True when the address lies in the code of the kernel or of a module. */
  isText(address: VirtAddr): boolean {
    return this.isKernelText(address) || (this.moduleAt(address)?.isText(address) ?? false);
  }
}

function isIn(range: VirtRange | undefined, address: VirtAddr): boolean {
  return range !== undefined && address >= range.start && address < range.end;
}

function rangeOf(table: SymbolTable, from: string, to: string): VirtRange | undefined {
  const start = table.lookup(from)?.address;
  const end = table.lookup(to)?.address;
  return start === undefined || end === undefined ? undefined : { start, end };
}
