/**
 * Tags of a block device: `struct blk_mq_hw_ctx`, `blk_mq_tags` (block/blk-mq.h, blk-mq-tag.c) and the `struct sbitmap` that
 * says which are taken (include/linux/sbitmap.h, since 4.9). A request has a tag of the driver while the driver has it, and one
 * of the scheduler from before that on, where the device has a scheduler. Queues without blk-mq (to 4.20) have none.
 */
import { add, isKernel, NULL, type VirtAddr } from '../base/address.ts';
import { attempt, ValidationError } from '../base/errors.ts';
import type { Field } from '../program/field.ts';
import type { Program } from '../program/program.ts';
import { strip } from '../program/types.ts';
import { cpus } from './cpus.ts';
import { xEntries } from './xarray.ts';

/** BLK_MQ_TAG_MAX is 2^32 - 2; no driver has more than BLK_MQ_MAX_DEPTH, 10240, times its queues. */
const MAX_TAGS = 1 << 16;
/** Queues that one sbitmap wakes in turn: SBQ_WAIT_QUEUES. */
const WAIT_QUEUES = 8;

/** Each `struct blk_mq_hw_ctx *` of a `struct request_queue *`. @throws FaultError, LookupError, ValidationError */
export function* hardwareQueues(program: Program, queue: VirtAddr): Generator<VirtAddr> {
  // An XArray from 5.18 (commit 4e5cc99e1e48) to 6.18, an array of pointers before and after.
  const table = program.tryField('struct request_queue', 'hctx_table');
  if (table !== undefined) {
    for (const { value } of xEntries(program, table.address(queue))) yield value;
    return;
  }
  const array = program.field('struct request_queue', 'queue_hw_ctx').pointer(queue);
  const count = program.field('struct request_queue', 'nr_hw_queues').number(queue);
  for (let i = 0; i < Math.min(count, cpus(program, 'possible').length * 64) && array !== NULL; i++)
    yield program.memory.readPointer(add(array, 8 * i));
}

export interface InFlight {
  readonly reads: number;
  readonly writes: number;
}

/** MQ_RQ_IN_FLIGHT of enum mq_rq_state. */
export const IN_FLIGHT = 1;

/**
 * Requests of a `struct request_queue *` that the driver has, counted by their tags; undefined for a queue without
 * hardware queues, whose requests nobody counts.
 * @throws FaultError, LookupError, ValidationError
 */
export function inFlight(program: Program, queue: VirtAddr): InFlight | undefined {
  const request = (path: string) => program.field('struct request', path);
  const [owner, state, flags, tag] = [request('q'), request('state'), request('cmd_flags'), request('tag')];
  let [reads, writes, queues] = [0, 0, 0];
  const seen = new Set<VirtAddr>();
  for (const hardware of hardwareQueues(program, queue)) {
    queues++;
    const tags = program.field('struct blk_mq_hw_ctx', 'tags').pointer(hardware);
    if (!isKernel(tags) || seen.has(tags)) continue;
    seen.add(tags);
    const count = tagCount(program, tags);
    const table = program.field('struct blk_mq_tags', 'rqs').pointer(tags);
    for (let i = 0; i < count; i++) {
      const at = program.memory.readPointer(add(table, 8 * i));
      if (!isKernel(at) || owner.pointer(at) !== queue || state.number(at) !== IN_FLIGHT) continue;
      // With a scheduler a request gets another tag each time; the tag that it had before still points to it.
      if (tag.number(at) !== i) continue;
      // The operations that write are odd.
      if ((flags.number(at) & 1) === 1) writes++;
      else reads++;
    }
  }
  return queues === 0 ? undefined : { reads, writes };
}

/** `nr_tags` of a `struct blk_mq_tags *`. @throws FaultError, LookupError, ValidationError */
function tagCount(program: Program, tags: VirtAddr): number {
  const count = program.field('struct blk_mq_tags', 'nr_tags').number(tags);
  if (!(count >= 0 && count <= MAX_TAGS)) throw new ValidationError('struct blk_mq_tags', tags, `has ${count} tags`);
  return count;
}

