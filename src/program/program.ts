/**
 * The open dump. Everything above is written on this: symbols by name, typed objects, fields resolved once, memory.
 * Made by `openProgram` (open.ts). Synchronous; holds no kernel knowledge beyond where symbols, types and unwind
 * tables lie.
 */
import { add, virt, type VirtAddr } from '../base/address.ts';
import type { Budget, Checkpoint } from '../base/budget.ts';
import { FormatError, LookupError } from '../base/errors.ts';
import type { Btf } from '../debuginfo/btf.ts';
import type { CfiRow } from '../debuginfo/dwarf/cfi.ts';
import type { SourceFrame } from '../debuginfo/dwarf/dwarf-lines.ts';
import type { VariablesAt } from '../debuginfo/dwarf/dwarf-variables.ts';
import type { OrcEntry, OrcTable, OrcVersion } from '../debuginfo/orc.ts';
import type { SymbolEntry, SymbolTable } from '../debuginfo/symbol.ts';
import type { CType, TypeSource } from '../debuginfo/type.ts';
import type { Vmcoreinfo } from '../debuginfo/vmcoreinfo.ts';
import type { DumpFile } from '../dump/dump-file.ts';
import type { Arch } from './arch/arch.ts';
import type { DebugFile } from './debug-file.ts';
import { describeProgram, type Opened, type ProgramDescriptor } from './descriptor.ts';
import { Field } from './field.ts';
import { GLOBAL_TYPES } from './globals.ts';
import { LayoutChoices } from './layouts.ts';
import { ModuleDebug, type OpenModule } from './module-debug.ts';
import { type KernelModule, type ModuleList, readModuleBtf, readModules } from './modules.ts';
import { Obj } from './object.ts';
import { Symbols } from './symbols.ts';
import { type MemberPlace, sizeOf, Types } from './types.ts';
import type { VirtualMemory } from './virtual-memory.ts';

export interface ProgramParts {
  readonly dump: DumpFile;
  readonly vmcoreinfo: Vmcoreinfo;
  /** How the kernel was found, for people; undefined when a VMCOREINFO note told. */
  readonly foundBy?: string | undefined;
  readonly memory: VirtualMemory;
  readonly arch: Arch;
  readonly kallsyms: SymbolTable;
  readonly btf: Btf | undefined;
  readonly orc: OrcTable | undefined;
  readonly orcVersion: OrcVersion | undefined;
  /** What could not be found while opening: 'no BTF: ...'. */
  readonly problems: readonly string[];
  /** With the types of the kernel; closed with the program. */
  readonly debugFile?: DebugFile | undefined;
  /** Files of modules with debug information. */
  readonly moduleDebuginfo?: readonly string[] | undefined;
  /** Undefined when it was not opened from files. */
  readonly opened?: Opened | undefined;
}

export class Program {
  readonly dump: DumpFile;
  readonly vmcoreinfo: Vmcoreinfo;
  /** How the kernel was found, for people: 'kernel found by ...'; undefined when a VMCOREINFO note told. */
  readonly foundBy: string | undefined;
  /** Kernel virtual memory. */
  readonly memory: VirtualMemory;
  readonly arch: Arch;
  readonly symbols: Symbols;
  readonly types = new Types();
  /** Which layouts were chosen for this kernel, and how far they are proven. */
  readonly layouts = new LayoutChoices();
  readonly orcVersion: OrcVersion | undefined;
  readonly problems: readonly string[];
  readonly pageSize: number;
  /** A vmlinux that was given with the dump. */
  readonly debugFile: DebugFile | undefined;
  readonly #btf: Btf | undefined;
  readonly #orc: OrcTable | undefined;
  /** By type, then by path: found without making a key of both. */
  readonly #fields = new Map<string, Map<string, Field | undefined>>();
  readonly #enumerators = new Map<string, bigint | undefined>();
  readonly #lostMembers = new Map<string, FormatError>();
  readonly #opened: Opened | undefined;
  /** By how much the image lies above the addresses of the debug file. */
  #slide: bigint | undefined;
  readonly #moduleDebug: ModuleDebug | undefined;
  #modules: ModuleList | undefined;
  #moduleTypesAdded = false;

