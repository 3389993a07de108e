/**
 * The layout of every struct and union: BTF as our reader has it, beside DWARF as pahole prints it. A layout is the
 * size, and of each member, anonymous structs and unions opened, its name, its place in bits and a bit field's width.
 */
import type { Btf } from '../../src/debuginfo/btf.ts';
import { KIND } from '../../src/debuginfo/btf-kinds.ts';
import type { CType, EnumType, StructType } from '../../src/debuginfo/type.ts';
import { Answers } from '../answers.ts';

/** `struct a {` at the start of a line, to `};`. */
const OPENED = /^(struct|union) (\w+) \{/;
const MEMBER = /^\s+(.*?);?\s*\/\*\s+(\d+)(?::\s*(\d+))?\s+(\d+)\s+\*\/$/;

/** The name in a declaration: 'int (*open)(struct inode *)', 'u8 pad[3]', '} __attribute__((packed)) u', 'u32 a:3'. */
export function declaredName(text: string): { readonly name: string; readonly width: string } {
  const plain = text.replace(/\s*__attribute__\(\(.*?\)\)+/g, '').trim();
  // A type alone: its members are the outer struct's (-fms-extensions).
  if (/^(?:const |volatile )*(?:struct|union) +\w+$/.test(plain)) return { name: '', width: '0' };
  const pointer = /\(\*+(?:\s*const\b\s*|\s*\*\s*|\s)*(\w+)/.exec(plain)?.[1];
  if (pointer !== undefined) return { name: pointer, width: '0' };
  const width = /:(\d+)$/.exec(plain)?.[1] ?? '0';
  const head = plain.replace(/:\d+$/, '').replace(/(\[[^\]]*\])+$/, '');
  return { name: /(\w+)$/.exec(head)?.[1] ?? '', width };
}

/** pahole's answers, group 'layouts': 'struct a' -> layout. */
export function paholeAnswers(text: string): Answers {
  const answers = new Answers();
  let key: string | undefined;
  let members: string[] = [];
  let open: number[] = [];
  for (const line of text.split('\n')) {
    const opened = OPENED.exec(line);
    if (opened !== null) {
      key = `${opened[1]} ${opened[2]}`;
      members = [];
      open = [];
      continue;
    }
    if (key === undefined) continue;
    const size = /^\t\/\* size: (\d+),/.exec(line)?.[1];
    if (size !== undefined) {
      answers.say('layouts', key, `${size}: ${members.join(' ')}`.trim());
      key = undefined;
      continue;
    }
    // A struct without a name of its own: its members follow, its own place comes at its end.
    if (/^\s+(?:const |volatile )*(struct|union|enum) +(\w+ )?\{/.test(line)) {
      open.push(members.push('') - 1);
      continue;
    }
    const match = MEMBER.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) continue;
    const { name, width } = declaredName(match[1].replace(/^\}/, ''));
    const entry = `${name}@${Number(match[2]) * 8 + Number(match[3] ?? 0)}:${width}`;
    if (!/^\s+\}/.test(line)) members.push(entry);
    else {
      const first = open.pop() ?? 0;
      members[first] = entry;
      // What a pointer points to is no part of the struct.
      if (/^\}[^;]*\*/.test(match[1])) members.length = first + 1;
    }
  }
  return answers;
}

/** The struct or union without a name that a member is, or is an array of. */
function anonymous(type: CType): StructType | undefined {
  switch (type.kind) {
    case 'struct':
    case 'union':
      return type.name === undefined ? type : undefined;
    case 'array':
      return anonymous(type.element);
    case 'const':
    case 'volatile':
      return anonymous(type.target);
    default:
      return undefined;
  }
}

function* membersOf(type: StructType, base: number): Generator<string> {
  for (const { name, type: inner, bitOffset, bitSize } of type.members ?? []) {
    yield `${name ?? ''}@${base + bitOffset}:${bitSize ?? 0}`;
    const opened = anonymous(inner);
    if (opened !== undefined) yield* membersOf(opened, base + bitOffset);
  }
}

export const layoutOf = (type: StructType): string => `${type.size}: ${[...membersOf(type, 0)].join(' ')}`.trim();

/** All layouts of every named struct, union and enum that is defined: 'struct a' -> one, or more that are private to files. */
export function layoutsOf(btf: Btf): ReadonlyMap<string, ReadonlySet<string>> {
  const layouts = new Map<string, Set<string>>();
  for (let id = btf.ids.first; id < btf.ids.end; id++) {
    if (!DEFINING.has(btf.records.kind(id))) continue;
    const type = btf.type(id);
    if (type.kind !== 'struct' && type.kind !== 'union' && type.kind !== 'enum') continue;
    const text = type.kind === 'enum' ? enumText(type) : type.members === undefined ? undefined : layoutOf(type);
    if (type.name === undefined || text === undefined) continue;
    const key = `${type.kind} ${type.name}`;
    const known = layouts.get(key);
    if (known === undefined) layouts.set(key, new Set([text]));
    else known.add(text);
  }
  return layouts;
}

const DEFINING: ReadonlySet<number> = new Set([KIND.STRUCT, KIND.UNION, KIND.ENUM, KIND.ENUM64]);

/** Undefined for an enum that is only declared. */
function enumText({ size, enumerators = [] }: EnumType): string | undefined {
  return enumerators.length === 0 ? undefined : `${size}: ${enumerators.map((e) => `${e.name}=${e.value}`).join(' ')}`;
}

/**
 * Our answers beside an oracle's: of several types of one name the one that the oracle shows, if it is among them.
 * @param kinds - those that the oracle was asked for
 */
export function sayLayouts(
  group: string,
  layouts: ReadonlyMap<string, ReadonlySet<string>>,
  kinds: RegExp,
  theirs: Answers,
  ours: Answers,
): void {
  for (const [key, known] of layouts) {
    if (!kinds.test(key)) continue;
    const shown = theirs.get(group, key);
    const [first] = known;
    ours.say(group, key, typeof shown === 'string' && known.has(shown) ? shown : first);
  }
}
