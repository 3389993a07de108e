/**
 * What lies on the kernel stack of a task that sleeps: `struct wait_queue_entry`, `struct swait_queue` and other objects
 * that name this very task. An object counts when the queue that it claims to stand in links back to it; one that is only
 * prepared, and stands in none, says nothing. Queues are followed to their heads. Arrays on the stack that were left over
 * by earlier calls lie below the stack pointer and are not looked at.
 */
import { add, isAligned, isKernel, sub, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { stackArea, stackWords, type NamedFrame, type StackWords } from './stack.ts';
import { waitQueueLayout } from './wait-queue.ts';

/** Entries that are passed on the way to the head of a queue. */
const MAX_QUEUE = 1 << 16;

/** Heads that were found already, by each node of the rings: give the same to all calls for one dump. */
export type HeadCache = Map<VirtAddr, VirtAddr | undefined>;

/** The stack of one sleeping task, and what every search in it needs. */
export interface SleeperStack {
  readonly program: Program;
  /** `struct task_struct *`. */
  readonly task: VirtAddr;
  readonly frames: readonly NamedFrame[];
  readonly words: StackWords;
  /** Where among the words the task itself is named. */
  readonly named: readonly VirtAddr[];
  readonly isTask: (address: VirtAddr) => boolean;
  readonly heads: HeadCache;
}

/**
 * @param task - `struct task_struct *` that sleeps
 * @param frames - its stack
 * @returns undefined when it has no stack that could be searched
 * @throws FaultError, LookupError
 */
export function sleeperStack(
  program: Program,
  task: VirtAddr,
  frames: readonly NamedFrame[],
  isTask: (address: VirtAddr) => boolean,
  heads: HeadCache,
): SleeperStack | undefined {
  const area = stackArea(program, task);
  const sp = frames[0]?.sp;
  const words = area === undefined || sp === undefined ? undefined : stackWords(program, area, sp);
  if (words === undefined) return undefined;
  const named: VirtAddr[] = [];
  for (let i = words.words.indexOf(task); i >= 0; i = words.words.indexOf(task, i + 1))
    named.push(add(words.start, 8 * i));
  return { program, task, frames, words, named, isTask, heads };
}

/** True for a `void *` to at least `size` bytes on the searched part of the stack. */
export function isOnStack({ words }: SleeperStack, address: VirtAddr, size = 8): boolean {
  return address >= words.start && address + BigInt(size) <= words.start + BigInt(8 * words.words.length);
}

/**
 * Places on the stack where an object of `type` would lie whose pointer `member` is this task.
 * @param type - C type, such as `struct futex_q`
 * @returns nothing where this kernel has no such type or member
 * @throws nothing for what the dump holds
 */
export function objectsNamingTask(stack: SleeperStack, type: string, member: string): readonly VirtAddr[] {
  const { program, named } = stack;
  if (named.length === 0) return [];
  const field = attempt(() => program.tryField(type, member));
  if (field === undefined) return [];
  const size = program.sizeOf(type);
  return named.map((at) => field.container(at)).filter((at) => isOnStack(stack, at, size));
}

/** An entry of a wait queue, or of a simple one, that the task put there itself. */
export interface QueuedEntry {
  /** `struct wait_queue_entry *` or `struct swait_queue *`, on the task's stack. */
  readonly entry: VirtAddr;
  /** What is called to wake it, 'autoremove_wake_function'; undefined in a simple wait queue. */
  readonly func: string | undefined;
  /** `struct wait_queue_head *` or `struct swait_queue_head *`; undefined when the way to it is broken. */
  readonly queue: VirtAddr | undefined;
}

/** The `struct wait_queue_entry` objects of the task that stand in a queue. @throws LookupError */
export function queuedEntries(stack: SleeperStack): readonly QueuedEntry[] {
  const { program, heads } = stack;
  const layout = waitQueueLayout(program);
  const found: QueuedEntry[] = [];
  for (const entry of objectsNamingTask(stack, layout.entryType, 'private')) {
    const func = nameOfFunction(
      program,
      attempt(() => layout.func.pointer(entry)),
    );
    const node = layout.entry.address(entry);
    if (func === undefined || !isLinked(program, node)) continue;
    // Each entry has a function; where the head is, the word of the lock lies there.
    const isEntry = (at: VirtAddr): boolean => program.isText(layout.func.pointer(layout.entry.container(at)));
    const head = headOf(program, node, isEntry, heads);
    found.push({ entry, func, queue: head === undefined ? undefined : layout.head.container(head) });
  }
  return found;
}

/**
 * The `struct swait_queue` objects of the task that stand in a queue. Completions have such queues since 5.7 (commit
 * a5c6234e1028), the grace periods of RCU since 4.6 (abedf8e2419f).
 */
export function simpleEntries(stack: SleeperStack): readonly QueuedEntry[] {
  const head = attempt(() => stack.program.tryField('struct swait_queue_head', 'task_list'));
  if (head === undefined) return [];
  return ringEntries(stack, 'struct swait_queue', 'task_list', 'task').map(({ entry, head: at }) => ({
    entry,
    func: undefined,
    queue: at === undefined ? undefined : head.container(at),
  }));
}

/** An object on the stack of a sleeper that stands in a list of such objects. */
export interface RingEntry {
  readonly entry: VirtAddr;
  /** `struct list_head *` that the list begins with; undefined when the way to it is broken. */
  readonly head: VirtAddr | undefined;
}

/**
 * Objects of the sleeper that stand in a list in which each names its own task: those of a simple wait queue, of SysV IPC.
 * @param type - C type, such as `struct sem_queue`
 * @param link - its `struct list_head`
 * @param owner - its `struct task_struct *`
 * @returns nothing where this kernel has no such type or member
 * @throws LookupError
 */
export function ringEntries(stack: SleeperStack, type: string, link: string, owner: string): readonly RingEntry[] {
  const { program, heads, isTask } = stack;
  const node = attempt(() => program.tryField(type, link));
  const task = attempt(() => program.tryField(type, owner));
  if (node === undefined || task === undefined) return [];
  const isEntry = (at: VirtAddr): boolean => isTask(task.pointer(node.container(at)));
  return objectsNamingTask(stack, type, owner).flatMap((entry) => {
    const at = node.address(entry);
    return isLinked(program, at) ? [{ entry, head: headOf(program, at, isEntry, heads) }] : [];
  });
}

/** The symbol that a `void *` is the beginning of: a function, or a table of them. @throws nothing */
export function nameOfFunction(program: Program, at: VirtAddr | undefined): string | undefined {
  if (at === undefined || !isKernel(at)) return undefined;
  const symbol = program.symbols.at(at);
  return symbol?.offset === 0 ? symbol.name : undefined;
}

/** A `struct list_head` whose neighbours link back, and which is not alone. @throws nothing */
export function isLinked(program: Program, node: VirtAddr): boolean {
  return (
    attempt(() => {
      const next = program.memory.readPointer(node);
      const prev = program.memory.readPointer(add(node, 8));
      if (next === node || !isLink(next) || !isLink(prev)) return false;
      return program.memory.readPointer(add(next, 8)) === node && program.memory.readPointer(prev) === node;
    }) === true
  );
}

function isLink(at: VirtAddr): boolean {
  return isKernel(at) && isAligned(at, 8);
}

/** Walks a ring to the node that is no entry. */
function headOf(
  program: Program,
  node: VirtAddr,
  isEntry: (node: VirtAddr) => boolean,
  heads: HeadCache,
): VirtAddr | undefined {
  const passed: VirtAddr[] = [node];
  let found = heads.get(node);
  for (let at = node; found === undefined && passed.length < MAX_QUEUE; ) {
    const next = attempt(() => program.memory.readPointer(at));
    if (next === undefined || next === node || !isLink(next)) break;
    if (attempt(() => program.memory.readPointer(add(next, 8))) !== at) break;
    if (attempt(() => isEntry(next)) !== true) found = next;
    else {
      found = heads.get(next);
      if (heads.has(next) && found === undefined) break;
      passed.push(next);
    }
    at = next;
  }
  for (const each of passed) heads.set(each, found);
  return found;
}

/** Bytes from one `void *` to a higher one; undefined when it is not within `size` bytes. */
export function offsetWithin(start: VirtAddr, size: number, at: VirtAddr): number | undefined {
  const offset = sub(at, start);
  return offset >= 0n && offset < BigInt(size) ? Number(offset) : undefined;
}