  constructor(parts: ProgramParts) {
    this.dump = parts.dump;
    this.vmcoreinfo = parts.vmcoreinfo;
    this.foundBy = parts.foundBy;
    this.memory = parts.memory;
    this.arch = parts.arch;
    this.pageSize = parts.dump.pageSize;
    this.orcVersion = parts.orcVersion;
    this.#btf = parts.btf;
    this.#orc = parts.orc;
    this.#opened = parts.opened;
    // 2 on no real dump.
    const orcProven = { 1: ['5.10', '6.1', '6.1-rt'], 2: [], 3: ['6.12'], 4: ['7.2'] };
    if (parts.orcVersion !== undefined)
      this.layouts.chose('ORC', `version ${parts.orcVersion}`, orcProven[parts.orcVersion]);
    this.symbols = new Symbols(parts.kallsyms, () => this.modules.modules);
    this.debugFile = parts.debugFile;
    if (parts.debugFile !== undefined || (parts.moduleDebuginfo ?? []).length > 0)
      this.#moduleDebug = new ModuleDebug(parts.debugFile?.path, parts.vmcoreinfo.osRelease, parts.moduleDebuginfo);
    // Where the kernel's own are damaged, those of the file are asked alone: nothing of them is lost.
    const sound = parts.btf !== undefined && parts.btf.damage === undefined;
    if (parts.btf !== undefined && (parts.debugFile === undefined || sound)) this.types.add(parts.btf);
    if (parts.debugFile !== undefined && sound) this.types.addSupplement(parts.debugFile.types);
    else if (parts.debugFile !== undefined) this.types.add(parts.debugFile.types);
    this.problems = [...parts.problems, ...this.arch.learn(this)];
    this.memory.flush();
  }

  /** How many pages that were read so far should be in the dump, but are damaged or missing there. */
  get lostPages(): number {
    return this.memory.physical.lostPages;
  }

  /** Loaded modules, read on first use. */
  get modules(): ModuleList {
    this.#modules ??= readModules(this);
    return this.#modules;
  }

  /** The module that covers an address. */
  moduleAt(address: VirtAddr): KernelModule | undefined {
    return this.symbols.moduleAt(address);
  }

  /** Makes the types of the modules known as well; does nothing the second time. */
  addModuleTypes(): void {
    if (this.#moduleTypesAdded) return;
    // Whoever is stopped in the middle of reading them may ask again.
    const found = this.#btf === undefined ? this.#moduleDwarf() : readModuleBtf(this, this.#btf);
    this.#moduleTypesAdded = true;
    for (const source of found) this.types.add(source);
    this.#fields.clear();
    this.#enumerators.clear();
    this.#lostMembers.clear();
  }

  /**
   * Runs `work` under a budget: whatever it reads of the dump, it is ended with CancelledError when the budget says so.
   * The budget that the dump was opened with holds as well. The program can be used on afterwards.
   * @throws CancelledError, and what `work` throws
   */
  within<T>(budget: Budget, work: () => T): T {
    return this.checkpoint.within(budget, work);
  }

  /** What counts the reads and asks the budgets. For loops that read nothing for long. */
  get checkpoint(): Checkpoint {
    return this.memory.physical.checkpoint;
  }

  /** A symbol of the kernel. @throws LookupError, FormatError when it may be lost */
  symbol(name: string): SymbolEntry {
    const symbol = this.symbols.kernel.lookup(name);
    if (symbol === undefined) throw this.#notFound(name);
    return symbol;
  }

  /**
   * True when the kernel has a symbol of that name.
   * @throws FormatError when it is not there, but may be among symbols that are lost
   */
  hasSymbol(name: string): boolean {
    if (this.symbols.kernel.lookup(name) !== undefined) return true;
    const error = this.#notFound(name);
    if (error instanceof FormatError) throw error;
    return false;
  }

  /**
   * A symbol of the kernel; undefined when it has none of that name.
   * @throws FormatError when it is not there, but may be among symbols that are lost
   */
  trySymbol(name: string): SymbolEntry | undefined {
    return this.hasSymbol(name) ? this.symbol(name) : undefined;
  }

  #notFound(name: string): FormatError | LookupError {
    const { lost = 0 } = this.symbols.kernel;
    if (lost === 0) return new LookupError('symbol', name);
    return new FormatError('kallsyms', `'${name}' may be among the ${lost} symbols that are lost`);
  }

