/**
 * For kernels without types (no BTF: before 5.2, or built without): the few members that tasks and their stacks need,
 * found by what they hold. `init_task` is known by its symbol; its name gives `comm`, the list on which everything that
 * follows has a name too is `tasks`, and so on (inferred-members.ts). What is found is a source of types like any other,
 * but marked: structures that it has lack most members, and nothing that rests on it is certain.
 * `struct inactive_task_frame` and `struct list_head` are fixed by the x86-64 ABI of the scheduler and by the language.
 * Kernels before 4.9, which switch in another way, are told by what lies on the stacks.
 * Not found: anything that is not in `struct task_struct`.
 */
import type { CType, IntType, Member, NamedKind, StructType, TypeSource } from '../debuginfo/type.ts';
import { inferMembers, type InferredMembers } from './inferred-members.ts';
import type { Program } from './program.ts';

const integer = (name: string, size: number, signed: boolean, encoding: IntType['encoding'] = 'int'): IntType => ({
  kind: 'int',
  name,
  size,
  signed,
  encoding,
});
const INT = integer('int', 4, true);
const UNSIGNED = integer('unsigned int', 4, false);
const LONG = integer('long unsigned int', 8, false);
const CHAR = integer('char', 1, true, 'char');
const NAME: CType = { kind: 'array', element: CHAR, length: 16 };

/** What is known without looking. */
const FIXED: readonly StructType[] = [
  struct('list_head', 16, { next: [0, pointerTo()], prev: [8, pointerTo()] }),
  // Since 4.9 (commit 0100301bfdf5), the same to this day.
  struct('inactive_task_frame', 56, {
    r15: [0, LONG],
    r14: [8, LONG],
    r13: [16, LONG],
    r12: [24, LONG],
    bx: [32, LONG],
    bp: [40, LONG],
    ret_addr: [48, LONG],
  }),
];

/** C types of the members that are looked for. */
const MEMBERS: { readonly [name in keyof InferredMembers]: CType } = {
  __state: UNSIGNED,
  stack: pointerTo(),
  flags: UNSIGNED,
  tasks: FIXED[0] ?? LONG,
  mm: pointerTo('mm_struct'),
  exit_state: INT,
  pid: INT,
  tgid: INT,
  real_parent: pointerTo('task_struct'),
  group_leader: pointerTo('task_struct'),
  thread_node: FIXED[0] ?? LONG,
  signal: pointerTo('signal_struct'),
  comm: NAME,
};

/**
 * @returns undefined when the list of tasks was not found, or one of the members that every reader of tasks needs
 * @throws nothing for what the dump holds
 */
export function inferTypes(program: Program): TypeSource | undefined {
  const found = inferMembers(program);
  if (found === undefined) return undefined;
  const { members, sp, isPushed, stackSize, threadHead, taskSize, runQueue } = found;
  const task: { [name: string]: readonly [number, CType] } = {};
  for (const [name, type] of Object.entries(MEMBERS)) {
    const offset = members[name as keyof InferredMembers];
    if (offset !== undefined) task[name] = [offset, type];
  }
  if (sp !== undefined) task.thread = [sp, struct('thread_struct', 8, { sp: [0, LONG] })];
  // Whoever reads registers tells by this structure how the kernel switches.
  const fixed = isPushed ? FIXED.filter(({ name }) => name !== 'inactive_task_frame') : FIXED;
  const structs = [...fixed, struct('task_struct', taskSize, task)];
  const unions: StructType[] =
    stackSize === undefined ? [] : [{ kind: 'union', name: 'thread_union', size: stackSize, members: [] }];
  if (threadHead !== undefined)
    structs.push(struct('signal_struct', threadHead + 16, { thread_head: [threadHead, FIXED[0] ?? LONG] }));
  if (runQueue !== undefined) {
    const pointer = pointerTo('task_struct');
    const { curr, idle } = runQueue;
    structs.push(struct('rq', idle + 8, { curr: [curr, pointer], idle: [idle, pointer] }));
  }
  // It came with the numbers of task states that are used since 4.14 (commits cd9e61ed1eeb, 1d48b080bcce), as ORC did.
  if (program.hasSymbol('__start_orc_unwind_ip') || program.hasSymbol('rb_insert_color_cached'))
    structs.push(struct('rb_root_cached', 16, {}));
  program.layouts.chose('struct task_struct', 'found by what it holds, as there are no types', []);
  return new InferredTypes(structs, unions);
}

const NONE: ReadonlyMap<string, CType> = new Map();

class InferredTypes implements TypeSource {
  readonly name = 'what task_struct holds';
  readonly inferred = true;
  readonly #structs: ReadonlyMap<string, StructType>;
  readonly #unions: ReadonlyMap<string, StructType>;
  readonly #integers: ReadonlyMap<string, IntType>;

  constructor(structs: readonly StructType[], unions: readonly StructType[]) {
    this.#structs = new Map(structs.map((type) => [type.name ?? '', type]));
    this.#unions = new Map(unions.map((type) => [type.name ?? '', type]));
    this.#integers = new Map([INT, UNSIGNED, LONG, CHAR].map((type) => [type.name, type]));
  }

  find(kind: NamedKind, name: string): readonly CType[] {
    const found = { struct: this.#structs, union: this.#unions, int: this.#integers, enum: NONE, typedef: NONE }[kind];
    const type = found.get(name);
    return type === undefined ? [] : [type];
  }

  enumerator(): undefined {}
  variable(): undefined {}
  func(): undefined {}
}

function pointerTo(name?: string): CType {
  const target: CType = name === undefined ? { kind: 'void' } : { kind: 'struct', name, size: 0, members: undefined };
  return { kind: 'pointer', size: 8, target };
}

function struct(
  name: string,
  size: number,
  members: { readonly [name: string]: readonly [number, CType] },
): StructType {
  const made: Member[] = Object.entries(members).map(([member, [offset, type]]) => ({
    name: member,
    type,
    bitOffset: offset * 8,
    bitSize: undefined,
  }));
  return { kind: 'struct', name, size, members: made };
}
