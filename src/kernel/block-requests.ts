/**
 * Requests of block devices: each `struct request` (include/linux/blk-mq.h) that has a tag, with what it does, its age and its
 * timeout. Requests of queues without blk-mq (to 4.20) are not read, nor bios in drivers that make no requests of them
 * (device mapper, md, brd, zram).
 */
import { isKernel, type VirtAddr } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import { nanoseconds, type Nanoseconds } from '../base/units.ts';
import type { Program } from '../program/program.ts';
import { hardwareQueues, IN_FLIGHT, readTags, type Tags } from './block-tags.ts';
import { type Disk, disks } from './devices.ts';
import { known } from './known.ts';
import type { WaitClocks } from './wait-timers.ts';

const REQUEST = 'struct request';
/** MQ_RQ_IDLE and MQ_RQ_COMPLETE of enum mq_rq_state. */
const IDLE = 0;
const COMPLETE = 2;
const SECOND = 1_000_000_000n;
/** The clock of the dump may stand a little before the newest request: it is the timekeeper's last update. */
const LAG = SECOND;
/** REQ_OP_MASK: the operation in `cmd_flags`. */
const OPERATION = 0xff;

export interface BlockRequest {
  /** `struct request *`. */
  readonly address: VirtAddr;
  readonly disk: Disk;
  /** `queued`: the driver has not been given it; `complete`: the driver is done with it. */
  readonly state: 'queued' | 'in flight' | 'complete';
  /** 'read', 'write', 'flush'; fits behind 'a'. */
  readonly operation: string;
  /** First sector of 512 bytes that is left, counted on the whole disk; undefined where there is none, as in a flush. */
  readonly sector: bigint | undefined;
  /** Bytes that are left. */
  readonly bytes: number;
  /** Since it was made; by `deadline` since its timer was set last, so that it may be older. */
  readonly age: Nanoseconds | undefined;
  readonly ageBy: 'start_time_ns' | 'deadline' | undefined;
  /** After which the driver is asked what to do about it; each time that it is given to the driver anew. */
  readonly timeout: Nanoseconds | undefined;
}

/** A queue of blk-mq with its requests. */
export interface BlockQueue {
  readonly disk: Disk;
  /** Module of its `struct blk_mq_ops`, or their name where that is built in: 'nbd', 'scsi_mod', 'virtio_mq_ops'. */
  readonly driver: string | undefined;
  /** All that have a tag; the oldest first, those whose age is not known last. */
  readonly requests: readonly BlockRequest[];
  /** Those of the driver and, where it has one, of the scheduler. Disks may share them. */
  readonly tags: readonly Tags[];
  /** Nothing new may enter it: `mq_freeze_depth`. */
  readonly frozen: boolean;
  /** Nothing is given to the driver: `quiesce_depth`, since 5.16 (commit e70feb8b3e68). */
  readonly quiesced: boolean;
  /** Why requests may be missing. */
  readonly problem: string | undefined;
}

/** Tags of hardware queues and how to read them. */
interface TagSets {
  readonly driver: ReadonlySet<VirtAddr>;
  readonly scheduler: ReadonlySet<VirtAddr>;
}

/**
 * The `struct request_queue`s of all disks that have requests, as far as they can be read.
 * @throws FaultError, LookupError, ValidationError when the list of disks cannot be read
 */
