/**
 * Loaded modules as far as symbols, types and unwind tables need them: the list `modules`, each `struct module`'s memory
 * ranges, its kallsyms, ORC tables and split BTF. Each part is read on first use; a broken module is left out and named.
 */
import { add, contains, distance, isKernel, type VirtAddr } from '../base/address.ts';
import { attempt, isDataError, ValidationError } from '../base/errors.ts';
import { parseBtf, type Btf } from '../debuginfo/btf.ts';
import { openModuleSymbols } from '../debuginfo/module-symbols.ts';
import { OrcTable } from '../debuginfo/orc.ts';
import type { SymbolEntry, SymbolTable } from '../debuginfo/symbol.ts';
import type { Program } from './program.ts';

const MAX_MODULES = 4096;
const MAX_SYMBOLS = 1 << 20;
const MAX_STRINGS = 1 << 26;
const MAX_BTF = 1 << 26;
const MAX_ORC = 1 << 22;

export interface ModuleRange {
  readonly start: VirtAddr;
  /** Bytes. */
  readonly size: number;
  readonly text: boolean;
  /** `TEXT`, `RODATA` ...: the name in `enum mod_mem_type`, without MOD_; undefined until 6.3, when all parts were one. */
  readonly part?: string | undefined;
}

export class KernelModule {
  readonly name: string;
  /** `struct module *`. */
  readonly address: VirtAddr;
  readonly ranges: readonly ModuleRange[];
  readonly #program: Program;
  #symbols: SymbolTable | undefined;
  #orc: OrcTable | undefined;
  #last: SymbolEntry | undefined;
  #triedLast = false;
  #triedSymbols = false;
  #triedOrc = false;

  constructor(program: Program, name: string, address: VirtAddr, ranges: readonly ModuleRange[]) {
    this.#program = program;
    this.name = name;
    this.address = address;
    this.ranges = ranges;
  }

  covers(address: VirtAddr): boolean {
    return this.ranges.some((range) => contains(range.start, range.size, address));
  }

  isText(address: VirtAddr): boolean {
    return this.ranges.some((range) => range.text && contains(range.start, range.size, address));
  }

  /** The module's own symbols; undefined when they cannot be read. */
  get symbols(): SymbolTable | undefined {
    if (!this.#triedSymbols) {
      this.#triedSymbols = true;
      this.#symbols = readSymbols(this.#program, this);
    }
    return this.#symbols;
  }

  /** The symbol that covers an address; none reaches behind the end of its range, whatever the next one's address is. */
  symbolAt(address: VirtAddr): SymbolEntry | undefined {
    const found = this.symbols?.at(address);
    if (found !== undefined && found.size > 0) return this.#cut(found);
    const last = this.#lastSymbol();
    const range = this.ranges.find(({ start, size }) => contains(start, size, address));
    if (last === undefined || last.address > address || range === undefined) return found;
    if (!contains(range.start, range.size, last.address)) return found;
    return { ...last, size: range.size - distance(last.address, range.start) };
  }

  /** As the kernel cuts a size (find_kallsyms_symbol()): the last function's next is a variable, pages behind the text. */
  #cut(symbol: SymbolEntry): SymbolEntry {
    const range = this.ranges.find(({ start, size }) => contains(start, size, symbol.address));
    if (range === undefined) return symbol;
    const most = range.size - distance(symbol.address, range.start);
    return symbol.size > most ? { ...symbol, size: most } : symbol;
  }

  #lastSymbol(): SymbolEntry | undefined {
    if (!this.#triedLast) {
      this.#triedLast = true;
      for (const symbol of this.symbols?.entries() ?? []) this.#last = symbol;
    }
    return this.#last;
  }

  /** The module's unwind table; undefined when there is none. */
  get orc(): OrcTable | undefined {
    if (!this.#triedOrc) {
      this.#triedOrc = true;
      this.#orc = readOrc(this.#program, this);
    }
    return this.#orc;
  }
}

export interface ModuleList {
  readonly modules: readonly KernelModule[];
  /** Why the list is shorter than it should be. */
  readonly problem: string | undefined;
}

