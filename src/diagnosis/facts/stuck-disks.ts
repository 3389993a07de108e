/**
 * Disks that have not answered for long: by the age of the oldest request that the driver has, or, where it has none, of the
 * oldest that it is not given. Whether the disk, its driver, the host of a virtual machine or a network is at fault does not
 * show in the requests.
 */
import type { Nanoseconds } from '../../base/units.ts';
import type { BlockQueue, BlockRequest } from '../../kernel/block-requests.ts';
import type { ScsiDisk } from '../../kernel/disk-drivers.ts';
import { duration, name, plural, type Prose, prose } from '../../model/value.ts';
import { requestProse } from './task-waits.ts';
import { OLD_REQUEST } from './thresholds.ts';

export interface StuckDisk {
  readonly queue: BlockQueue;
  /** The oldest that is too old: with the driver, else one that is queued. */
  readonly oldest: BlockRequest;
  readonly age: Nanoseconds;
  /** The driver has it for longer than its own timeout: blk-mq has asked the driver about it, and it is not done yet. */
  readonly overdue: boolean;
  /** Requests that the driver has. */
  readonly inFlight: number;
  /** Requests that it has not been given. */
  readonly queued: number;
  /** Each request of the disk is too old: nothing has come back, or nothing new was asked. */
  readonly allOld: boolean;
  /** So many tags are all taken, of the driver or its scheduler: no other request can be made; undefined where some are free. */
  readonly full: number | undefined;
  /** The adapter, where it is a SCSI disk. */
  readonly scsi?: ScsiDisk;
  /** Where file systems are mounted that lie on it, or on a device of device mapper that is made of it. */
  readonly directories?: readonly string[];
}

/** @returns undefined for one whose requests are young, or of unknown age */
export function stuckDisk(queue: BlockQueue): StuckDisk | undefined {
  const inFlight = queue.requests.filter(({ state }) => state === 'in flight');
  const queued = queue.requests.filter(({ state }) => state === 'queued');
  // The oldest come first, those of unknown age last.
  const oldest = (inFlight.length > 0 ? inFlight : queued).find(isOld);
  const age = oldest?.age;
  if (oldest === undefined || age === undefined) return undefined;
  return {
    queue,
    oldest,
    age,
    overdue: oldest.state === 'in flight' && oldest.timeout !== undefined && age >= oldest.timeout,
    inFlight: inFlight.length,
    queued: queued.length,
    allOld: queue.requests.every(isOld),
    full: queue.tags.find(({ taken, depth }) => depth > 0 && taken >= depth)?.depth,
  };
}

/** What disks answer soon; others may rightly take as long as their timeout says: to discard all of a disk, or a command of a program. */
const SOON: ReadonlySet<string> = new Set(['read', 'write', 'flush']);

/** Whether a request is old itself. */
export function isOld({ age, operation, timeout }: BlockRequest): boolean {
  if (age === undefined || age < OLD_REQUEST) return false;
  return SOON.has(operation) || (timeout !== undefined && age >= timeout);
}

/** 'the disk nbd0, which has not answered a request for 41.8 s'. */
export function stuckDiskText({ queue, oldest, age }: StuckDisk): Prose {
  const what = oldest.state === 'in flight' ? 'has not answered a request' : 'has not been given a request';
  return prose`the disk ${name(queue.disk.name)}, which ${what} for ${duration(age)}`;
}

/** What keeps the tasks, as a clause: fits behind a colon. */
export function stuckDiskLeaf({ oldest, overdue, inFlight, queued }: StuckDisk): Prose {
  const limit = oldest.timeout;
  const late = overdue && limit !== undefined ? prose`, older than its timeout of ${duration(limit)}` : [];
  const others = inFlight + queued - 1;
  const more = others === 0 ? [] : prose`; ${plural(others, 'more request is', 'more requests are')} not answered`;
  return prose`${requestProse(oldest)}${late}${more}`;
}