export function blockQueues(program: Program, clocks: WaitClocks): readonly BlockQueue[] {
  const found = disks(program).map((disk) => {
    const sets = known(`requests of ${disk.name}`, () => tagSets(program, disk.queue));
    return { disk, sets: sets.value, problem: sets.problem };
  });
  const diskOf = new Map(found.map(({ disk }) => [disk.queue, disk]));
  const read = known('members of struct request', () => new Reader(program, clocks, diskOf));
  const tags = new Map<VirtAddr, Tags | undefined>();
  const problems = new Map<VirtAddr, string>();
  const requests = new Map<VirtAddr, BlockRequest>();
  for (const { disk, sets } of found) {
    for (const address of [...(sets?.driver ?? []), ...(sets?.scheduler ?? [])]) {
      if (tags.has(address)) continue;
      const { value, problem } = known(`tags of ${disk.name}`, () => readTags(program, address));
      tags.set(address, value);
      if (problem !== undefined) problems.set(address, problem);
      if (value === undefined) continue;
      const scheduler = sets?.scheduler.has(address) === true;
      const idle = scheduler || sets?.scheduler.size === 0;
      for (const request of read.value?.all(value, scheduler, idle) ?? [])
        if (!requests.has(request.address)) requests.set(request.address, request);
    }
  }
  const byDisk = Map.groupBy(requests.values(), ({ disk }) => disk);
  return found.flatMap(({ disk, sets, problem }): readonly BlockQueue[] => {
    const own = [...(sets?.driver ?? []), ...(sets?.scheduler ?? [])];
    if (problem === undefined && own.length === 0) return [];
    return [
      {
        disk,
        driver: attempt(() => driverOf(program, disk.queue)),
        requests: (byDisk.get(disk) ?? []).sort(byAge),
        tags: own.flatMap((address) => tags.get(address) ?? []),
        frozen: depth(program, disk.queue, 'mq_freeze_depth'),
        quiesced: depth(program, disk.queue, 'quiesce_depth'),
        problem:
          problem ?? read.problem ?? own.map((address) => problems.get(address)).find((each) => each !== undefined),
      },
    ];
  });
}

const byAge = ({ age: a = -1n as Nanoseconds }: BlockRequest, { age: b = -1n as Nanoseconds }: BlockRequest): number =>
  a === b ? 0 : a > b ? -1 : 1;

function depth(program: Program, queue: VirtAddr, member: string): boolean {
  const value = attempt(() => program.tryField('struct request_queue', member)?.value(queue));
  return value !== undefined && value > 0n;
}

function driverOf(program: Program, queue: VirtAddr): string | undefined {
  const operations = program.field('struct request_queue', 'mq_ops').pointer(queue);
  const symbol = isKernel(operations) ? program.symbols.at(operations) : undefined;
  return symbol?.module ?? program.moduleAt(operations)?.name ?? (symbol?.offset === 0 ? symbol.name : undefined);
}

function tagSets(program: Program, queue: VirtAddr): TagSets {
  const member = (name: string) => program.field('struct blk_mq_hw_ctx', name);
  const [driver, scheduler] = [new Set<VirtAddr>(), new Set<VirtAddr>()];
  for (const hardware of hardwareQueues(program, queue)) {
    const own = member('tags').pointer(hardware);
    const scheduled = member('sched_tags').pointer(hardware);
    if (isKernel(own)) driver.add(own);
    if (isKernel(scheduled)) scheduler.add(scheduled);
  }
  return { driver, scheduler };
}

/** Reads `struct request`s: the members are looked up once. */
class Reader {
  readonly #program: Program;
  readonly #clocks: WaitClocks;
  readonly #diskOf: ReadonlyMap<VirtAddr, Disk>;
  readonly #operations: ReadonlyMap<number, string>;
  readonly #field = (path: string) => this.#program.field(REQUEST, path);

  constructor(program: Program, clocks: WaitClocks, diskOf: ReadonlyMap<VirtAddr, Disk>) {
    this.#program = program;
    this.#clocks = clocks;
    this.#diskOf = diskOf;
    this.#operations = operationNames(program);
    // Throws here rather than for each request.
    for (const path of ['q', 'state', 'tag', 'internal_tag', 'cmd_flags', '__sector', '__data_len']) this.#field(path);
  }

  /** @param idle - also those that the driver has not been given */
  *all(tags: Tags, scheduler: boolean, idle: boolean): Generator<BlockRequest> {
    // What the driver has: its tags name the requests, whosever they are.
    if (!scheduler) yield* this.#some(tags, 'rqs', 'tag', (state) => state === IN_FLIGHT || state === COMPLETE);
    if (idle) yield* this.#some(tags, 'static_rqs', scheduler ? 'internal_tag' : 'tag', (state) => state === IDLE);
  }

