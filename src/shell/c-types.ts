/**
 * C types as gdb spells them: names of types, declarations, the definition of a struct with or without offsets. Types may
 * be damaged and nest without end: depth and lines are bounded.
 */
import type { CType, FunctionType, Member, StructType } from '../debuginfo/type.ts';

const MAX_DEPTH = 32;

/** The compiler's names of the basic types, as C programmers write them. */
const SPELLED: { readonly [name: string]: string } = {
  'long int': 'long',
  'long unsigned int': 'unsigned long',
  'short int': 'short',
  'short unsigned int': 'unsigned short',
  'long long int': 'long long',
  'long long unsigned int': 'unsigned long long',
  '__int128 unsigned': 'unsigned __int128',
};

/** 'struct task_struct *', 'unsigned long [3]', 'int (*)(struct file *)'. */
export function cTypeName(type: CType): string {
  return declare(type, '', 0).trimEnd();
}

/** 'struct list_head *next', 'unsigned long bits[16]', 'void (*func)(struct callback_head *)'. */
export function declaration(type: CType, name: string): string {
  return declare(type, name, 0);
}

/** Puts a type around a declarator, from the outermost derivation to the base type. */
function declare(type: CType, inner: string, depth: number): string {
  if (depth > MAX_DEPTH) return `... ${inner}`;
  switch (type.kind) {
    case 'pointer': {
      const needsParentheses = type.target.kind === 'array' || type.target.kind === 'function';
      return declare(type.target, needsParentheses ? `(*${inner})` : `*${inner}`, depth + 1);
    }
    case 'array':
      return declare(type.element, `${inner === '' ? ' ' : inner}[${type.length === 0 ? '' : type.length}]`, depth + 1);
    case 'function':
      return declare(type.result, `${inner}(${parameters(type, depth + 1)})`, depth + 1);
    case 'const':
    case 'volatile':
    case 'restrict': {
      // On a pointer the qualifier stands behind the star.
      if (type.target.kind !== 'pointer') return `${type.kind} ${declare(type.target, inner, depth + 1)}`;
      return declare(type.target, ` ${type.kind}${inner === '' ? '' : ` ${inner}`}`, depth + 1);
    }
    case 'atomic':
    case 'tag':
      return declare(type.target, inner, depth + 1);
    default: {
      const base = baseName(type);
      return inner === '' ? base : `${base} ${inner.trimStart()}`;
    }
  }
}

function parameters({ parameters: list }: FunctionType, depth: number): string {
  if (list.length === 0) return 'void';
  const spelled = list.map(({ type }) => declare(type, '', depth).trimEnd());
  // BTF marks a variable number of arguments by a last parameter of type void.
  if (list.length > 1 && list.at(-1)?.type.kind === 'void') spelled[spelled.length - 1] = '...';
  return spelled.join(', ');
}

function baseName(type: CType): string {
  switch (type.kind) {
    case 'void':
      return 'void';
    case 'int':
    case 'float':
      return SPELLED[type.name] ?? type.name;
    case 'typedef':
      return type.name;
    case 'struct':
    case 'union':
    case 'enum':
      return `${type.kind} ${type.name ?? '{...}'}`;
    default:
      return '...';
  }
}

export interface DefinitionOptions {
  /** Offsets in front of each member; with an address, the members' addresses. */
  readonly offsets?: { readonly base: bigint | undefined };
}

/** Lines of a definition at most. */
const MAX_LINES = 1 << 16;

/**
 * The definition of a struct or union as crash prints it, `SIZE` not included.
 * @param only - one member instead of all
 */
