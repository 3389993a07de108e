/**
 * Waits for block devices: which request of which disk a task waits for, by what its bios are told to or by the pages that it
 * reads or writes; and the waits before there is one: for a free tag, for a frozen queue, for the limit of writeback
 * (block/blk-wbt.c, since 4.10). Functions on the stack narrow the search; the objects prove it.
 */
import { add, isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { type BlockQueue, blockQueues, type BlockRequest } from './block-requests.ts';
import { type RequestUsers, requestUsers } from './request-users.ts';
import type { WaitEdge } from './wait-edges.ts';
import type { BlockWait, FoundWait } from './wait-kinds.ts';
import { pagesOfFolio } from './wait-pages.ts';
import { nameOfFunction, objectsNamingTask, type QueuedEntry, type SleeperStack } from './wait-shapes.ts';
import type { WaitClocks } from './wait-timers.ts';

/** All queues and who waits for their requests; read once, when it is first asked for. */
export interface BlockSearch {
  readonly queues: readonly BlockQueue[];
  readonly users: RequestUsers;
}

/** Block devices of whose requests others are made, each a table of operations: what lies below them is told, where both are waited for. */
const UPPER: ReadonlySet<string> = new Set(['dm_rq_blk_dops', 'lo_fops']);

/** Reads each `struct request` there is. @throws FaultError, LookupError, ValidationError where the disks, or the types, are not known */
export function blockSearch(program: Program, clocks: WaitClocks): BlockSearch {
  const queues = blockQueues(program, clocks);
  const upper = ({ disk }: BlockQueue): boolean => UPPER.has(nameOfFunction(program, disk.operations) ?? '');
  const ordered = [...queues.filter(upper), ...queues.filter((queue) => !upper(queue))];
  return {
    queues,
    users: requestUsers(
      program,
      ordered.flatMap(({ requests }) => requests),
    ),
  };
}

/** PAGE_SIZE of the architectures that are read. */
const PAGE = 4096n;

/** What finds the blocks of a machine; undefined where they cannot be read. */
export type BlockSource = () => BlockSearch | undefined;

const TAG = /^_*blk_mq_get_tag$/;
const ENTER = /^(_*(blk|bio)_queue_enter|blk_mq_freeze_queue_wait\w*)$/;
const LIMIT = /^(rq_qos_wait|wbt_wait)$/;
/** Reads and writes past the page cache, and commands: functions of 3.10 to 7.x that sleep for a bio or a request of their own. */
const OWN =
  /^(submit_bio_wait|blk_execute_rq|blk_rq_poll_completion|bio_await\w*|_*iomap_dio_rw|iomap_dio_\w+|_*blkdev_direct_IO\w*|do_direct_IO|_*blockdev_direct_IO|dio_await_completion|swap_readpage)$/;

/**
 * A wait of which no page, `struct buffer_head` or completion tells.
 * @param entries - of the task, in queues
 * @returns undefined when it is for none
 * @throws FaultError, LookupError
 */
export function blockWait(
  stack: SleeperStack,
  entries: readonly QueuedEntry[],
  blocks: BlockSource,
): FoundWait | undefined {
  const names = stack.frames.map(({ func }) => func).filter((func) => func !== undefined);
  const stands = (functions: RegExp): boolean => names.some((name) => functions.test(name));
  if (stands(TAG)) return queueWait(entries, blocks, TAG_WAIT);
  if (stands(ENTER)) return queueWait(entries, blocks, frozenWait(stack.program));
  if (stands(LIMIT)) return limitWait(stack, blocks);
  return stands(OWN) ? ownWait(stack, blocks) : undefined;
}

interface QueuePlace {
  readonly edge: WaitEdge;
  readonly what: string;
  readonly isIn: (queue: BlockQueue, head: VirtAddr) => boolean;
}

const TAG_WAIT: QueuePlace = {
  edge: 'disk tag',
  what: 'for a free tag, to make a request of the disk',
  isIn: ({ tags }, head) => tags.some((each) => each.isWaitedForIn(head)),
};

function frozenWait(program: Program): QueuePlace {
  const member = program.field('struct request_queue', 'mq_freeze_wq');
  return {
    edge: 'disk queue that is frozen',
    what: 'at the gate of the queue of requests of the disk',
    isIn: ({ disk }, head) => member.address(disk.queue) === head,
  };
}

function queueWait(entries: readonly QueuedEntry[], blocks: BlockSource, place: QueuePlace): FoundWait | undefined {
  for (const { queue: head } of entries) {
    if (head === undefined) continue;
    // Disks that share their tags share the wait for them: the one with the oldest request is in the way.
    const [queue] = (blocks()?.queues ?? []).filter((each) => place.isIn(each, head)).sort(byOldest);
    if (queue !== undefined)
      return found(place.edge, place.what, queue, { address: head, ctype: 'struct wait_queue_head' });
  }
  return undefined;
}

const byOldest = (a: BlockQueue, b: BlockQueue): number =>
  Number((b.requests[0]?.age ?? -1n) - (a.requests[0]?.age ?? -1n));

function found(
  edge: WaitEdge,
  what: string,
  queue: BlockQueue,
  object: FoundWait['object'],
  request?: BlockRequest,
): FoundWait {
  return { kind: 'io', edge, what, name: queue.disk.name, object, proof: 'structure', block: { queue, request } };
}

/** Writers wait while too many writes are on their way: `struct rq_wait` inside of the `struct rq_wb` of a queue. */
function limitWait(stack: SleeperStack, blocks: BlockSource): FoundWait | undefined {
  const { program } = stack;
  for (const data of objectsNamingTask(stack, 'struct rq_qos_wait_data', 'task')) {
    const limit = program.field('struct rq_qos_wait_data', 'rqw').pointer(data);
    const queue = blocks()?.queues.find(({ disk }) => attempt(() => limits(program, disk.queue, limit)) === true);
    if (queue !== undefined)
      return found('disk writeback limit', 'until fewer writes are on their way to the disk', queue, {
        address: limit,
        ctype: 'struct rq_wait',
      });
  }
  return undefined;
}

const MAX_POLICIES = 8;

function limits(program: Program, queue: VirtAddr, wait: VirtAddr): boolean {
  const policy = program.field('struct rq_wb', 'rqos');
  const waits = program.field('struct rq_wb', 'rq_wait');
  const next = program.field('struct rq_qos', 'next');
  let at = program.field('struct request_queue', 'rq_qos').pointer(queue);
  for (let n = 0; isKernel(at) && n < MAX_POLICIES; n++, at = next.pointer(at)) {
    const first = waits.address(policy.container(at));
    if (wait >= first && wait < add(first, waits.size)) return true;
  }
  return false;
}

/** Its own bio, or what that is told to, lies on its stack, or names the task. */
function ownWait(stack: SleeperStack, blocks: BlockSource): FoundWait | undefined {
  const { words, task } = stack;
  const search = blocks();
  if (search === undefined) return undefined;
  const request =
    search.users.wakes(task) ?? search.users.within(words.start, add(words.start, 8 * words.words.length));
  const queue = request === undefined ? undefined : queueOf(search, request);
  if (request === undefined || queue === undefined) return undefined;
  return found(
    'disk request',
    'for its own request of the disk',
    queue,
    { address: request.address, ctype: 'struct request' },
    request,
  );
}

function queueOf({ queues }: BlockSearch, { disk }: BlockRequest): BlockQueue | undefined {
  return queues.find((queue) => queue.disk === disk);
}

/**
 * The `struct request` that ends a wait for a page, a buffer or a completion.
 * @throws nothing for what the dump holds
 */
export function requestBehind(
  program: Program,
  { object, kind }: FoundWait,
  blocks: BlockSource,
): BlockWait | undefined {
  if (object === undefined || (kind !== 'page' && kind !== 'buffer' && kind !== 'completion')) return undefined;
  const search = blocks();
  if (search === undefined) return undefined;
  const { users } = search;
  const { address, ctype } = object;
  const request = users.of(address) ?? attempt(() => requestOfPage(program, users, address, ctype));
  const queue = request === undefined ? undefined : queueOf(search, request);
  return queue === undefined ? undefined : { queue, request };
}

function requestOfPage(program: Program, users: RequestUsers, at: VirtAddr, ctype: string): BlockRequest | undefined {
  if (ctype === 'struct page') return users.ofPages(at, 1);
  if (ctype === 'struct folio') return users.ofPages(at, pagesOfFolio(program, at));
  if (ctype !== 'struct buffer_head') return undefined;
  // Other buffers may share the page, which have requests of their own.
  if (program.field(ctype, 'b_size').u64(at) < PAGE) return undefined;
  return users.ofPages(program.firstField(ctype, ['b_page', 'b_folio']).pointer(at), 1);
}