  *#some(
    tags: Tags,
    table: 'rqs' | 'static_rqs',
    own: 'tag' | 'internal_tag',
    wanted: (state: number) => boolean,
  ): Generator<BlockRequest> {
    for (const { tag, request } of tags.requests(table)) {
      const found = attempt(() => this.#read(request, tag, own, wanted));
      if (found !== undefined) yield found;
    }
  }

  #read(
    at: VirtAddr,
    tag: number,
    own: 'tag' | 'internal_tag',
    wanted: (state: number) => boolean,
  ): BlockRequest | undefined {
    const state = this.#field('state').number(at);
    const disk = this.#diskOf.get(this.#field('q').pointer(at));
    if (disk === undefined || !wanted(state) || this.#field(own).number(at) !== tag) return undefined;
    // Since 4.18 (commit 12f5b9314545): 0 in one that has been freed.
    const references = this.#program.firstField(REQUEST, ['ref.refs.counter', 'ref.counter', 'ref']).value(at);
    if (state === IDLE && references <= 0n) return undefined;
    const operation = this.#field('cmd_flags').number(at) & OPERATION;
    const bytes = this.#field('__data_len').number(at);
    const timeout = this.#timeout(at);
    return {
      address: at,
      disk,
      state: state === IN_FLIGHT ? 'in flight' : state === COMPLETE ? 'complete' : 'queued',
      operation: this.#operations.get(operation) ?? `request of kind ${operation}`,
      sector: bytes === 0 ? undefined : this.#field('__sector').u64(at),
      bytes,
      ...this.#age(at, state, timeout),
      timeout,
    };
  }

  #timeout(at: VirtAddr): Nanoseconds | undefined {
    const { hz } = this.#clocks;
    const ticks = attempt(() => this.#field('timeout').u64(at));
    return hz === undefined || ticks === undefined || ticks === 0n
      ? undefined
      : nanoseconds((ticks * SECOND) / BigInt(hz));
  }

  #age(at: VirtAddr, state: number, timeout: Nanoseconds | undefined): Pick<BlockRequest, 'age' | 'ageBy'> {
    // ktime_get_ns(), where the queue counts its I/O (iostats) or has a scheduler; else 0.
    const start = attempt(() => this.#field('start_time_ns').u64(at));
    const noted = start !== undefined && start !== 0n;
    const age = noted ? this.#since(start) : state === IN_FLIGHT ? this.#sinceTimer(at, timeout) : undefined;
    return { age, ageBy: age === undefined ? undefined : noted ? 'start_time_ns' : 'deadline' };
  }

  /** Undefined for what lies in the future. */
  #since(start: bigint): Nanoseconds | undefined {
    const { monotonic } = this.#clocks;
    if (monotonic === undefined || start > monotonic + LAG) return undefined;
    return nanoseconds(start > monotonic ? 0n : monotonic - start);
  }

  #sinceTimer(at: VirtAddr, timeout: Nanoseconds | undefined): Nanoseconds | undefined {
    const { jiffies, hz } = this.#clocks;
    const deadline = attempt(() => this.#field('deadline').u64(at));
    if (deadline === undefined || deadline === 0n || timeout === undefined) return undefined;
    if (jiffies === undefined || hz === undefined) return undefined;
    const left = (BigInt.asIntN(64, deadline - jiffies) * SECOND) / BigInt(hz);
    return left > timeout + LAG ? undefined : nanoseconds(left > timeout ? 0n : timeout - left);
  }
}

/** Enumerators of enum req_op (req_opf before 6.1), and what they are called in a sentence. */
const OPERATIONS: readonly (readonly [enumerator: string, name: string])[] = [
  ['REQ_OP_READ', 'read'],
  ['REQ_OP_WRITE', 'write'],
  ['REQ_OP_FLUSH', 'flush'],
  ['REQ_OP_DISCARD', 'discard'],
  ['REQ_OP_SECURE_ERASE', 'secure erase'],
  ['REQ_OP_WRITE_SAME', 'write of the same'],
  ['REQ_OP_WRITE_ZEROES', 'write of zeroes'],
  ['REQ_OP_ZONE_APPEND', 'zone append'],
  ['REQ_OP_ZONE_RESET', 'zone reset'],
  ['REQ_OP_SCSI_IN', 'command'],
  ['REQ_OP_SCSI_OUT', 'command'],
  ['REQ_OP_DRV_IN', 'command'],
  ['REQ_OP_DRV_OUT', 'command'],
];

function operationNames(program: Program): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  for (const [enumerator, name] of OPERATIONS) {
    const value = program.enumerator(enumerator);
    if (value !== undefined) found.set(Number(value), name);
  }
  return found;
}
