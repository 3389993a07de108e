/**
 * Members by the names that people remember: `state` finds `__state` (renamed in 5.14), `cpu` finds `thread_info.cpu`.
 */
import type { StructType } from '../debuginfo/type.ts';
import type { Program } from '../program/program.ts';
import { type MemberPlace, strip, typeName } from '../program/types.ts';

/** Members that moved into another one, by the struct that they left. */
const MOVED: { readonly [member: string]: readonly string[] } = {
  // task_struct.cpu until 5.15 (commit bcf9033e5449).
  'struct task_struct.cpu': ['thread_info.cpu'],
  // page.flags became memdesc_flags_t in 6.18; mm_struct.mmap_sem mmap_lock in 5.8 (commit c1e8d7c6a7a6).
  'struct page.flags': ['flags.f'],
  'struct mm_struct.mmap_sem': ['mmap_lock'],
  // inode.i_mutex became i_rwsem in 4.7 (commit 9902af79c01a).
  'struct inode.i_mutex': ['i_rwsem'],
  // Times of inodes are __i_*time since 6.7, plain seconds since 6.11.
  'struct inode.i_atime': ['i_atime_sec'],
  'struct inode.i_mtime': ['i_mtime_sec'],
  'struct inode.i_ctime': ['i_ctime_sec'],
};

export interface FoundMember {
  readonly place: MemberPlace;
  /** The name that this kernel has. */
  readonly path: string;
}

/** A member by its path, also under a name that it has had or got; undefined when there is none. */
export function findMember(program: Program, type: StructType, path: string): FoundMember | undefined {
  const exact = program.types.tryMember(type, path);
  if (exact !== undefined) return { place: exact, path };
  for (const candidate of aliases(type, path)) {
    const place = program.types.tryMember(type, candidate);
    if (place !== undefined) return { place, path: candidate };
  }
  return undefined;
}

function aliases(type: StructType, path: string): string[] {
  const [first = '', ...rest] = path.split('.');
  const tail = rest.length === 0 ? '' : `.${rest.join('.')}`;
  const moved = MOVED[`${typeName(type)}.${first}`] ?? [];
  const bare = first.replace(/^_+/, '');
  return [...moved, `__${bare}`, `_${bare}`, bare].filter((name) => name !== first).map((name) => `${name}${tail}`);
}

const MAX_DEPTH = 16;

/** Names of the members of a struct, those of anonymous structs in it included. */
export function memberNames(type: StructType, depth = 0): string[] {
  if (depth > MAX_DEPTH) return [];
  return (type.members ?? []).flatMap((member) => {
    if (member.name !== undefined) return [member.name];
    const inner = strip(member.type);
    return inner.kind === 'struct' || inner.kind === 'union' ? memberNames(inner, depth + 1) : [];
  });
}