/**
 * Walks the list `modules`. Never throws for what the dump holds: a module that cannot be read is left out, and where
 * the list breaks off, what was found before is returned; `problem` says so.
 */
export function readModules(program: Program): ModuleList {
  const modules: KernelModule[] = [];
  const problems: string[] = [];
  try {
    const list = program.field('struct module', 'list');
    const head = program.symbol('modules').address;
    for (const at of nodes(program, head)) {
      try {
        modules.push(readModule(program, list.container(at)));
      } catch (error) {
        if (!isDataError(error)) throw error;
        problems.push(`a module: ${error.message}`);
      }
    }
  } catch (error) {
    if (!isDataError(error)) throw error;
    problems.push(error.message);
  }
  return { modules, problem: problems.length === 0 ? undefined : problems.join('; ') };
}

/** Nodes of a list of modules; a list that runs into itself ends. @throws FaultError, ValidationError */
function* nodes(program: Program, head: VirtAddr): Generator<VirtAddr> {
  const next = program.field('struct list_head', 'next');
  const seen = new Set<VirtAddr>();
  for (let at = next.pointer(head); at !== head; at = next.pointer(at)) {
    if (!isKernel(at)) throw new ValidationError('list of modules', at, 'next is no kernel pointer');
    if (seen.has(at) || seen.size >= MAX_MODULES) throw new ValidationError('list of modules', at, 'does not end');
    seen.add(at);
    yield at;
  }
}

function readModule(program: Program, address: VirtAddr): KernelModule {
  const name = program.field('struct module', 'name').text(address);
  return new KernelModule(program, name, address, readRanges(program, address));
}

function readRanges(program: Program, module: VirtAddr): readonly ModuleRange[] {
  const ranges: ModuleRange[] = [];
  const push = (start: VirtAddr, size: number, text: boolean, part?: string): void => {
    if (start !== 0n && size > 0 && isKernel(start)) ranges.push({ start, size, text, part });
  };
  // mem[MOD_TEXT ...] since 6.4 (commit ac3b43283923); proven on 6.12. core_layout 4.5-6.3 (commit 7523e4dc5057);
  // proven on 5.10 and 6.1. module_core before; never seen on a real dump.
  const memory = program.tryField('struct module', 'mem[0].base');
  if (memory !== undefined) {
    program.layouts.chose('memory of modules', 'mem[] (since 6.4)', ['6.12', '7.2']);
    const text = [program.enumerator('MOD_TEXT') ?? 0n, program.enumerator('MOD_INIT_TEXT') ?? 4n].map(Number);
    const count = Math.min(16, Number(program.enumerator('MOD_MEM_NUM_TYPES') ?? 7n));
    const names = partNames(program);
    for (let i = 0; i < count; i++) {
      const base = program.field('struct module', `mem[${i}].base`).pointer(module);
      const size = program.field('struct module', `mem[${i}].size`).number(module);
      push(base, size, text.includes(i), names.get(i));
    }
    return ranges;
  }
  const layout = program.tryField('struct module', 'core_layout.base');
  const form = layout === undefined ? 'module_core (until 4.4)' : 'core_layout (4.5-6.3)';
  program.layouts.chose('memory of modules', form, layout === undefined ? [] : ['5.10', '6.1', '6.1-rt']);
  for (const part of layout === undefined ? [] : ['core_layout', 'init_layout']) {
    const base = program.field('struct module', `${part}.base`).pointer(module);
    const size = program.field('struct module', `${part}.size`).number(module);
    const text = program.field('struct module', `${part}.text_size`).number(module);
    push(base, Math.min(text, size), true);
    push(add(base, text), size - text, false);
  }
  if (layout === undefined) {
    const base = program.field('struct module', 'module_core').pointer(module);
    const size = program.field('struct module', 'core_size').number(module);
    const text = program.field('struct module', 'core_text_size').number(module);
    push(base, Math.min(text, size), true);
    push(add(base, text), size - text, false);
  }
  return ranges;
}

