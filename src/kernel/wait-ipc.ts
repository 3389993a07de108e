/**
 * Waits for messages and semaphores of System V and for messages of POSIX queues: `struct msg_receiver`, `struct msg_sender`,
 * `struct sem_queue` (ipc/msg.c, ipc/sem.c) and `struct ext_wait_queue` (ipc/mqueue.c) on the stack of the sleeper. Who
 * operated on it last is recorded; that it will be the next is only likely. Found since 4.17, where those who operated are
 * `struct pid`s (commits 50ab44b1c5d1, 39a4940eaa18); before, nobody is named.
 */
import { add, isKernel, sub, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Field } from '../program/field.ts';
import type { Program } from '../program/program.ts';
import { pidNumber } from './pid.ts';
import type { Machine } from './wait-completions.ts';
import type { Awaited, FoundWait } from './wait-kinds.ts';
import { type EndsOfAll, others, perhaps } from './wait-others.ts';
import { nameOfInode } from './wait-pages.ts';
import { nameOfFunction, ringEntries, type SleeperStack } from './wait-shapes.ts';

type IpcMachine = Pick<Machine, 'byPid'> & { readonly ends: EndsOfAll };

/** SEMVMX, and the largest SEMMSL. */
const MAX_VALUE = 32_767;
const MAX_SET = 65_536;
/** Semaphores of a set whose lists are looked at. */
const MAX_CHECKED = 64;
/** SEND and RECV of ipc/mqueue.c. */
const SEND = 0;
const RECEIVE = 1;

/** The `struct msg_queue`, `struct sem_array` or message queue of POSIX. @throws FaultError, LookupError */
export function ipcWait(stack: SleeperStack, machine: IpcMachine): FoundWait | undefined {
  const { frames } = stack;
  const runs = (functions: RegExp): boolean => frames.some(({ func }) => functions.test(func ?? ''));
  if (runs(/msgrcv|msgsnd/)) return messageWait(stack, machine);
  if (runs(/semtimedop|semop/)) return semaphoreWait(stack, machine);
  if (runs(/^(wq_sleep|(__x64_sys_|do_)?mq_timed\w+|mq_(receive|send)\w*)/)) return posixWait(stack, machine);
  return undefined;
}

function messageWait(stack: SleeperStack, machine: IpcMachine): FoundWait | undefined {
  const { program } = stack;
  const shapes = [
    {
      call: /msgrcv/,
      type: 'struct msg_receiver',
      link: 'r_list',
      owner: 'r_tsk',
      queue: 'q_receivers',
      last: 'q_lspid',
    },
    { call: /msgsnd/, type: 'struct msg_sender', link: 'list', owner: 'tsk', queue: 'q_senders', last: 'q_lrpid' },
  ] as const;
  for (const { call, type, link, owner, queue, last } of shapes) {
    // The two begin alike.
    if (!stack.frames.some(({ func }) => call.test(func ?? ''))) continue;
    for (const { head } of ringEntries(stack, type, link, owner)) {
      if (head === undefined) continue;
      const at = program.field('struct msg_queue', queue).container(head);
      const identity = identityOf(program, at, 'struct msg_queue', 'q_perm');
      // Each of its three lists links back.
      const lists = ['q_messages', 'q_receivers', 'q_senders'].map((name) => program.field('struct msg_queue', name));
      if (identity === undefined || !lists.every((list) => isList(program, list.address(at)))) continue;
      const receives = queue === 'q_receivers';
      const why = receives ? 'it sent the last message (q_lspid)' : 'it took the last message (q_lrpid)';
      return {
        kind: 'ipc',
        edge: 'SysV messages',
        what: `${receives ? 'for a message of' : 'for room in'} the System V message queue ${identity}`,
        object: { address: at, ctype: 'struct msg_queue' },
        proof: 'structure',
        awaited: lastOf(program, stack.task, program.field('struct msg_queue', last).pointer(at), machine, why),
      };
    }
  }
  return undefined;
}

function semaphoreWait(stack: SleeperStack, machine: IpcMachine): FoundWait | undefined {
  const { program } = stack;
  for (const { entry, head } of ringEntries(stack, 'struct sem_queue', 'list', 'sleeper')) {
    const field = (path: string) => program.field('struct sem_queue', path);
    // The operation that cannot be done, since 4.10 or so; the first of all before.
    const operation = (program.tryField('struct sem_queue', 'blocking') ?? field('sops')).pointer(entry);
    if (head === undefined || !isKernel(operation)) continue;
    const number = program.field('struct sembuf', 'sem_num').number(operation);
    const change = program.field('struct sembuf', 'sem_op').value(operation);
    const set = setAround(program, head, number);
    if (set === undefined) continue;
    const { array, semaphore } = set;
    const identity = identityOf(program, array, 'struct sem_array', 'sem_perm');
    if (identity === undefined) continue;
    const value = program.field('struct sem', 'semval').value(semaphore);
    const last = program.field('struct sem', 'sempid').pointer(semaphore);
    return {
      kind: 'ipc',
      edge: 'SysV semaphore',
      what: `for the System V semaphore ${number} of the set ${identity} to ${change === 0n ? `fall to 0 from ${value}` : `be at least ${-change}; it is ${value}`}`,
      object: { address: array, ctype: 'struct sem_array' },
      proof: 'structure',
      awaited: lastOf(program, stack.task, last, machine, 'it changed the semaphore last (sempid)'),
    };
  }
  return undefined;
}

