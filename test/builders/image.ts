/**
 * A hand-built piece of kernel memory for tests: types in words, objects at addresses, labels, symbols, per-CPU data.
 * `programOfImage(image)` (program.ts) opens it as a real Program.
 *
 *   const image = new KernelImage();
 *   image.struct('task_struct', { __state: 'unsigned int', pid: 'pid_t', comm: 'char[16]', tasks: 'struct list_head' });
 *   image.struct('mutex', { owner: 'atomic_long_t', wait_lock: 'spinlock_t', wait_list: 'struct list_head' });
 *   image.enum('zone_stat_item', ['NR_FREE_PAGES', 'NR_ZONE_LRU_BASE']);
 *
 *   const m = image.place('m', 'struct mutex', { owner: ref('ps', 1) });      // an address; 'ps' may come later
 *   image.place('ps', 'struct task_struct', { __state: 2, pid: 96, comm: 'ps' });
 *   image.global('init_task', 'struct task_struct', { comm: 'swapper/0' });  // an object and a symbol
 *   image.list('init_task.tasks', ['ps.tasks']);                             // links a list; no nodes: an empty one
 *   image.cpus(2);                                                           // before per-CPU data
 *   image.perCpu('runqueues', 'struct rq', [{ nr_running: 1 }, {}]);         // labels 'runqueues@0', 'runqueues@1'
 *   image.function('mutex_lock');                                            // text; ref('mutex_lock', 0x1f)
 *   image.vmcoreinfo('NUMBER(foo)', 1);
 *   const program = programOfImage(image);
 *
 * Values: number, bigint, boolean; `ref('label')`, `ref('label.member.path')`, with an addend `ref('label', 1)`; text for
 * char arrays and, placed on its own, for `char *`; arrays; objects with member paths as keys. A scalar given for a struct
 * goes to its first member (`owner: 0` of an atomic_long_t). What is not given, or given as undefined, is zero.
 * Addresses that were not placed cannot be read. `place(..., { page: 'excluded' })` puts an object on pages of its own that
 * the dump does not have; `{ at: address }` puts it at a chosen place and `{ align: 256 }` on a boundary.
 * `write('label.path', value)` changes what was placed: how damage is made.
 *
 * Declared already: the C and kernel integers (u8 ... s64, bool, pid_t), atomic_t, atomic_long_t, atomic64_t, spinlock_t,
 * raw_spinlock_t, struct list_head, struct hlist_head, struct hlist_node; a test may declare another layout first.
 * Only per-CPU variables get a type by themselves, as in BTF: a global read with program.global() must be in
 * src/program/globals.ts.
 */
import { add, virt, type VirtAddr } from '../../src/base/address.ts';
import type { PageStatus } from '../../src/dump/dump-file.ts';
import type { SymbolEntry } from '../../src/debuginfo/symbol.ts';
import type { CType } from '../../src/debuginfo/type.ts';
import { sizeOf, strip, typeName, Types, type MemberPlace } from '../../src/program/types.ts';
import { alignOf, TypeWords, type Members, type TypeWord } from './types.ts';

export { struct, union } from './types.ts';

export const PAGE_SIZE = 4096;
const DATA = virt(0xffff888000100000n);
const PER_CPU = virt(0xffff88803f000000n);
const PER_CPU_STRIDE = 1 << 20;
const TEXT = virt(0xffffffff81000000n);

export class Ref {
  readonly label: string;
  readonly addend: bigint;
  constructor(label: string, addend: bigint) {
    this.label = label;
    this.addend = addend;
  }
}

/** The address of a label or of a member of it ('task1.tasks', 'table[3]'), plus `addend`; known when the image is built. */
export function ref(label: string, addend: number | bigint = 0): Ref {
  return new Ref(label, BigInt(addend));
}

export type Value =
  | number
  | bigint
  | boolean
  | string
  | Ref
  | Uint8Array
  | readonly Value[]
  | { readonly [path: string]: Value | undefined };