/** By their numbers in `enum mod_mem_type`. */
function partNames(program: Program): ReadonlyMap<number, string> {
  const type = attempt(() => program.types.tryFind('enum mod_mem_type'));
  if (type?.kind !== 'enum') return new Map();
  const parts = (type.enumerators ?? []).filter(({ name }) => /^MOD_(?!MEM_|INVALID)/.test(name));
  return new Map(parts.map(({ name, value }) => [Number(value), name.slice('MOD_'.length)]));
}

function readSymbols(program: Program, module: KernelModule): SymbolTable | undefined {
  try {
    // mod->kallsyms, struct mod_kallsyms, since 4.5 (commit 8244062ef1e5); in struct module itself before.
    const pointer = program.tryField('struct module', 'kallsyms');
    const type = pointer === undefined ? 'struct module' : 'struct mod_kallsyms';
    const at = pointer === undefined ? module.address : pointer.pointer(module.address);
    const symtab = program.field(type, 'symtab').pointer(at);
    const count = program.field(type, 'num_symtab').number(at);
    const strtab = program.field(type, 'strtab').pointer(at);
    const typetab = program.tryField(type, 'typetab')?.pointer(at);
    if (count > MAX_SYMBOLS) throw new ValidationError('struct mod_kallsyms', at, `${count} symbols`);
    const symbols = program.memory.readBytes(symtab, count * 24);
    const types = typetab === undefined || typetab === 0n ? undefined : program.memory.readBytes(typetab, count);
    return openModuleSymbols(module.name, symbols, readStrings(program, strtab, symbols), types);
  } catch (error) {
    if (!isDataError(error)) throw error;
    return undefined;
  }
}

/** The string table has no size of its own: it reaches to the end of the string with the highest offset. */
function readStrings(program: Program, strtab: VirtAddr, symbols: Uint8Array): Uint8Array {
  const view = new DataView(symbols.buffer, symbols.byteOffset, symbols.byteLength);
  let last = 0;
  for (let i = 0; i + 24 <= symbols.length; i += 24) last = Math.max(last, view.getUint32(i, true));
  if (last > MAX_STRINGS) throw new ValidationError('module strtab', strtab, `name at offset ${last}`);
  const tail = program.memory.readCString(add(strtab, last), 512);
  return program.memory.readBytes(strtab, last + tail.length + 1);
}

function readOrc(program: Program, module: KernelModule): OrcTable | undefined {
  const version = program.orcVersion;
  if (version === undefined) return undefined;
  try {
    const field = (name: string) => program.field('struct module', `arch.${name}`);
    const entries = field('num_orcs').number(module.address);
    if (entries === 0) return undefined;
    if (entries > MAX_ORC) throw new ValidationError('struct module', module.address, `${entries} ORC entries`);
    const ip = field('orc_unwind_ip').pointer(module.address);
    return new OrcTable(program.memory, {
      ip,
      entries: field('orc_unwind').pointer(module.address),
      count: entries,
      version,
    });
  } catch (error) {
    if (!isDataError(error)) throw error;
    return undefined;
  }
}

/**
 * Split BTF of modules, from the list `btf_modules` (since 5.11, CONFIG_DEBUG_INFO_BTF_MODULES, commit 36e68442d1af).
 * Not read until asked for: the kernel's own types answer nearly everything.
 */
export function readModuleBtf(program: Program, base: Btf): readonly Btf[] {
  const out: Btf[] = [];
  try {
    const head = program.symbol('btf_modules').address;
    const list = program.field('struct btf_module', 'list');
    for (const at of nodes(program, head)) {
      const parsed = attempt(() => readSplitBtf(program, base, list.container(at)));
      if (parsed !== undefined) out.push(parsed);
    }
  } catch (error) {
    if (!isDataError(error)) throw error;
  }
  return out;
}

/** @param module - `struct btf_module *` */
function readSplitBtf(program: Program, base: Btf, module: VirtAddr): Btf {
  const btf = program.field('struct btf_module', 'btf').pointer(module);
  const data = program.field('struct btf', 'data').pointer(btf);
  const size = program.field('struct btf', 'data_size').number(btf);
  const name = program.field('struct btf', 'name').text(btf);
  if (size > MAX_BTF) throw new ValidationError('struct btf', btf, `${size} bytes`);
  return parseBtf(program.memory.readBytes(data, size), { base, name: `BTF of ${name}` });
}
