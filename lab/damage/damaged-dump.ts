/**
 * A dump whose pages are damaged in memory, without writing a file: what the layers above see when a disk, a network or a
 * crash kernel lost or changed part of it. Damage is drawn from a seed, so that a case can be looked at again.
 */
import { type Pfn, pfn } from '../../src/base/address.ts';
import type { DumpFile, PageStatus } from '../../src/dump/dump-file.ts';
import { Random } from '../../fuzz/random.ts';

/**
 * `lost`: the file does not have the page and says so. The others it gives as if they were sound: `zeroed` all zero,
 * `garbage` random bytes, `swapped` the bytes of another one that was drawn, `flipped` up to fifty bits changed.
 */
export const PAGE_DAMAGES = ['lost', 'zeroed', 'garbage', 'swapped', 'flipped'] as const;
export type PageDamage = (typeof PAGE_DAMAGES)[number];

export interface Damage {
  readonly kind: PageDamage;
  readonly percent: number;
  readonly seed: number;
}

/** @param touched - page frames to draw from: those that a report on the sound dump reads */
export function damagedDump(dump: DumpFile, touched: readonly Pfn[], damage: Damage): DumpFile {
  const random = new Random(`${damage.kind} ${damage.percent} ${damage.seed}`);
  const frames = draw(random, touched, Math.max(1, Math.round((touched.length * damage.percent) / 100)));
  const pages = new Map<number, Uint8Array | undefined>();
  frames.forEach((frame, i) => {
    const next = frames[(i + 1) % frames.length] ?? frame;
    pages.set(frame, damagedPage(dump, frame, next, damage.kind, random));
  });
  return overlaid(dump, pages);
}

function draw(random: Random, from: readonly Pfn[], count: number): Pfn[] {
  const left = [...from];
  for (let i = 0; i < Math.min(count, left.length); i++) {
    const j = i + random.below(left.length - i);
    [left[i], left[j]] = [left[j] ?? pfn(0), left[i] ?? pfn(0)];
  }
  return left.slice(0, count);
}

/** Undefined for a lost one, and for one that the dump does not have either. */
function damagedPage(dump: DumpFile, frame: Pfn, next: Pfn, kind: PageDamage, random: Random): Uint8Array | undefined {
  const size = dump.pageSize;
  const page = new Uint8Array(size);
  switch (kind) {
    case 'lost':
      return undefined;
    case 'zeroed':
      return page;
    case 'garbage':
      return random.bytes(size);
    case 'swapped':
      return readable(dump.readPage(next, page)) ? page : undefined;
    case 'flipped': {
      if (!readable(dump.readPage(frame, page))) return undefined;
      for (let bits = random.between(1, 50); bits > 0; bits--) {
        const at = random.below(size);
        page[at] = (page[at] ?? 0) ^ (1 << random.below(8));
      }
      return page;
    }
  }
}

function readable(status: PageStatus): boolean {
  return status === 'data' || status === 'zero';
}

/** @param pages - what takes the place of a page; undefined for one that is lost */
function overlaid(dump: DumpFile, pages: ReadonlyMap<number, Uint8Array | undefined>): DumpFile {
  const over: Pick<DumpFile, 'status' | 'readPage' | 'close'> = {
    status(frame) {
      if (!pages.has(frame)) return dump.status(frame);
      return pages.get(frame) === undefined ? 'lost' : 'data';
    },
    readPage(frame, into) {
      if (!pages.has(frame)) return dump.readPage(frame, into);
      const page = pages.get(frame);
      if (page === undefined) return 'lost';
      into.set(page);
      return 'data';
    },
    // The sound dump is opened once for many cases, and closed by who opened it.
    close: () => undefined,
  };
  return new Proxy(dump, {
    get(target, member) {
      if (member === 'status' || member === 'readPage' || member === 'close') return over[member];
      const value: unknown = Reflect.get(target, member, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