export function definition(type: StructType, options: DefinitionOptions = {}, only?: Member): string[] {
  const { offsets } = options;
  const digits = offsets?.base === undefined ? String(type.size).length : 16;
  const width = offsets === undefined ? 0 : digits + 4;
  const lines: string[] = [`${baseName(type).replace(/ \{\.\.\.\}$/, '')} {`];
  const label = (bitOffset: number): string => {
    if (offsets === undefined) return '';
    const offset = BigInt(Math.floor(bitOffset / 8));
    const text = offsets.base === undefined ? `${offset}` : BigInt.asUintN(64, offsets.base + offset).toString(16);
    return `[${text}]`.padStart(width);
  };
  const put = (prefix: string, depth: number, text: string): void => {
    if (lines.length >= MAX_LINES) return;
    const indent = '    '.repeat(depth);
    lines.push(offsets === undefined ? `    ${indent}${text}` : `${prefix.padEnd(width)} ${indent}${text}`);
  };
  const members = (of: StructType, base: number, depth: number): void => {
    for (const [i, member] of (of.members ?? []).entries()) {
      if (only !== undefined && member !== only) continue;
      const at = base + member.bitOffset;
      const anonymous = anonymousOf(member.type);
      if (anonymous !== undefined && depth < MAX_DEPTH) {
        put('', depth, `${anonymous.outer}${anonymous.type.kind} {`);
        if (anonymous.type.members?.length === 0) put('', depth + 1, '<no data fields>');
        members(anonymous.type, at, depth + 1);
        const name = declareWith(member.type, anonymous.type, member.name ?? '');
        put(
          offsets !== undefined && member.name !== undefined ? label(at) : '',
          depth,
          `}${name === '' ? '' : ` ${name}`};`,
        );
        continue;
      }
      put(label(at), depth, `${memberDeclaration(member, of, i)};`);
    }
  };
  members(type, 0, 0);
  lines.push('}');
  return lines;
}

/** An anonymous struct or union that must be spelled out where it stands. */
function anonymousOf(type: CType): { readonly type: StructType; readonly outer: string } | undefined {
  let at = type;
  let outer = '';
  for (let i = 0; i < MAX_DEPTH; i++) {
    if (at.kind === 'struct' || at.kind === 'union') {
      return at.name === undefined && at.members !== undefined ? { type: at, outer } : undefined;
    }
    if (at.kind === 'pointer') at = at.target;
    else if (at.kind === 'array') at = at.element;
    else if (at.kind === 'const' || at.kind === 'volatile') {
      outer += `${at.kind} `;
      at = at.target;
    } else return undefined;
  }
  return undefined;
}

/** What stands behind the closing brace: '*name', 'name[4]'. */
function declareWith(type: CType, anonymous: StructType, name: string): string {
  const marker = '\u0000';
  const spelled = declare(replaceBase(type, anonymous, marker), name, 0);
  return spelled
    .replace(marker, '')
    .replace(/^(?:const |volatile )+/, '')
    .trim();
}

function replaceBase(type: CType, anonymous: StructType, marker: string): CType {
  if (type === anonymous) return { kind: 'typedef', name: marker, target: type };
  if (type.kind === 'pointer') return { ...type, target: replaceBase(type.target, anonymous, marker) };
  if (type.kind === 'array') return { ...type, element: replaceBase(type.element, anonymous, marker) };
  if (type.kind === 'const' || type.kind === 'volatile') return replaceBase(type.target, anonymous, marker);
  return type;
}

/** 'unsigned int flags : 3', 'char data[]'; an array of no length in the middle of a struct is spelled `[0]`. */
export function memberDeclaration(member: Member, of?: StructType, index = 0): string {
  const name = member.name ?? '';
  if (member.bitSize !== undefined) return `${declare(member.type, name, 0)} : ${member.bitSize}`;
  const isEmpty = member.type.kind === 'array' && member.type.length === 0;
  const last = of === undefined || index === (of.members?.length ?? 0) - 1;
  const spelled = declare(member.type, name, 0);
  return isEmpty && !last ? spelled.replace(`${name}[]`, `${name}[0]`) : spelled;
}

/** Lines of an enum: its enumerators with their values. */
export function enumDefinition(type: CType): string[] {
  if (type.kind !== 'enum') return [];
  const values = (type.enumerators ?? []).map(({ name, value }) => `  ${name} = ${value}`);
  return [`${baseName(type)} {`, ...values, '};'];
}
