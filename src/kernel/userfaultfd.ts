/**
 * Page faults that a user program is to answer (fs/userfaultfd.c): the fault that a task sleeps in, found by the
 * `struct userfaultfd_wait_queue` on its own stack; the context behind it; who holds a descriptor that could answer, and
 * who waits to read events from it. Data only: whether an answer can still come is for a detector to say.
 */
import { add, hasBits, isAligned, isKernel, type VirtAddr, virt } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { descriptorTables, type DescriptorTables, type FileHolders, holdersOfFile } from './files.ts';
import { listEntries } from './list.ts';
import type { Task } from './sched.ts';
import { type NamedFrame, stackArea, stackWords, type StackWords } from './stack.ts';
import { type Vma, vmaAt } from './vma.ts';
import { type WaitEntry, waitQueueEntries, waitQueueLayout } from './wait-queue.ts';

/** UFFD_EVENT_PAGEFAULT, include/uapi/linux/userfaultfd.h. */
const EVENT_PAGEFAULT = 0x12;
/** UFFD_PAGEFAULT_FLAG_*. */
const FLAG_WRITE = 1n;
const FLAG_WRITE_PROTECTED = 2n;
const FLAG_MINOR = 4n;
const MAX_FAULTS = 1 << 20;

export interface UserFault {
  /** `struct userfaultfd_wait_queue *`, on the stack of the task. */
  readonly waiter: VirtAddr;
  /** `struct task_struct *`. */
  readonly task: VirtAddr;
  /** `struct userfaultfd_ctx *`. */
  readonly ctx: VirtAddr;
  /** User address that was touched; the start of its page unless UFFD_FEATURE_EXACT_ADDRESS was asked for. */
  readonly address: VirtAddr;
  readonly access: 'read' | 'write';
  /** What is wanted: a page that is missing, one that is write-protected, or a page of the cache not yet mapped. */
  readonly wants: 'missing' | 'write-protected' | 'minor';
  /**
   * `pending`: nobody has read the event yet; `read`: somebody has and did not answer; undefined when it stands on
   * neither queue of the context.
   */
  readonly queue: 'pending' | 'read' | undefined;
}

/**
 * The page fault in which a task sleeps until a user program answers it.
 * @param task - `struct task_struct *`
 * @param stack - words of its stack from the stack pointer up
 * @returns undefined when its stack holds no such waiter
 * @throws LookupError when this kernel has no userfaultfd or its types are not known
 */