/** Operations on one semaphore stand in its own lists, those on several in the lists of the set. */
function setAround(
  program: Program,
  head: VirtAddr,
  number: number,
): { readonly array: VirtAddr; readonly semaphore: VirtAddr } | undefined {
  const size = program.sizeOf('struct sem');
  // `sems` since 4.14 (commit ec67aaa46dce); a pointer, `sem_base`, before.
  const sems = program.field('struct sem_array', 'sems');
  const count = program.field('struct sem_array', 'sem_nsems');
  const candidates = [
    ...['pending_alter', 'pending_const'].map((list) =>
      sems.container(back(program.field('struct sem', list).container(head), number * size)),
    ),
    ...['pending_alter', 'pending_const'].map((list) => program.field('struct sem_array', list).container(head)),
  ];
  for (const array of candidates) {
    const total = attempt(() => count.number(array));
    if (total === undefined || total <= number || total > MAX_SET) continue;
    const semaphoreAt = (i: number): VirtAddr => add(sems.address(array), i * size);
    // Whatever else lies around the head has not all these lists.
    const heads = ['pending_alter', 'pending_const'].flatMap((list) => [
      program.field('struct sem_array', list).address(array),
      ...Array.from({ length: Math.min(total, MAX_CHECKED) }, (_, i) =>
        program.field('struct sem', list).address(semaphoreAt(i)),
      ),
    ]);
    const semaphore = semaphoreAt(number);
    const value = attempt(() => program.field('struct sem', 'semval').number(semaphore));
    if (value !== undefined && value <= MAX_VALUE && heads.every((list) => isList(program, list)))
      return { array, semaphore };
  }
  return undefined;
}

const back = (address: VirtAddr, bytes: number): VirtAddr => add(address, -bytes);

function posixWait(stack: SleeperStack, { ends }: IpcMachine): FoundWait | undefined {
  const { program, task } = stack;
  for (const { head } of ringEntries(stack, 'struct ext_wait_queue', 'list', 'task')) {
    if (head === undefined) continue;
    for (const which of [SEND, RECEIVE]) {
      const info = program.field('struct mqueue_inode_info', `e_wait_q[${which}].list`).container(head);
      const inode = program.field('struct mqueue_inode_info', 'vfs_inode').address(info);
      const operations = attempt(() => program.field('struct inode', 'i_fop').pointer(inode));
      if (nameOfFunction(program, operations) !== 'mqueue_file_operations') continue;
      const receives = which === RECEIVE;
      const all = ends();
      const far = (all.byData.get(inode) ?? []).filter(({ reads, writes }) => (receives ? writes : reads));
      const why = `it has the queue open and may ${receives ? 'send' : 'receive'}`;
      return {
        kind: 'ipc',
        edge: 'POSIX message queue',
        what: `${receives ? 'for a message of' : 'for room in'} the POSIX message queue`,
        name: attempt(() => nameOfInode(program, inode).name),
        object: { address: info, ctype: 'struct mqueue_inode_info' },
        proof: 'structure',
        // Anybody may open it by its name.
        ...perhaps(others(far, task, all, why)),
      };
    }
  }
  return undefined;
}

/** '5 (key 0x4b57)'; undefined for what is no object of IPC. */
function identityOf(program: Program, at: VirtAddr, type: string, member: string): string | undefined {
  const field = (path: string): Field => program.field(type, `${member}.${path}`);
  const id = attempt(() => field('id').value(at));
  const key = attempt(() => field('key').value(at));
  if (id === undefined || key === undefined || id < 0n) return undefined;
  return `${id} (key 0x${BigInt.asUintN(32, key).toString(16)})`;
}

/** A `struct list_head` whose neighbours link back to it. */
function isList(program: Program, head: VirtAddr): boolean {
  return (
    attempt(() => {
      const next = program.memory.readPointer(head);
      return isKernel(next) && sub(program.memory.readPointer(add(next, 8)), head) === 0n;
    }) === true
  );
}

function lastOf(
  program: Program,
  self: VirtAddr,
  pid: VirtAddr,
  { byPid }: IpcMachine,
  why: string,
): readonly Awaited[] {
  const number = attempt(() => pidNumber(program, pid));
  const task = number === undefined ? undefined : byPid.get(number);
  return task === undefined || task.address === self ? [] : [{ task: task.address, certainty: 'inferred', why }];
}
