/** `ipcs`: System V shared memory, semaphores and message queues of a namespace. */
import { add, type VirtAddr } from '../base/address.ts';
import { isDataError } from '../base/errors.ts';
import { idrEntries } from '../kernel/idr.ts';
import { type CommandContext, defineCommand } from '../model/command.ts';
import type { Shape, TextLine } from '../model/shape.ts';
import { address, type Data } from '../model/value.ts';
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
    { flag: 's', summary: 'semaphores only' },
    { flag: 'q', summary: 'message queues only' },
    { flag: 'n', value: 'pid | task', kind: 'task', summary: 'in the namespace of this task' },
  ],
  arguments: [],
  examples: [
    { line: 'ipcs', what: 'all three' },
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
    const chosen = KINDS.filter(({ key }) => args.has(flags[key]));
    const items = (chosen.length === 0 ? KINDS : chosen).map((kind) => view(context, namespace, kind));
    return { shape: 'list', items };
  },
});

function view(context: CommandContext, namespace: VirtAddr, kind: Kind): Shape {
  const { program, budget, problem } = context;
  const size = program.sizeOf('struct ipc_ids');
  const ids = add(program.field('struct ipc_namespace', 'ids').address(namespace), kind.index * size);
  const inside = program.field(kind.type, kind.permissions);
  const field = (path: string) => program.field('struct kern_ipc_perm', path);
  const rows: { readonly text: string; readonly data: Data }[] = [];
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
        text: `${hex16(at)} ${key.toString(16).padStart(8, '0')} ${String(id).padEnd(10)} ${String(uid).padEnd(5)} ${permissions.padEnd(5)} ${text}`.trimEnd(),
        data: { address: address(at), key: `0x${key.toString(16)}`, id, uid, permissions, ...data },
      });
    }
  } catch (error) {
    if (!isDataError(error)) throw error;
    problem(`${kind.key.replace('_', ' ')}: ${error.message}`);
  }
  const lines: TextLine[] = rows.length === 0 ? ['(none allocated)'] : rows.map(({ text }) => text);
  return {
    shape: 'lines',
    lines: [[{ text: kind.header, style: 'heading' }], ...lines],
    data: () => ({ kind: kind.key, objects: rows.map(({ data }) => data) }),
  };
}
