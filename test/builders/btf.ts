/**
 * Writes BTF (include/uapi/linux/btf.h) for tests and synthetic kernels: each call adds one type and returns its id.
 *
 *   const btf = new BtfBuilder();
 *   const int = btf.int('int', 4, { signed: true });
 *   btf.struct('list_head', 16, [{ name: 'next', type: btf.pointer(3), bits: 0 }]);
 *   parseBtf(btf.bytes());
 *
 * `new BtfBuilder(base)` continues another one: split BTF of a module. `record` writes anything, also nonsense.
 */

export interface BtfMemberSpec {
  /** Undefined: anonymous. */
  readonly name: string | undefined;
  readonly type: number;
  /** Offset in bits. */
  readonly bits: number;
  /** Width of a bit field; any member that has one makes the struct one of kind_flag 1. */
  readonly width?: number;
}

export class BtfBuilder {
  readonly firstId: number;
  readonly stringsStart: number;
  readonly #base: BtfBuilder | undefined;
  readonly #words: number[] = [];
  readonly #strings: string[] = [];
  readonly #offsets = new Map<string, number>();
  #stringsLength = 0;
  #count = 0;

  constructor(base?: BtfBuilder) {
    this.#base = base;
    this.firstId = base === undefined ? 1 : base.nextId;
    this.stringsStart = base === undefined ? 0 : base.stringsStart + base.#stringsLength;
    // Only the first table begins with the empty string.
    if (base === undefined) this.string('');
  }

  get nextId(): number {
    return this.firstId + this.#count;
  }

  /** Offset of a string, added when it is new to this BTF and its base. */
  string(text: string): number {
    const known = this.#find(text);
    if (known !== undefined) return known;
    const offset = this.stringsStart + this.#stringsLength;
    this.#offsets.set(text, offset);
    this.#strings.push(`${text}\0`);
    this.#stringsLength += text.length + 1;
    return offset;
  }

