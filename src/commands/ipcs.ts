/** `ipcs`: System V shared memory, semaphores and message queues of a namespace. */
import { add, type VirtAddr } from '../base/address.ts';
import { isDataError, UsageError } from '../base/errors.ts';
import { idrEntries } from '../kernel/idr.ts';
import { shmContents } from '../kernel/sysv-shm.ts';
import { type CommandContext, defineCommand } from '../model/command.ts';
import type { Shape, TextLine } from '../model/shape.ts';
import { address, type Data } from '../model/value.ts';
import { parseNumber } from '../shell/arguments.ts';
import { hex16, integer } from '../shell/format.ts';
import { oneTask } from '../shell/tasks.ts';

/** SHM_DEST and SHM_LOCKED, bits of the mode of a segment. */
const DESTROYED = 0o1000;
const LOCKED = 0o2000;

interface Kind {
  readonly key: 'shared_memory' | 'semaphores' | 'message_queues';
  /** Place in `ipc_namespace.ids[]`: IPC_SHM_IDS, IPC_SEM_IDS, IPC_MSG_IDS. */
  readonly index: number;
  readonly type: string;
  readonly permissions: string;
  readonly header: string;
  /** What stands behind the permissions. */
  readonly rest: (
    context: CommandContext,
    at: VirtAddr,
    mode: number,
  ) => { readonly text: string; readonly data: { readonly [key: string]: Data } };
}

const KINDS: readonly Kind[] = [
  {
    key: 'shared_memory',
    index: 2,
    type: 'struct shmid_kernel',
    permissions: 'shm_perm',
    header: 'SHMID_KERNEL     KEY      SHMID      UID   PERMS BYTES      NATTCH STATUS',
    rest({ program }, at, mode) {
      const bytes = program.field('struct shmid_kernel', 'shm_segsz').u64(at);
      const attached = program.field('struct shmid_kernel', 'shm_nattch').u64(at);
      const status = [...((mode & DESTROYED) === 0 ? [] : ['dest']), ...((mode & LOCKED) === 0 ? [] : ['locked'])].join(
        ' ',
      );
      return {
        text: `${String(bytes).padEnd(10)} ${String(attached).padEnd(6)} ${status}`,
        data: { bytes: integer(bytes), attached: integer(attached), status },
      };
    },
  },
  {
    key: 'semaphores',
    index: 0,
    type: 'struct sem_array',
    permissions: 'sem_perm',
    header: 'SEM_ARRAY        KEY      SEMID      UID   PERMS NSEMS',
    rest({ program }, at) {
      const count = program.field('struct sem_array', 'sem_nsems').number(at);
      return { text: `${count}`, data: { semaphores: count } };
    },
  },
  {
    key: 'message_queues',
    index: 1,
    type: 'struct msg_queue',
    permissions: 'q_perm',
    header: 'MSG_QUEUE        KEY      MSQID      UID   PERMS USED-BYTES   MESSAGES',
    rest({ program }, at) {
      const bytes = program.field('struct msg_queue', 'q_cbytes').u64(at);
      const messages = program.field('struct msg_queue', 'q_qnum').u64(at);
      return {
        text: `${String(bytes).padEnd(12)} ${messages}`,
        data: { bytes: integer(bytes), messages: integer(messages) },
      };
    },
  },
];

export default defineCommand({
  name: 'ipcs',
  summary: 'System V shared memory, semaphores, message queues',
  options: [
    { flag: 'm', summary: 'shared memory only' },
    { flag: 'M', summary: 'shared memory, with what each segment has in memory and in swap, and its inode' },
    { flag: 's', summary: 'semaphores only' },
    { flag: 'q', summary: 'message queues only' },
    { flag: 'n', value: 'pid | task', kind: 'task', summary: 'in the namespace of this task' },
  ],
  arguments: [{ name: 'id | address', kinds: ['address', 'number'], optional: true, repeated: true }],
  examples: [
    { line: 'ipcs', what: 'all three' },
    { line: 'ipcs -M 0', what: 'what the segment 0 takes' },
    { line: 'ipcs -m', what: 'shared memory, which takes memory also when nobody is attached' },
  ],
  run(context, args) {
    const { program } = context;
    const task = args.value('n');
    // `struct ipc_namespace init_ipc_ns` (ipc/msgutil.c).
    const namespace =
      task === undefined
        ? program.symbol('init_ipc_ns').address
        : program
            .field('struct nsproxy', 'ipc_ns')
            .pointer(program.field('struct task_struct', 'nsproxy').pointer(oneTask(context, task, task).address));
    const flags = { shared_memory: 'm', semaphores: 's', message_queues: 'q' } as const;
    const whole = args.has('M');
    const chosen = KINDS.filter(({ key }) => args.has(flags[key]) || (whole && key === 'shared_memory'));
    const tables = (chosen.length === 0 ? KINDS : chosen).map((kind) => readTable(context, namespace, kind));
    const wanted = args.positionals.map((text) => ({ text, matches: matcherOf(text) }));
    for (const { text, matches } of wanted)
      if (!tables.some(({ rows }) => rows.some(matches))) context.failure(`no object has the id or address ${text}`);
    const shown = tables
      .map(({ kind, rows }) => ({
        kind,
        rows: wanted.length === 0 ? rows : rows.filter((row) => wanted.some(({ matches }) => matches(row))),
      }))
      .filter(({ rows }) => wanted.length === 0 || rows.length > 0);
    return {
      shape: 'list',
      items: shown.flatMap(({ kind, rows }) =>
        whole && kind.key === 'shared_memory' ? segments(context, kind, rows) : [view(kind, rows)],
      ),
    };
  },
});

