/**
 * Doubly linked lists, include/linux/list.h (`struct list_head`, `struct hlist_head`). Walks are bounded and checked:
 * a list in a damaged dump ends with ValidationError and not in a loop.
 */
import { isAligned, isKernel, type VirtAddr } from '../base/address.ts';
import { ValidationError } from '../base/errors.ts';
import type { Program } from '../program/program.ts';

/** More entries than any real list of these has; a longer one is a loop that missed the head. */
export const MAX_LIST = 1 << 22;

/**
 * Each node of a list except its head.
 * @param head - `struct list_head *`
 * @returns `struct list_head *` of each entry, in order
 * @throws FaultError, ValidationError when a node does not point back to its predecessor or the list does not end
 */
export function* listNodes(program: Program, head: VirtAddr, max = MAX_LIST): Generator<VirtAddr> {
  const next = program.field('struct list_head', 'next');
  const prev = program.field('struct list_head', 'prev');
  let last = head;
  for (let at = next.pointer(head), n = 0; at !== head; at = next.pointer(at), n++) {
    if (!isKernel(at) || !isAligned(at, 8))
      throw new ValidationError('struct list_head', last, 'next is no kernel pointer');
    if (prev.pointer(at) !== last) throw new ValidationError('struct list_head', at, 'prev does not point back');
    if (n >= max) throw new ValidationError('struct list_head', head, `more than ${max} entries`);
    yield at;
    last = at;
  }
}

/**
 * Each object on a list.
 * @param head - `struct list_head *`
 * @param type - C type of the entries, such as `struct task_struct`
 * @param member - its `struct list_head` member, such as 'tasks'
 * @returns addresses of the entries
 * @throws FaultError, LookupError, ValidationError as `listNodes`
 */
export function* listEntries(
  program: Program,
  head: VirtAddr,
  type: string,
  member: string,
  max = MAX_LIST,
): Generator<VirtAddr> {
  const field = program.field(type, member);
  for (const node of listNodes(program, head, max)) yield field.container(node);
}

/**
 * Each object on a hash list.
 * @param head - `struct hlist_head *`
 * @returns addresses of the entries of `type`, whose `struct hlist_node` member is `member`
 * @throws FaultError, LookupError, ValidationError when a node is no kernel pointer or the list does not end
 */
export function* hlistEntries(
  program: Program,
  head: VirtAddr,
  type: string,
  member: string,
  max = MAX_LIST,
): Generator<VirtAddr> {
  const field = program.field(type, member);
  const next = program.field('struct hlist_node', 'next');
  let at = program.field('struct hlist_head', 'first').pointer(head);
  for (let n = 0; at !== 0n; at = next.pointer(at), n++) {
    if (!isKernel(at) || !isAligned(at, 8)) throw new ValidationError('struct hlist_node', at, 'is no kernel pointer');
    if (n >= max) throw new ValidationError('struct hlist_head', head, `more than ${max} entries`);
    yield field.container(at);
  }
}