  /** The object of `type` at `address`. @throws LookupError when there is no such type */
  object(type: string | CType, address: VirtAddr): Obj {
    return new Obj(this, typeof type === 'string' ? this.types.find(type) : type, address);
  }

  /** A global variable, typed by the table in globals.ts or by the source of types. @throws LookupError */
  global(name: string): Obj {
    return this.object(this.#globalType(name), this.symbol(name).address);
  }

  /** A per-CPU variable on one CPU. @throws LookupError, FaultError */
  perCpu(name: string, cpu: number): Obj {
    return this.object(this.#globalType(name), this.perCpuAddress(this.symbol(name).address, cpu));
  }

  /**
   * Address of a per-CPU object: its symbol value (or `__percpu` pointer) plus `__per_cpu_offset[cpu]`. The same in the
   * zero-based scheme (up to 6.14) and in the image-based one (since 6.15, commit 9d7de2aa8b41).
   * @throws LookupError, FaultError
   */
  perCpuAddress(base: VirtAddr, cpu: number): VirtAddr {
    // Without SMP there is one copy and no offset table.
    const offsets = this.trySymbol('__per_cpu_offset');
    if (offsets === undefined) return base;
    return virt(base + this.memory.readU64(add(offsets.address, 8 * cpu)));
  }

  #globalType(name: string): CType {
    for (const spelled of GLOBAL_TYPES[name] ?? []) {
      const type = this.types.tryFind(spelled);
      if (type !== undefined) return type;
    }
    const type = this.types.variable(name);
    if (type === undefined) throw new LookupError('type', `of the variable ${name}`);
    return type;
  }

  /** A member, resolved once: `field('struct task_struct', 'se.exec_start')`. @throws LookupError */
  field(type: string, path: string): Field {
    const field = this.tryField(type, path);
    if (field === undefined) throw new LookupError('member', `${type}.${path}`);
    return field;
  }

  /** Like `field`; undefined when the type or the member does not exist: for probing layouts. */
  tryField(type: string, path: string): Field | undefined {
    const fields = this.#fields.get(type) ?? new Map<string, Field | undefined>();
    if (fields.size === 0) this.#fields.set(type, fields);
    const known = fields.get(path);
    if (known !== undefined || fields.has(path)) return known;
    const place = this.#placeOf(type, path);
    const field = place === undefined ? undefined : new Field(this.memory, `${type}.${path}`, place);
    fields.set(path, field);
    return field;
  }

  /** @throws FormatError when the types that it takes are lost, and names the member that was wanted */
  #placeOf(type: string, path: string): MemberPlace | undefined {
    const name = `${type}.${path}`;
    const known = this.#lostMembers.get(name);
    if (known !== undefined) throw known;
    try {
      const outer = this.types.tryFind(type);
      return outer === undefined ? undefined : this.types.tryMember(outer, path);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      const lost = new FormatError(error.format, `${error.detail}, which ${name} takes`);
      this.#lostMembers.set(name, lost);
      throw lost;
    }
  }

  /** The first of several spellings of a member that exists. @throws LookupError naming the first */
  firstField(type: string, paths: readonly [string, ...string[]]): Field {
    for (const path of paths) {
      const field = this.tryField(type, path);
      if (field !== undefined) return field;
    }
    throw new LookupError('member', `${type}.${paths[0]}`);
  }

  /** Bytes of a type. @throws LookupError */
  sizeOf(type: string): number {
    return sizeOf(this.types.find(type));
  }