/** The tags of one or several hardware queues. */
export interface Tags {
  /** `struct blk_mq_tags *`. */
  readonly address: VirtAddr;
  readonly count: number;
  /** How many of these may be taken at once: fewer where nr_requests was made smaller. */
  readonly depth: number;
  /** Tags that are taken. */
  readonly taken: number;
  /** `struct request *` by the tags that are taken, from a table of the tags: `rqs` or `static_rqs`. */
  requests(table: 'rqs' | 'static_rqs'): Generator<{ readonly tag: number; readonly request: VirtAddr }>;
  /** Whether a `struct wait_queue_head *` is one of those in which tasks wait for one of these tags. */
  isWaitedForIn(queue: VirtAddr): boolean;
}

/**
 * The tags at a `struct blk_mq_tags *`.
 * @throws FaultError, LookupError, ValidationError when they make no sense
 */
export function readTags(program: Program, address: VirtAddr): Tags {
  const field = (path: string) => program.field('struct blk_mq_tags', path);
  const count = tagCount(program, address);
  const reserved = Math.min(field('nr_reserved_tags').number(address), count);
  const [own, kept] = [queueOf(field('bitmap_tags'), address), queueOf(field('breserved_tags'), address)];
  const ordinary = bitsOf(program, own);
  const few = reserved === 0 ? undefined : bitsOf(program, kept);
  const taken: number[] = [];
  for (let tag = 0; tag < count; tag++) {
    if (tag < reserved ? few?.(tag) === true : ordinary(tag - reserved)) taken.push(tag);
  }
  return {
    address,
    count,
    depth: reserved + Math.min(program.field('struct sbitmap_queue', 'sb.depth').number(own), count - reserved),
    taken: taken.length,
    *requests(table) {
      const start = field(table).pointer(address);
      if (!isKernel(start)) return;
      for (const tag of taken) {
        const request = attempt(() => program.memory.readPointer(add(start, 8 * tag)));
        if (request !== undefined && isKernel(request)) yield { tag, request };
      }
    },
    isWaitedForIn: (queue) => [own, kept].some((each) => attempt(() => isQueueOf(program, each, queue)) === true),
  };
}

/** `struct sbitmap_queue *`: a pointer in 5.10 to 5.15 (commits 222a5ae03cdd, ae0f1a732f4a), else a member. */
function queueOf(member: Field, tags: VirtAddr): VirtAddr {
  return strip(member.type).kind === 'pointer' ? member.pointer(tags) : member.address(tags);
}

/** Which bits of a `struct sbitmap` are set. */
function bitsOf(program: Program, queue: VirtAddr): (bit: number) => boolean {
  const map = program.field('struct sbitmap_queue', 'sb').address(queue);
  const of = (path: string) => program.field('struct sbitmap', path);
  const [depth, shift, words] = [of('depth').number(map), of('shift').number(map), of('map_nr').number(map)];
  if (depth > MAX_TAGS || shift > 6 || words > MAX_TAGS)
    throw new ValidationError('struct sbitmap', map, `has ${depth} bits in ${words} words`);
  const size = program.sizeOf('struct sbitmap_word');
  const word = program.field('struct sbitmap_word', 'word');
  // Bits that are to be cleared, since 5.0 (commit ea86ea2cdced).
  const cleared = program.tryField('struct sbitmap_word', 'cleared');
  const start = of('map').pointer(map);
  const values: bigint[] = [];
  for (let i = 0; i < words; i++) {
    const at = add(start, size * i);
    values.push(word.u64(at) & ~(cleared?.u64(at) ?? 0n));
  }
  const mask = (1 << shift) - 1;
  return (bit) => bit < depth && (((values[bit >>> shift] ?? 0n) >> BigInt(bit & mask)) & 1n) === 1n;
}

function isQueueOf(program: Program, sbitmap: VirtAddr, head: VirtAddr): boolean {
  const states = program.field('struct sbitmap_queue', 'ws').pointer(sbitmap);
  const wait = program.field('struct sbq_wait_state', 'wait');
  const size = program.sizeOf('struct sbq_wait_state');
  for (let i = 0; i < WAIT_QUEUES; i++) if (wait.address(add(states, size * i)) === head) return true;
  return false;
}