export function findUserFault(program: Program, task: VirtAddr, stack: StackWords): UserFault | undefined {
  if (!program.hasSymbol('userfaultfd_fops')) return undefined;
  const layout = waitQueueLayout(program);
  const own = (path: string) => program.field('struct userfaultfd_wait_queue', path);
  const entry = own('wq');
  const size = program.sizeOf('struct userfaultfd_wait_queue');
  const privateAt = entry.offset + layout.private.offset;
  const end = add(stack.start, 8 * stack.words.length);
  for (let i = 0; i < stack.words.length; i++) {
    if (stack.words[i] !== task) continue;
    const waiter = add(stack.start, 8 * i - privateAt);
    if (waiter < stack.start || add(waiter, size) > end) continue;
    const fault = attempt(() => {
      const ctx = own('ctx').pointer(waiter);
      if (!isKernel(ctx) || !isAligned(ctx, 8) || own('msg.event').number(waiter) !== EVENT_PAGEFAULT) return undefined;
      if (!program.isText(layout.func.pointer(entry.address(waiter)))) return undefined;
      const node = layout.entry.address(entry.address(waiter));
      const next = program.memory.readPointer(node);
      const previous = program.memory.readPointer(add(node, 8));
      // Linked only to itself: prepared, not queued.
      if (next === node || program.memory.readPointer(add(next, 8)) !== node) return undefined;
      if (program.memory.readPointer(previous) !== node) return undefined;
      return readFault(program, task, waiter, ctx);
    });
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function readFault(program: Program, task: VirtAddr, waiter: VirtAddr, ctx: VirtAddr): UserFault {
  const own = (path: string) => program.field('struct userfaultfd_wait_queue', path);
  const flags = virt(own('msg.arg.pagefault.flags').u64(waiter));
  const wants = hasBits(flags, FLAG_WRITE_PROTECTED)
    ? 'write-protected'
    : hasBits(flags, FLAG_MINOR)
      ? 'minor'
      : 'missing';
  const on = (queue: Queue): boolean | undefined => attempt(() => faultsOn(program, ctx, queue).includes(waiter));
  return {
    waiter,
    task,
    ctx,
    address: own('msg.arg.pagefault.address').pointer(waiter),
    access: hasBits(flags, FLAG_WRITE) ? 'write' : 'read',
    wants,
    queue: on('fault_pending_wqh') === true ? 'pending' : on('fault_wqh') === true ? 'read' : undefined,
  };
}

type Queue = 'fault_pending_wqh' | 'fault_wqh';

/** `struct userfaultfd_wait_queue *` of each fault on a queue of a context. */
function faultsOn(program: Program, ctx: VirtAddr, queue: Queue): readonly VirtAddr[] {
  const layout = waitQueueLayout(program);
  const head = layout.head.address(program.field('struct userfaultfd_ctx', queue).address(ctx));
  const member = `wq.${layout.entryName}`;
  return [...listEntries(program, head, 'struct userfaultfd_wait_queue', member, MAX_FAULTS)];
}

export interface FaultMapping {
  readonly vma: Vma;
  /** True when the mapping is registered with the context of the fault, as it must be. */
  readonly registered: boolean;
}

/**
 * The mapping in which a fault happened, checked against the context (`vm_userfaultfd_ctx.ctx`).
 * @param fault - of a `struct task_struct`
 * @returns undefined when no mapping covers the address
 * @throws FaultError, LookupError, ValidationError as `vmaAt`
 */
export function mappingOfFault(program: Program, fault: UserFault): FaultMapping | undefined {
  const mm = program.field('struct userfaultfd_ctx', 'mm').pointer(fault.ctx);
  const vma = vmaAt(program, mm, fault.address);
  if (vma === undefined) return undefined;
  const ctx = program.field('struct vm_area_struct', 'vm_userfaultfd_ctx.ctx').pointer(vma.vma);
  return { vma, registered: ctx === fault.ctx };
}

export interface Userfaultfd {
  /** `struct userfaultfd_ctx *`. */
  readonly ctx: VirtAddr;
  /** `struct mm_struct *` whose faults it answers. */
  readonly mm: VirtAddr;
  /** The open file holds one, each sleeping fault another. */
  readonly references: number;
  /** True once its file was closed: faults are then answered by the kernel. */
  readonly released: boolean;
  /** Faults whose event nobody has read; undefined when the queue cannot be read. */
  readonly pendingFaults: number | undefined;
  /** Faults whose event was read, without an answer yet. */
  readonly readFaults: number | undefined;
  /** Who waits to read an event: entries of `fd_wqh`; undefined when the queue cannot be read. */
  readonly listeners: readonly WaitEntry[] | undefined;
}

/**
 * A userfaultfd context.
 * @param ctx - `struct userfaultfd_ctx *`
 * @throws FaultError, LookupError
 */
export function readUserfaultfd(program: Program, ctx: VirtAddr): Userfaultfd {
  const field = (path: string) => program.field('struct userfaultfd_ctx', path);
  // refcount_t since 5.0 (commit ca880420665d), atomic_t before.
  const references = program.firstField('struct userfaultfd_ctx', ['refcount.refs.counter', 'refcount.counter']);
  return {
    ctx,
    mm: field('mm').pointer(ctx),
    references: references.number(ctx),
    released: field('released').number(ctx) !== 0,
    pendingFaults: attempt(() => faultsOn(program, ctx, 'fault_pending_wqh').length),
    readFaults: attempt(() => faultsOn(program, ctx, 'fault_wqh').length),
    listeners: attempt(() => [...waitQueueEntries(program, field('fd_wqh').address(ctx))]),
  };
}

/**
 * The open files of a userfaultfd context and who holds them: only through these can its faults be answered.
 * @param tables - the tables of all tasks
 * @param ctx - `struct userfaultfd_ctx *`
 * @returns one for each `struct file *` found; a context has one file in its life
 * @throws LookupError when this kernel has no userfaultfd
 */
export function userfaultfdFiles(program: Program, tables: DescriptorTables, ctx: VirtAddr): readonly FileHolders[] {
  const operations = program.symbol('userfaultfd_fops').address;
  const operationsOf = program.field('struct file', 'f_op');
  const privateData = program.field('struct file', 'private_data');
  const files = new Set<VirtAddr>();
  for (const table of tables.tables) for (const { file } of table.descriptors) files.add(file);
  return [...files]
    .filter(
      (file) => attempt(() => operationsOf.pointer(file) === operations && privateData.pointer(file) === ctx) === true,
    )
    .map((file) => holdersOfFile(program, tables, file));
}

/** All that is known of the fault that a task sleeps in. */
export interface Userfault {
  readonly fault: UserFault;
  /** Undefined when no mapping covers the address or the mappings cannot be read. */
  readonly mapping: FaultMapping | undefined;
  readonly context: Userfaultfd;
  /** Its open files and who holds them. */
  readonly files: readonly FileHolders[];
  /**
   * True when the context has exactly as many references as there are files and sleeping faults, so that no file of it
   * is anywhere else; undefined when its queues cannot be read.
   */
  readonly referencesAccounted: boolean | undefined;
  /** `struct task_struct *` of the tasks whose descriptors cannot be read. */
  readonly unread: readonly VirtAddr[];
}

/**
 * The page fault that a task sleeps in until a user program answers it, and who could.
 * @param task - a `struct task_struct` that sleeps
 * @param frames - its stack
 * @param tasks - all tasks, or what gives their tables of open files
 * @returns undefined when it does not sleep in such a fault
 * @throws FaultError when its stack or the context cannot be read, LookupError when the types are not known
 */
export function userfaultOf(
  program: Program,
  task: Pick<Task, 'address'>,
  frames: readonly Pick<NamedFrame, 'sp'>[],
  tasks: readonly Pick<Task, 'address'>[] | (() => DescriptorTables),
): Userfault | undefined {
  const area = stackArea(program, task.address);
  const sp = frames[0]?.sp;
  if (area === undefined || sp === undefined) return undefined;
  const stack = stackWords(program, area, sp);
  const fault = stack === undefined ? undefined : findUserFault(program, task.address, stack);
  if (fault === undefined) return undefined;
  const context = readUserfaultfd(program, fault.ctx);
  const tables =
    typeof tasks === 'function'
      ? tasks()
      : descriptorTables(
          program,
          tasks.map((each) => each.address),
        );
  const files = userfaultfdFiles(program, tables, fault.ctx);
  const { pendingFaults, readFaults, references } = context;
  return {
    fault,
    mapping: attempt(() => mappingOfFault(program, fault)),
    context,
    files,
    referencesAccounted:
      pendingFaults === undefined || readFaults === undefined
        ? undefined
        : references === files.length + pendingFaults + readFaults,
    unread: tables.unread,
  };
}