export interface PlaceOptions {
  readonly at?: bigint;
  readonly align?: number;
  /** What the dump says of the pages of this object; it gets pages of its own. */
  readonly page?: PageStatus;
}

/** Where things lie and which release it is; by default the layout of 4.20 and later, and 6.1. */
export interface ImageOptions {
  /** Where the first object is put; in the direct map. */
  readonly data?: bigint;
  /** Where globals are put, as the kernel's own data; among the other objects when absent. */
  readonly globals?: bigint;
  /** The area of the first CPU. */
  readonly perCpu?: bigint;
  readonly release?: string;
}

interface Labelled {
  readonly address: VirtAddr;
  readonly type: CType | undefined;
}

export class KernelImage {
  readonly types = new TypeWords();
  /** Page number -> bytes of each page that can be read. */
  readonly pages = new Map<number, Uint8Array>();
  /** Page number -> state of each page that cannot. */
  readonly states = new Map<number, PageStatus>();
  readonly symbols: SymbolEntry[] = [];
  readonly vmcoreinfoLines: string[];
  readonly #lookup = new Types();
  readonly #labels = new Map<string, Labelled>();
  /** By the address that they are stored at. */
  readonly #references = new Map<VirtAddr, { readonly size: number; readonly ref: Ref }>();
  readonly #perCpu: VirtAddr;
  #data: VirtAddr;
  #globals: VirtAddr | undefined;
  #text = TEXT;
  #perCpuOffset = 0x20000;
  #cpus = 1;
  #strings = 0;

  constructor(options: ImageOptions = {}) {
    this.#data = virt(options.data ?? DATA);
    this.#globals = options.globals === undefined ? undefined : virt(options.globals);
    this.#perCpu = virt(options.perCpu ?? PER_CPU);
    this.vmcoreinfoLines = [`OSRELEASE=${options.release ?? '6.1.0-test'}`, `PAGESIZE=${PAGE_SIZE}`];
    this.#lookup.add(this.types);
    for (const bits of [8, 16, 32, 64]) {
      const word = { 8: 'char', 16: 'short', 32: 'int', 64: 'long long' }[bits] ?? 'int';
      for (const prefix of ['', '__']) {
        this.types.typedef(`${prefix}u${bits}`, `unsigned ${word}`);
        this.types.typedef(`${prefix}s${bits}`, bits === 8 ? 'signed char' : word);
      }
    }
    for (const [name, word] of [
      ['bool', '_Bool'],
      ['pid_t', 'int'],
      ['size_t', 'unsigned long'],
    ] as const)
      this.types.typedef(name, word);
    this.types.typedef('atomic_t', { kind: 'struct', members: { counter: 'int' } });
    this.types.typedef('atomic_long_t', { kind: 'struct', members: { counter: 'long' } });
    this.types.typedef('atomic64_t', { kind: 'struct', members: { counter: 's64' } });
    this.types.typedef('spinlock_t', { kind: 'struct', members: { val: 'unsigned int' } });
    this.types.typedef('raw_spinlock_t', { kind: 'struct', members: { val: 'unsigned int' } });
    this.struct('list_head', { next: 'struct list_head *', prev: 'struct list_head *' });
    this.struct('hlist_head', { first: 'struct hlist_node *' });
    this.struct('hlist_node', { next: 'struct hlist_node *', pprev: 'struct hlist_node **' });
  }

  struct(name: string, members: Members): void {
    this.types.struct(name, members);
  }
  union(name: string, members: Members): void {
    this.types.union(name, members);
  }
  typedef(name: string, word: TypeWord): void {
    this.types.typedef(name, word);
  }
  enum(name: string | undefined, enumerators: readonly string[] | { readonly [name: string]: number }): void {
    this.types.enum(name, enumerators);
  }

