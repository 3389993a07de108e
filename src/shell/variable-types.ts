/**
 * Types of global variables, for people who ask for one by its name: BTF's where it has some, the table that the kernel
 * helpers rest on, and a long list of others. Where the list is wrong for a kernel, what it shows is a number of another
 * size: a cast says better.
 */
import { attempt } from '../base/errors.ts';
import type { CType } from '../debuginfo/type.ts';
import type { Program } from '../program/program.ts';
import { SCALAR_VARIABLES } from './variable-types-scalars.ts';
import { STRUCT_VARIABLES } from './variable-types-structs.ts';

/** Arrays whose lengths depend on the configuration: by a variable or an enumerator that tells it, or without one. */
const ARRAYS: { readonly [name: string]: readonly [type: string, length: string | undefined] } = {
  __per_cpu_offset: ['unsigned long', 'nr_cpu_ids'],
  node_data: ['struct pglist_data *', 'nr_node_ids'],
  vm_zone_stat: ['atomic_long_t', 'NR_VM_ZONE_STAT_ITEMS'],
  vm_node_stat: ['atomic_long_t', 'NR_VM_NODE_STAT_ITEMS'],
  linux_banner: ['const char', undefined],
  linux_proc_banner: ['const char', undefined],
};

const MAX_LENGTH = 8192;

/** Type of a global variable; undefined when nobody knows it. */
export function variableType(program: Program, name: string): CType | undefined {
  return arrayType(program, name) ?? attempt(() => program.global(name).type) ?? listed(program, name);
}

function arrayType(program: Program, name: string): CType | undefined {
  const [spelled, length] = Object.hasOwn(ARRAYS, name) ? (ARRAYS[name] ?? []) : [];
  if (spelled === undefined) return undefined;
  const element = parseType(program, spelled);
  const count = length === undefined ? 0 : lengthOf(program, length);
  if (element === undefined || count === undefined || count > MAX_LENGTH) return undefined;
  return { kind: 'array', element, length: count };
}

function lengthOf(program: Program, name: string): number | undefined {
  const symbol = program.symbols.kernel.lookup(name);
  if (symbol !== undefined) return attempt(() => program.memory.readU32(symbol.address));
  const value = attempt(() => program.enumerator(name));
  return value === undefined ? undefined : Number(value);
}

/** One search in a text of 60 KB for each variable that somebody asks for: no index is worth its memory. */
function listed(program: Program, name: string): CType | undefined {
  const word = new RegExp(`[ \n]${name}(?=[ \n])`);
  for (const table of [SCALAR_VARIABLES, STRUCT_VARIABLES]) {
    const at = word.exec(table)?.index;
    if (at === undefined) continue;
    // The line with the type is the last one that does not begin with a blank.
    const types = [...table.slice(0, at + 1).matchAll(/^(\S[^:\n]*):/gm)];
    const spelled = types.at(-1)?.[1];
    return spelled === undefined ? undefined : parseType(program, spelled);
  }
  return undefined;
}

/** 'const struct file_operations', 'unsigned long [3]', 'struct page **'. */
function parseType(program: Program, spelled: string): CType | undefined {
  const array = /^(.*?) ?((?:\[\d+\])+)$/.exec(spelled);
  if (array?.[1] !== undefined) {
    let type = parseType(program, array[1]);
    const lengths = [...(array[2] ?? '').matchAll(/\[(\d+)\]/g)].map((match) => Number(match[1])).reverse();
    for (const length of lengths) type = type === undefined ? undefined : { kind: 'array', element: type, length };
    return type;
  }
  if (spelled.endsWith('*')) {
    const target = parseType(program, spelled.slice(0, -1).trim());
    return target === undefined ? undefined : { kind: 'pointer', size: 8, target };
  }
  const qualified = /^(const|volatile) (.+)$/.exec(spelled);
  if (qualified?.[2] !== undefined) {
    const target = parseType(program, qualified[2]);
    return target === undefined ? undefined : { kind: qualified[1] === 'const' ? 'const' : 'volatile', target };
  }
  return program.types.tryFind(spelled);
}
