/**
 * What `struct`, `union`, `task` and `list -s` share: 'task_struct.pid,comm' as a type and members, their values and
 * definitions in crash's layout. Members are found under names that they had, too.
 */
import { add, hex, type VirtAddr } from '../base/address.ts';
import { type FaultError, UsageError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import type { StructType } from '../debuginfo/type.ts';
import type { CommandContext } from '../model/command.ts';
import type { Data } from '../model/value.ts';
import type { Program } from '../program/program.ts';
import type { VirtualMemory } from '../program/virtual-memory.ts';
import { type MemberPlace, strip } from '../program/types.ts';
import { cTypeName, declaration, definition } from './c-types.ts';
import { memoryPlace, scalar, valueText } from './c-value.ts';
import { valueData } from './c-value-data.ts';
import { findMember, memberNames } from './members.ts';
import { parseCount, parseNumber } from './arguments.ts';

export interface SpecMember {
  readonly path: string;
  readonly place: MemberPlace;
}

/** 'task_struct.pid,comm'. */
export interface StructSpec {
  readonly type: StructType;
  /** 'struct task_struct'; the name of a typedef for what has no name of its own. */
  readonly name: string;
  /** Empty for the whole struct. */
  readonly members: readonly SpecMember[];
}

/**
 * @param kinds - tags to try, best first; a typedef of a struct will do as well
 * @throws UsageError that names the nearest type or member
 */
export function structSpec(
  program: Program,
  text: string,
  kinds: readonly ('struct' | 'union')[] = ['struct', 'union'],
): StructSpec {
  const [, name = text, rest] = /^([^.]+)(?:\.(.+))?$/.exec(text) ?? [];
  const { type, spelled } = structType(program, name, kinds);
  const members = rest === undefined ? [] : rest.split(',').map((path) => specMember(program, type, path));
  return { type, name: spelled, members };
}

function structType(
  program: Program,
  name: string,
  kinds: readonly ('struct' | 'union')[],
): { readonly type: StructType; readonly spelled: string } {
  for (const candidate of [...kinds.map((kind) => `${kind} ${name}`), name]) {
    const found = complete(program, candidate);
    if (found === undefined) continue;
    return { type: found, spelled: found.name === undefined ? name : `${found.kind} ${found.name}` };
  }
  throw new UsageError(`no struct, union or typedef '${name}' in this kernel${typeHint(program, name)}`);
}

/** A struct of that name with its members; types of modules are looked into when the kernel has none. */
function complete(program: Program, name: string): StructType | undefined {
  for (let i = 0; i < 2; i++) {
    const type = program.types.lookFor(name);
    const bare = type === undefined ? undefined : strip(type);
    if (bare !== undefined && (bare.kind === 'struct' || bare.kind === 'union') && bare.members !== undefined)
      return bare;
    program.addModuleTypes();
  }
  return undefined;
}

function typeHint(program: Program, name: string): string {
  const underscored = [`__${name}`, `_${name}`, name.replace(/_t$/, ''), `${name}_struct`, `${name}_t`];
  const found = underscored.find((each) => each !== name && program.types.tryFind(`struct ${each}`) !== undefined);
  return found === undefined ? '' : `; did you mean ${found}?`;
}

/** @throws UsageError that names the nearest member */
export function specMember(program: Program, type: StructType, path: string): SpecMember {
  const found = findMember(program, type, path);
  if (found !== undefined) return found;
  const guess = nearest(path.split(/[.[]/)[0] ?? path, memberNames(type));
  throw new UsageError(
    `${cTypeName(type)} has no member '${path}'${guess === undefined ? '' : `; did you mean ${guess}?`}`,
  );
}

/** Offset of a link: a number of bytes, or 'struct.member'. @throws UsageError */
export function offsetArgument(program: Program, text: string): number {
  if (parseNumber(text) !== undefined) return parseCount(text, 'offset', 0, 1 << 30);
  const [, type, path] = /^([\w ]+)\.(.+)$/.exec(text) ?? [];
  if (type === undefined || path === undefined)
    throw new UsageError(`offset '${text}': must be a number of bytes or STRUCT.MEMBER`);
  const spec = structSpec(program, text);
  const [member] = spec.members;
  return member === undefined ? 0 : member.place.offset;
}

export interface PrintOptions {
  readonly radix: 10 | 16;
  /** Notes what cannot be read. */
  readonly context: CommandContext;
  /** What is printed, for the note: 'struct rw_semaphore at 0x...'. */
  readonly what: string;
  /** Where it lies, when it is not the kernel's memory. */
  readonly memory?: VirtualMemory | undefined;
}

/** What bytes are read from. */
const sourceOf = ({ context, memory }: PrintOptions): Pick<Program, 'memory'> =>
  memory === undefined ? context.program : { memory };

function printer({ radix, context, what }: PrintOptions): Parameters<typeof valueText>[2] {
  return {
    program: context.program,
    radix,
    elements: context.session.printMax,
    unreadable: (error: FaultError) => context.problem(`${what}: ${error.message}`),
  };
}

/** `struct x {` ... `}` with all values. */
export function structLines(spec: StructSpec, address: VirtAddr, options: PrintOptions): string[] {
  const program = sourceOf(options);
  // The first byte must be there: else there is no such object at all.
  program.memory.readU8(address);
  const text = valueText(spec.type, memoryPlace(program, address), printer(options));
  return `${spec.name} ${text}`.split('\n');
}

/** `  pid = 96,` for each member, nested ones over several lines. */
export function memberLines(spec: StructSpec, address: VirtAddr, options: PrintOptions): string[] {
  const program = sourceOf(options);
  return spec.members.flatMap(({ path, place }) => {
    const at = add(address, place.offset);
    const text = valueText(place.type, memoryPlace(program, at, place.bits), printer(options), 2);
    // crash cuts these lines out of the whole struct, whose last member has no comma.
    const isLast = spec.type.members?.at(-1)?.name === path;
    return `  ${path} = ${text}${isLast ? '' : ','}`.split('\n');
  });
}

/** Members with what they point to below them: `struct -p`. */
export function pointedLines(spec: StructSpec, address: VirtAddr, options: PrintOptions): string[] {
  const program = sourceOf(options);
  return spec.members.flatMap(({ path, place }) => {
    const at = add(address, place.offset);
    const bare = strip(place.type);
    const target = bare.kind === 'pointer' ? strip(bare.target) : undefined;
    const value = valueText(place.type, memoryPlace(program, at, place.bits), printer(options), 2);
    const head = `  ${declaration(place.type, path)} = ${value}`.split('\n');
    if (target === undefined || (target.kind !== 'struct' && target.kind !== 'union')) return head;
    const pointer = scalar(memoryPlace(program, at), 8, false) as VirtAddr;
    if (pointer === 0n) return [...head, '  -> NULL'];
    const text = valueText(target, memoryPlace(program, pointer), printer(options), 5);
    return [...head, ...`  -> ${text}`.split('\n')];
  });
}

/** The definition, with offsets, or of single members only. */
export function definitionLines(spec: StructSpec, offsets: boolean, base: VirtAddr | undefined): string[] {
  if (spec.members.length === 0) {
    const [, ...rest] = definition(spec.type, offsets ? { offsets: { base } } : {});
    return [`${spec.name} {`, ...rest, `SIZE: ${spec.type.size}`];
  }
  const width = base === undefined ? String(spec.type.size).length + 4 : 20;
  const lines = spec.members.map(({ path, place }) => {
    const at = base === undefined ? String(place.offset) : add(base, place.offset).toString(16);
    const bits = place.bits === undefined ? '' : ` : ${place.bits.size}`;
    return `${`[${at}]`.padStart(width)} ${declaration(place.type, path)}${bits};`;
  });
  return [`${spec.name} {`, ...lines, '}'];
}

/** The same as data. */
export function structData(program: Pick<Program, 'memory'>, spec: StructSpec, address: VirtAddr): Data {
  if (spec.members.length === 0)
    return { address: hex(address), value: valueData(spec.type, memoryPlace(program, address)) };
  const value = Object.fromEntries(
    spec.members.map(({ path, place }) => [
      path,
      valueData(place.type, memoryPlace(program, add(address, place.offset), place.bits)),
    ]),
  );
  return { address: hex(address), value };
}