  /** Value of an enumerator; undefined when this kernel has none of that name. */
  enumerator(name: string): bigint | undefined {
    if (!this.#enumerators.has(name)) this.#enumerators.set(name, this.types.enumerator(name));
    return this.#enumerators.get(name);
  }

  isText(address: VirtAddr): boolean {
    return this.symbols.isText(address);
  }

  /**
   * The unwind rule for an instruction, from the kernel's table or its module's; undefined for code that neither
   * covers. A table has a rule for whatever follows its last entry too, so it is asked for its own code only.
   */
  orcAt(pc: VirtAddr): OrcEntry | undefined {
    if (this.symbols.isKernelText(pc)) return this.#orc?.lookup(pc);
    const module = this.moduleAt(pc);
    return module?.isText(pc) === true ? module.orc?.lookup(pc) : undefined;
  }

  /** True when the kernel's own code has an ORC table. */
  get hasOrc(): boolean {
    return this.#orc !== undefined;
  }

  /**
   * The rule of call frame information for an instruction, from the file with debug information; undefined for code that it
   * does not cover.
   * @throws FormatError when it is damaged
   */
  cfiAt(pc: VirtAddr): CfiRow | undefined {
    if (!this.symbols.isKernelText(pc)) return this.#moduleDebugAt(pc)?.cfi?.lookup(pc);
    if (this.debugFile === undefined) return undefined;
    this.#slide ??= slideOf(this.symbols.kernel, this.debugFile);
    return this.#slide === undefined ? undefined : this.debugFile.cfiAt(pc - this.#slide);
  }

  /**
   * Source lines of the code at an address, with the functions that were inlined there, the innermost first; of an address
   * that a call returns to, ask for the byte before it. Empty when there is no file with debug information of the kernel, or of
   * the module.
   * @throws FormatError when the debug information is damaged
   */
  lineAt(pc: VirtAddr): readonly SourceFrame[] {
    if (!this.symbols.isKernelText(pc)) return this.#moduleDebugAt(pc)?.lines.at(pc) ?? [];
    if (this.debugFile === undefined) return [];
    this.#slide ??= slideOf(this.symbols.kernel, this.debugFile);
    return this.#slide === undefined ? [] : this.debugFile.lineAt(pc - this.#slide);
  }

  /**
   * Parameters and locals of the functions at an address, as the debug information tells, and how far the code lies above the
   * addresses in it; undefined when there is none.
   * @throws FormatError when the debug information is damaged
   */
  variablesAt(pc: VirtAddr): { readonly told: VariablesAt; readonly slide: bigint } | undefined {
    const inModule = this.symbols.isKernelText(pc) ? undefined : this.#moduleDebugAt(pc)?.variables.at(pc);
    if (inModule !== undefined) return { told: inModule, slide: 0n };
    if (this.debugFile === undefined || !this.symbols.isKernelText(pc)) return undefined;
    this.#slide ??= slideOf(this.symbols.kernel, this.debugFile);
    const told = this.#slide === undefined ? undefined : this.debugFile.variablesAt(pc - this.#slide);
    return told === undefined || this.#slide === undefined ? undefined : { told, slide: this.#slide };
  }

  #moduleDebugAt(pc: VirtAddr): OpenModule | undefined {
    const module = this.#moduleDebug === undefined ? undefined : this.moduleAt(pc);
    return module === undefined ? undefined : this.#moduleDebug?.of(module);
  }

  #moduleDwarf(): readonly TypeSource[] {
    return this.modules.modules.flatMap((module) => this.#moduleDebug?.of(module)?.types ?? []);
  }

  /**
   * A small plain object (JSON, structured clone) by which `reopenProgram` opens the same dump again, in a worker for
   * example, without searching what was found here.
   * @throws UsageError when the dump was not opened from files
   */
  descriptor(): ProgramDescriptor {
    return describeProgram(this, this.#opened);
  }

  close(): void {
    this.debugFile?.close();
    this.#moduleDebug?.close();
    this.dump.close();
  }
}

/** KASLR moves the whole image. */
function slideOf(kallsyms: SymbolTable, file: DebugFile): bigint | undefined {
  const here = kallsyms.lookup('_stext')?.address;
  const there = file.addressOf('_stext');
  return here === undefined || there === undefined ? undefined : here - there;
}