  #find(text: string): number | undefined {
    const own = this.#offsets.get(text);
    return own !== undefined || this.#base === undefined ? own : this.#base.#find(text);
  }

  /** struct btf_type and the words behind it. */
  record(
    kind: number,
    name: string | number | undefined,
    sizeOrType: number,
    extra: readonly number[] = [],
    options: { readonly vlen?: number; readonly flag?: boolean } = {},
  ): number {
    const id = this.nextId;
    const info = (((options.flag ?? false) ? 1 : 0) << 31) | (kind << 24) | (options.vlen ?? 0);
    this.#words.push(typeof name === 'number' ? name : this.string(name ?? ''), info, sizeOrType, ...extra);
    this.#count++;
    return id;
  }

  int(
    name: string,
    size: number,
    options: {
      readonly signed?: boolean;
      readonly bool?: boolean;
      readonly bits?: number;
      readonly offset?: number;
    } = {},
  ): number {
    const encoding = (options.signed === true ? 1 : 0) | (options.bool === true ? 4 : 0);
    return this.record(1, name, size, [(encoding << 24) | ((options.offset ?? 0) << 16) | (options.bits ?? size * 8)]);
  }
  pointer(target: number): number {
    return this.record(2, undefined, target);
  }
  array(element: number, length: number, index = element): number {
    return this.record(3, undefined, 0, [element, index, length]);
  }
  struct(name: string | undefined, size: number, members: readonly BtfMemberSpec[]): number {
    return this.#composite(4, name, size, members);
  }
  union(name: string | undefined, size: number, members: readonly BtfMemberSpec[]): number {
    return this.#composite(5, name, size, members);
  }
  #composite(kind: number, name: string | undefined, size: number, members: readonly BtfMemberSpec[]): number {
    const flag = members.some((member) => member.width !== undefined);
    const extra = members.flatMap((member) => [
      this.string(member.name ?? ''),
      member.type,
      flag ? ((member.width ?? 0) << 24) | member.bits : member.bits,
    ]);
    return this.record(kind, name, size, extra, { vlen: members.length, flag });
  }
  enum(
    name: string | undefined,
    values: Readonly<Record<string, number>>,
    options: { readonly signed?: boolean; readonly size?: number } = {},
  ): number {
    const entries = Object.entries(values);
    return this.record(
      6,
      name,
      options.size ?? 4,
      entries.flatMap(([key, value]) => [this.string(key), value]),
      { vlen: entries.length, flag: options.signed ?? false },
    );
  }
  enum64(
    name: string | undefined,
    values: Readonly<Record<string, bigint>>,
    options: { readonly signed?: boolean } = {},
  ): number {
    const entries = Object.entries(values);
    const extra = entries.flatMap(([key, value]) => [
      this.string(key),
      Number(BigInt.asUintN(32, value)),
      Number(BigInt.asUintN(32, value >> 32n)),
    ]);
    return this.record(19, name, 8, extra, { vlen: entries.length, flag: options.signed ?? false });
  }
  forward(name: string, kind: 'struct' | 'union'): number {
    return this.record(7, name, 0, [], { flag: kind === 'union' });
  }
  typedef(name: string, target: number): number {
    return this.record(8, name, target);
  }
  volatile(target: number): number {
    return this.record(9, undefined, target);
  }
  const(target: number): number {
    return this.record(10, undefined, target);
  }
  restrict(target: number): number {
    return this.record(11, undefined, target);
  }
  prototype(result: number, parameters: readonly { readonly name: string; readonly type: number }[]): number {
    const extra = parameters.flatMap((parameter) => [this.string(parameter.name), parameter.type]);
    return this.record(13, undefined, result, extra, { vlen: parameters.length });
  }
  func(name: string, prototype: number): number {
    return this.record(12, name, prototype);
  }
  variable(name: string, type: number): number {
    return this.record(14, name, type, [1]);
  }
  /** A section of variables, such as '.data..percpu'. */
  datasec(name: string, variables: readonly { readonly id: number; readonly offset: number; readonly size: number }[]) {
    const extra = variables.flatMap(({ id, offset, size }) => [id, offset, size]);
    return this.record(15, name, 0, extra, { vlen: variables.length });
  }
  float(name: string, size: number): number {
    return this.record(16, name, size);
  }
  declTag(text: string, target: number): number {
    return this.record(17, text, target, [0xffff_ffff]);
  }
  typeTag(text: string, target: number): number {
    return this.record(18, text, target);
  }

  /** @param options - a header of another size; a layout section (Linux 7.1), one {info_sz, elem_sz} per kind */
  bytes(
    options: { readonly headerSize?: number; readonly layout?: readonly (readonly [number, number])[] } = {},
  ): Uint8Array {
    const headerSize = options.headerSize ?? (options.layout === undefined ? 24 : 32);
    const types = this.#words.length * 4;
    const layout = (options.layout ?? []).flatMap(([info, element]) => [info, element, 0, 0]);
    const out = Buffer.alloc(headerSize + types + this.#stringsLength + layout.length);
    out.writeUInt16LE(0xeb9f, 0);
    out.writeUInt8(1, 2);
    out.writeUInt32LE(headerSize, 4);
    out.writeUInt32LE(0, 8);
    out.writeUInt32LE(types, 12);
    out.writeUInt32LE(types, 16);
    out.writeUInt32LE(this.#stringsLength, 20);
    if (headerSize >= 32) {
      out.writeUInt32LE(types + this.#stringsLength, 24);
      out.writeUInt32LE(layout.length, 28);
    }
    for (const [i, word] of this.#words.entries()) out.writeInt32LE(word | 0, headerSize + i * 4);
    out.write(this.#strings.join(''), headerSize + types, 'latin1');
    out.set(layout, headerSize + types + this.#stringsLength);
    return new Uint8Array(out);
  }
}