interface Row {
  readonly at: VirtAddr;
  readonly id: number;
  readonly text: string;
  readonly data: { readonly [key: string]: Data };
}

/** An address where it can be one, else an id. @throws UsageError */
function matcherOf(text: string): (row: Row) => boolean {
  const value = parseNumber(text);
  if (value === undefined) throw new UsageError(`'${text}' is no id and no address`);
  return ({ at, id }) => at === value || BigInt(id) === value;
}

function readTable(
  context: CommandContext,
  namespace: VirtAddr,
  kind: Kind,
): { readonly kind: Kind; readonly rows: readonly Row[] } {
  const { program, budget, problem } = context;
  const size = program.sizeOf('struct ipc_ids');
  const ids = add(program.field('struct ipc_namespace', 'ids').address(namespace), kind.index * size);
  const inside = program.field(kind.type, kind.permissions);
  const field = (path: string) => program.field('struct kern_ipc_perm', path);
  const rows: Row[] = [];
  try {
    for (const { value } of idrEntries(program, program.field('struct ipc_ids', 'ipcs_idr').address(ids))) {
      budget.check();
      const at = inside.container(value);
      const mode = field('mode').number(value);
      const key = field('key').u64(value) & 0xffffffffn;
      const id = field('id').number(value);
      // kuid_t is a struct since 3.5 (commit 1efdb69b0bb4).
      const uid = program.firstField('struct kern_ipc_perm', ['uid.val', 'uid']).number(value);
      const { text, data } = kind.rest(context, at, mode);
      const permissions = (mode & 0o777).toString(8);
      rows.push({
        at,
        id,
        text: `${hex16(at)} ${key.toString(16).padStart(8, '0')} ${String(id).padEnd(10)} ${String(uid).padEnd(5)} ${permissions.padEnd(5)} ${text}`.trimEnd(),
        data: { address: address(at), key: `0x${key.toString(16)}`, id, uid, permissions, ...data },
      });
    }
  } catch (error) {
    if (!isDataError(error)) throw error;
    problem(`${kind.key.replace('_', ' ')}: ${error.message}`);
  }
  return { kind, rows };
}

function view(kind: Kind, rows: readonly Row[]): Shape {
  const lines: TextLine[] = rows.length === 0 ? ['(none allocated)'] : rows.map(({ text }) => text);
  return {
    shape: 'lines',
    lines: [[{ text: kind.header, style: 'heading' }], ...lines],
    data: () => ({ kind: kind.key, objects: rows.map(({ data }) => data) }),
  };
}

/** Each segment by itself. */
function segments(context: CommandContext, kind: Kind, rows: readonly Row[]): readonly Shape[] {
  if (rows.length === 0) return [view(kind, rows)];
  return rows.map((row): Shape => {
    const contents = told(context, row.id, () => shmContents(context.program, row.at));
    const [allocated, resident, swapped] = [contents?.allocated, contents?.resident, contents?.swapped];
    return {
      shape: 'lines',
      lines: [
        [{ text: kind.header, style: 'heading' }],
        row.text,
        `PAGES ALLOCATED/RESIDENT/SWAPPED: ${[allocated, resident, swapped].map((pages) => pages ?? '?').join('/')}`,
        `INODE: ${contents === undefined ? '?' : hex16(contents.inode)}`,
      ],
      data: () => ({
        kind: kind.key,
        objects: [
          {
            ...row.data,
            pages: { allocated, resident, swapped },
            inode: contents === undefined ? undefined : address(contents.inode),
          },
        ],
      }),
    };
  });
}

function told<T>({ problem }: CommandContext, id: number, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!isDataError(error)) throw error;
    problem(`segment ${id}: ${error.message}`);
    return undefined;
  }
}
