/**
 * Every record of the BTF as bpftool decodes it and as our reader does: kind, name, size, and for each member name,
 * place in bits, width of a bit field, and type.
 */
import type { Btf } from '../../src/debuginfo/btf.ts';
import type { CType } from '../../src/debuginfo/type.ts';
import { Answers } from '../answers.ts';

interface Member {
  readonly name: string;
  readonly type_id: number;
  readonly bits_offset: number;
  readonly bitfield_size?: number;
}

/** One type in `bpftool -j btf dump`. */
interface Dumped {
  readonly id: number;
  readonly kind: string;
  readonly name: string;
  readonly size?: number;
  readonly type_id?: number;
  readonly ret_type_id?: number;
  readonly nr_elems?: number;
  readonly encoding?: string;
  readonly fwd_kind?: string;
  readonly members?: readonly Member[];
  readonly values?: readonly { readonly name: string; readonly val: string }[];
  readonly params?: readonly { readonly name: string; readonly type_id: number }[];
}

/** Kinds that are no types of their own: a function's type is its prototype, a variable's that of its value. */
const NOT_TYPES = new Set(['FUNC', 'VAR', 'DATASEC', 'DECL_TAG']);
const QUALIFIERS = new Set(['CONST', 'VOLATILE', 'RESTRICT', 'TYPE_TAG']);

function parse(text: string): readonly Dumped[] {
  // Values of enumerators need all their 64 bits: taken from the text where a number has not enough.
  const { types } = JSON.parse(text, (key, value: unknown, context?: { readonly source?: string }) =>
    key === 'val' ? (context?.source ?? value) : value,
  ) as { readonly types: readonly Dumped[] };
  return types;
}

const nameOf = (name: string | undefined): string => (name === undefined || name === '' ? '(anon)' : name);

function theirText(type: Dumped): string {
  const { kind, name, size } = type;
  switch (kind) {
    case 'STRUCT':
    case 'UNION': {
      const members = (type.members ?? []).map(
        (m) => `${m.name}@${m.bits_offset}:${m.bitfield_size ?? 0}=${m.type_id}`,
      );
      return `${kind} ${name} ${size} ${members.join(' ')}`;
    }
    case 'ENUM':
    case 'ENUM64':
      // An enum without enumerators is a forward declaration.
      return `ENUM ${name} ${size} ${type.encoding} ${(type.values ?? []).map((v) => `${v.name}=${v.val}`).join(' ')}`;
    case 'INT':
      return `INT ${name} ${size} ${type.encoding}`;
    case 'ARRAY':
      return `ARRAY ${type.nr_elems} ${type.type_id}`;
    case 'FWD':
      return `FWD ${type.fwd_kind} ${name}`;
    case 'FUNC_PROTO':
      return `FUNC_PROTO ${type.ret_type_id} ${(type.params ?? []).map((p) => `${nameOf(p.name)}=${p.type_id}`).join(' ')}`;
    case 'FLOAT':
      return `FLOAT ${name} ${size}`;
    default:
      return QUALIFIERS.has(kind) ? `QUALIFIED ${type.type_id}` : `${kind} ${name} ${type.type_id}`;
  }
}

function ourText(type: CType, idOf: (type: CType) => number | undefined): string {
  const name = 'name' in type ? nameOf(type.name) : '';
  switch (type.kind) {
    case 'struct':
    case 'union': {
      if (type.members === undefined) return `FWD ${type.kind} ${name}`;
      const members = type.members.map(
        (m) => `${nameOf(m.name)}@${m.bitOffset}:${m.bitSize ?? 0}=${idOf(m.type) ?? '?'}`,
      );
      return `${type.kind.toUpperCase()} ${name} ${type.size} ${members.join(' ')}`;
    }
    case 'enum': {
      const values = (type.enumerators ?? []).map((v) => `${v.name}=${v.value}`);
      return `ENUM ${name} ${type.size} ${type.signed ? 'SIGNED' : 'UNSIGNED'} ${values.join(' ')}`;
    }
    case 'int': {
      // Our reader calls a type a character by its name; BTF has a bit for it that no compiler sets.
      const encoding = type.encoding === 'bool' ? 'BOOL' : type.signed ? 'SIGNED' : '(none)';
      return `INT ${name} ${type.size} ${encoding}`;
    }
    case 'array':
      return `ARRAY ${type.length} ${idOf(type.element)}`;
    case 'function':
      return `FUNC_PROTO ${idOf(type.result)} ${type.parameters.map((p) => `${nameOf(p.name)}=${idOf(p.type)}`).join(' ')}`;
    case 'float':
      return `FLOAT ${name} ${type.size}`;
    case 'pointer':
      return `PTR (anon) ${idOf(type.target)}`;
    case 'typedef':
      return `TYPEDEF ${name} ${idOf(type.target)}`;
    case 'void':
      return 'VOID';
    default:
      return `QUALIFIED ${idOf(type.target)}`;
  }
}

/** Answers of both: group 'BTF records', the record's number -> its text. */
export function btfAnswers(json: string, btf: Btf, ours: Answers): Answers {
  const theirs = new Answers();
  const dumped = parse(json).filter(({ kind }) => !NOT_TYPES.has(kind));
  const ids = new Map<CType, number>([[btf.type(0), 0]]);
  for (const { id } of dumped) ids.set(btf.type(id), id);
  for (const type of dumped) {
    theirs.say('BTF records', String(type.id), theirText(type).trim());
    ours.say('BTF records', String(type.id), ourText(btf.type(type.id), (each) => ids.get(each)).trim());
  }
  // Every number that we know is one that they know.
  const all = parse(json);
  ours.say('BTF records', 'last', btf.ids.end - 1);
  theirs.say('BTF records', 'last', String(all.at(-1)?.id));
  return theirs;
}
