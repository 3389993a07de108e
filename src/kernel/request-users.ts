/**
 * Who waits for a request of a block device: by the `struct bio`s in it, what these tell their end to, and the pages that they
 * read or write. A page that is locked or under writeback without a request is not found here: its bio may still wait for one.
 */
import { isKernel, type VirtAddr, virt } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { pagesOfBio, usersOfBio } from './bio.ts';
import type { BlockRequest } from './block-requests.ts';

/** Of one request, and of all. */
const MAX_BIOS = 1 << 12;
const MAX_ALL_BIOS = 1 << 17;
/** Pages of all requests that are remembered: 1 GiB. */
const MAX_PAGES = 1 << 18;

export interface RequestUsers {
  /** By a `struct bio *`, its `bi_private`, or `end_io_data`: the object that its end is told to. */
  of(address: VirtAddr): BlockRequest | undefined;
  /** One for which such an object lies between two addresses: on a stack, say. */
  within(start: VirtAddr, end: VirtAddr): BlockRequest | undefined;
  /** By the `struct task_struct *` that its end wakes, in I/O past the page cache. */
  wakes(task: VirtAddr): BlockRequest | undefined;
  /** By one of so many `struct page`s that it reads or writes. */
  ofPages(page: VirtAddr, count: number): BlockRequest | undefined;
}

/**
 * Reads what is in some `struct request`s. Where several have the same, as on a device on top of another, the last one counts.
 * @throws LookupError where the types are not known; a chain of bios that breaks off ends there
 */
export function requestUsers(program: Program, requests: readonly BlockRequest[]): RequestUsers {
  const users = new Map<VirtAddr, BlockRequest>();
  const waiters = new Map<VirtAddr, BlockRequest>();
  const pages = new Map<VirtAddr, BlockRequest>();
  const size = BigInt(program.sizeOf('struct page'));
  const data = program.field('struct request', 'end_io_data');
  let [bios, left] = [0, MAX_PAGES];
  for (const request of requests) {
    const told = attempt(() => data.pointer(request.address));
    if (told !== undefined && isKernel(told)) users.set(told, request);
    for (const bio of biosOf(program, request.address)) {
      if (++bios > MAX_ALL_BIOS) break;
      for (const { address, waiter } of attempt(() => usersOfBio(program, bio)) ?? []) {
        users.set(address, request);
        if (waiter !== undefined) waiters.set(waiter, request);
      }
      for (const { page, count } of attempt(() => [...pagesOfBio(program, bio)]) ?? [])
        for (let i = 0n; i < BigInt(count) && left > 0; i++, left--) pages.set(virt(page + i * size), request);
    }
  }
  const sorted = [...users.keys()].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return {
    of: (address) => users.get(address),
    within(start, end) {
      const first = firstFrom(sorted, start);
      return first === undefined || first >= end ? undefined : users.get(first);
    },
    // The simplest reads of block devices name the task in the bio itself.
    wakes: (task) => waiters.get(task) ?? users.get(task),
    ofPages(page, count) {
      for (let i = 0n; i < BigInt(count); i++) {
        const found = pages.get(virt(page + i * size));
        if (found !== undefined) return found;
      }
      return undefined;
    },
  };
}

/** Each `struct bio *` of a request, up to where the chain breaks off. */
function* biosOf(program: Program, request: VirtAddr): Generator<VirtAddr> {
  const next = program.field('struct bio', 'bi_next');
  const seen = new Set<VirtAddr>();
  let at = attempt(() => program.field('struct request', 'bio').pointer(request));
  while (at !== undefined && isKernel(at) && !seen.has(at) && seen.size < MAX_BIOS) {
    const here = at;
    seen.add(here);
    yield here;
    at = attempt(() => next.pointer(here));
  }
}

/** The lowest of sorted addresses that is not below one, by bisection. */
function firstFrom(sorted: readonly VirtAddr[], start: VirtAddr): VirtAddr | undefined {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? start) < start) low = middle + 1;
    else high = middle;
  }
  return sorted[low];
}