  /** Puts an object into memory and returns its address. */
  place(label: string, word: TypeWord, value: Value = {}, options: PlaceOptions = {}): VirtAddr {
    const type = this.types.of(word);
    const address = this.#allocate(sizeOf(type), alignOf(type), options);
    return this.#put(label, type, value, address);
  }

  /** Raw bytes. */
  bytes(label: string, content: Uint8Array, options: PlaceOptions = {}): VirtAddr {
    const address = this.#allocate(content.length, 8, options);
    this.#store(address, content);
    this.#label(label, { address, type: undefined });
    return address;
  }

  /** `place` and a symbol of that name. */
  global(name: string, word: TypeWord, value: Value = {}, options: PlaceOptions = {}): VirtAddr {
    const address = this.place(name, word, value, this.#amongGlobals(word, options));
    this.symbol(name, address, sizeOf(this.types.of(word)));
    return address;
  }

  #amongGlobals(word: TypeWord, options: PlaceOptions): PlaceOptions {
    if (this.#globals === undefined || options.at !== undefined || options.page !== undefined) return options;
    const boundary = BigInt(Math.max(8, options.align ?? alignOf(this.types.of(word))));
    const at = virt(((this.#globals + boundary - 1n) / boundary) * boundary);
    this.#globals = add(at, Math.max(8, sizeOf(this.types.of(word))));
    return { ...options, at };
  }

  /** A symbol at an address or label, with nm's letter. */
  symbol(name: string, at: bigint | string, size = 8, type = 'D'): void {
    const address = typeof at === 'string' ? this.address(at) : virt(at);
    this.symbols.push({ name, address, size, type, module: undefined });
  }

  /** A function of `size` bytes in the kernel's text: symbol and label. */
  function(name: string, size = 0x40): VirtAddr {
    const address = this.#text;
    this.#text = add(address, Math.ceil(size / 16) * 16);
    this.symbol(name, address, size, 't');
    this.#label(name, { address, type: undefined });
    return address;
  }

  /**
   * Number of CPUs: `__per_cpu_offset`, `nr_cpu_ids` and the masks. Without it there is no SMP.
   * @param maskName - what the masks are called: `cpu_online_bits` until 4.4
   */
  cpus(count: number, online = count, maskName = (mask: string): string => `__cpu_${mask}_mask`): void {
    this.#cpus = count;
    const offsets = Array.from({ length: count }, (_, cpu) => add(this.#perCpu, cpu * PER_CPU_STRIDE));
    this.global('__per_cpu_offset', `unsigned long[${count}]`, offsets);
    this.global('nr_cpu_ids', 'unsigned int', count);
    for (const [mask, bits] of [
      ['possible', count],
      ['present', count],
      ['online', online],
    ] as const)
      this.global(maskName(mask), 'unsigned long', (1n << BigInt(bits)) - 1n);
  }

  /** A per-CPU variable: symbol, type, labels 'name@0' ..., one value for each CPU. Returns the per-CPU base. */
  perCpu(name: string, word: TypeWord, values: readonly Value[]): VirtAddr {
    const base = this.perCpuPointer(name, word, values);
    this.symbol(name, base, sizeOf(this.types.of(word)), 'A');
    this.types.setVariable(name, this.types.of(word));
    return base;
  }

  /** Dynamic per-CPU memory: `ref(label)` is the `__percpu` pointer, 'label@0' ... are the objects. */
  perCpuPointer(label: string, word: TypeWord, values: readonly Value[]): VirtAddr {
    const type = this.types.of(word);
    const offset = Math.ceil(this.#perCpuOffset / 64) * 64;
    this.#perCpuOffset = offset + sizeOf(type);
    for (let cpu = 0; cpu < this.#cpus; cpu++) {
      this.#put(`${label}@${cpu}`, type, values[cpu] ?? {}, add(this.#perCpu, cpu * PER_CPU_STRIDE + offset));
    }
    this.#label(label, { address: virt(BigInt(offset)), type });
    return virt(BigInt(offset));
  }

  /** Links a list: `head` and `nodes` are labels of `struct list_head` members. */
  list(head: string, nodes: readonly string[] = []): void {
    const ring = [head, ...nodes];
    ring.forEach((node, i) => {
      this.write(`${node}.next`, ref(ring[(i + 1) % ring.length] ?? head));
      this.write(`${node}.prev`, ref(ring.at(i - 1) ?? head));
    });
  }

  /** Links a hash list: `head` is a `struct hlist_head`, `nodes` are `struct hlist_node` members. */
  hlist(head: string, nodes: readonly string[]): void {
    let link = `${head}.first`;
    for (const node of nodes) {
      this.write(link, ref(node));
      this.write(`${node}.pprev`, ref(link));
      link = `${node}.next`;
    }
    this.write(link, 0);
  }

  /** A line of VMCOREINFO. */
  vmcoreinfo(key: string, value: string | number | bigint): void {
    this.vmcoreinfoLines.push(`${key}=${value}`);
  }

  /** Overwrites a labelled object or a member of it. */
  write(path: string, value: Value): void {
    const place = this.#find(path);
    if (place === undefined) throw new Error(`nothing is placed at '${path}'`);
    if (place.type === undefined) throw new Error(`'${path}' has no type`);
    this.#write(place.address, { type: place.type, offset: 0, bits: place.bits }, value);
  }

  /** The address of a label or of a member of it. */
  address(path: string): VirtAddr {
    const place = this.#find(path);
    if (place === undefined) throw new Error(`nothing is placed at '${path}'`);
    return place.address;
  }

  /** Resolves all references and closes the text; called when the program is made. */
  finish(): void {
    for (const [at, { size, ref: target }] of this.#references) {
      this.#storeInt(at, size, this.address(target.label) + target.addend);
    }
    if (this.#text !== TEXT && !this.symbols.some((symbol) => symbol.name === '_stext')) {
      this.symbol('_stext', TEXT, 0, 'T');
      this.symbol('_etext', this.#text, 0, 'T');
    }
  }

  #allocate(size: number, align: number, options: PlaceOptions): VirtAddr {
    const own = options.page !== undefined;
    const boundary = options.align ?? (own ? PAGE_SIZE : Math.max(8, align));
    const up = (value: bigint, to: number): bigint => ((value + BigInt(to) - 1n) / BigInt(to)) * BigInt(to);
    const address = virt(options.at ?? up(this.#data, boundary));
    if (options.at === undefined) {
      this.#data = virt(up(address + BigInt(Math.max(size, 1)), own ? PAGE_SIZE : 8));
    }
    const first = Number(address >> 12n);
    const last = Number((address + BigInt(Math.max(size, 1)) - 1n) >> 12n);
    for (let page = first; page <= last; page++) {
      if (options.page !== undefined && options.page !== 'data') this.states.set(page, options.page);
      this.#page(page);
    }
    return address;
  }

  #label(label: string, place: Labelled): void {
    if (this.#labels.has(label)) throw new Error(`the label '${label}' is in use`);
    this.#labels.set(label, place);
  }

  #put(label: string, type: CType, value: Value, address: VirtAddr): VirtAddr {
    this.#label(label, { address, type });
    this.#store(address, new Uint8Array(sizeOf(type)));
    this.#write(address, { type, offset: 0, bits: undefined }, value);
    return address;
  }

  #find(path: string): (Labelled & { readonly bits: MemberPlace['bits'] }) | undefined {
    const split = /^([^.[]+)\.?(.*)$/.exec(path);
    const found = this.#labels.get(split?.[1] ?? '');
    const rest = split?.[2] ?? '';
    if (found === undefined || rest === '') return found === undefined ? undefined : { ...found, bits: undefined };
    if (found.type === undefined) throw new Error(`'${path}': the label has no type`);
    // An array has no members by name: it is wrapped, so that paths may begin with an index.
    const outer: CType = {
      kind: 'struct',
      name: undefined,
      size: 0,
      members: [{ name: 'it', type: found.type, bitOffset: 0, bitSize: undefined }],
    };
    const place = this.#lookup.member(outer, rest.startsWith('[') ? `it${rest}` : `it.${rest}`);
    return { address: add(found.address, place.offset), type: place.type, bits: place.bits };
  }

  #write(base: VirtAddr, place: MemberPlace, value: Value): void {
    const at = add(base, place.offset);
    const bare = strip(place.type);
    if (value instanceof Uint8Array) {
      this.#store(at, value);
    } else if (bare.kind === 'array') {
      this.#writeArray(at, bare.element, bare.length, value);
    } else if (bare.kind === 'struct' || bare.kind === 'union') {
      if (typeof value === 'object' && !(value instanceof Ref) && !Array.isArray(value)) {
        for (const [path, part] of Object.entries(value) as [string, Value | undefined][])
          if (part !== undefined) this.#write(at, this.#lookup.member(bare, path), part);
      } else {
        const first = bare.members?.[0];
        if (first === undefined) throw new Error(`${typeName(bare)} has no members`);
        this.#write(at, { type: first.type, offset: 0, bits: undefined }, value);
      }
    } else {
      this.#writeScalar(at, bare, place.bits, value);
    }
  }

  #writeArray(at: VirtAddr, element: CType, length: number, value: Value): void {
    const values = typeof value === 'string' ? [...Buffer.from(value)] : value;
    if (!Array.isArray(values)) {
      if (typeof value === 'object' && !(value instanceof Ref) && Object.keys(value).length === 0) return;
      throw new Error(`${typeName(element)}[${length}] wants a list of values or text`);
    }
    if (length > 0 && values.length > length) throw new Error(`${values.length} values for ${length} elements`);
    values.forEach((each: Value, i) => {
      this.#write(at, { type: element, offset: i * sizeOf(element), bits: undefined }, each);
    });
  }

  #writeScalar(at: VirtAddr, type: CType, bits: MemberPlace['bits'], value: Value): void {
    const size = sizeOf(type);
    if (value instanceof Ref) {
      this.#references.set(at, { size, ref: value });
    } else if (typeof value === 'string' && type.kind === 'pointer') {
      const label = `string ${this.#strings++}`;
      this.#storeInt(at, size, this.bytes(label, Buffer.from(`${value}\0`)));
    } else if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') {
      // A number written over a reference replaces it.
      this.#references.delete(at);
      if (bits === undefined) return this.#storeInt(at, size, BigInt(value));
      const mask = ((1n << BigInt(bits.size)) - 1n) << BigInt(bits.shift);
      this.#storeInt(at, size, (this.#loadInt(at, size) & ~mask) | ((BigInt(value) << BigInt(bits.shift)) & mask));
    } else if (Object.keys(value).length > 0) {
      throw new Error(`a ${typeName(type)} wants a number or a reference`);
    }
  }

  #page(number: number): Uint8Array {
    let page = this.pages.get(number);
    if (page === undefined) this.pages.set(number, (page = new Uint8Array(PAGE_SIZE)));
    return page;
  }

  #store(at: VirtAddr, content: Uint8Array): void {
    for (let done = 0; done < content.length; ) {
      const address = at + BigInt(done);
      const offset = Number(address & 0xfffn);
      const part = content.subarray(done, done + PAGE_SIZE - offset);
      this.#page(Number(address >> 12n)).set(part, offset);
      done += part.length;
    }
  }

  #storeInt(at: VirtAddr, size: number, value: bigint): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
    this.#store(at, bytes.subarray(0, size));
  }

  #loadInt(at: VirtAddr, size: number): bigint {
    const bytes = Buffer.alloc(8);
    for (let i = 0; i < size; i++) {
      const address = at + BigInt(i);
      bytes[i] = this.#page(Number(address >> 12n))[Number(address & 0xfffn)] ?? 0;
    }
    return bytes.readBigUInt64LE();
  }
}
