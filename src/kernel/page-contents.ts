/**
 * What the contents of page frames point to: for frames that no class knows, the last witness of whose they are. Words that
 * are kernel pointers are counted by what lies there: a symbol of the kernel or of a module, a slab cache, a use of pages.
 */
import { isKernel, type VirtAddr, virt } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import type { FrameTable } from './frame-table.ts';
import { classOf } from './page-class.ts';
import { frameOfAddress } from './page.ts';
import { slabObjectAt } from './slab.ts';

/** Words of a page that are looked up; pointers stand close together. */
const MAX_LOOKUPS = 64;
const HALF = 2 ** 32;

export interface PageContents {
  /** Pages that were read. */
  readonly read: number;
  /** Pages that the dump does not have. */
  readonly missing: number;
  /** Of the pages read: all zero; nearly only text; anything else. */
  readonly zero: number;
  readonly text: number;
  /** In how many pages a word points there: 'module nvme', 'slab inode_cache', 'symbol foo_ops'; the most first. */
  readonly targets: readonly { readonly target: string; readonly pages: number }[];
}

/**
 * Looks into frames.
 * @param frames - page frame numbers
 * @param classes - of all frames, as the page walk left them
 * @param caches - `struct kmem_cache *` and name, as `slabCaches` gives them
 * @throws nothing for what the dump holds
 */
export function pageContents(
  program: Program,
  frames: readonly number[],
  classes: FrameTable,
  caches: ReadonlyMap<VirtAddr, string>,
): PageContents {
  const targets = new Map<string, number>();
  const count = { read: 0, missing: 0, zero: 0, text: 0 };
  for (const frame of frames) {
    const page = attempt(() =>
      program.memory.physical.view(frame as Parameters<typeof program.memory.physical.view>[0]),
    );
    if (page === undefined) {
      count.missing++;
      continue;
    }
    count.read++;
    const { pointers, zero, text } = wordsOf(page);
    if (zero) count.zero++;
    else if (text) count.text++;
    const found = new Set(pointers.flatMap((pointer) => targetOf(program, pointer, classes, caches) ?? []));
    for (const target of found) targets.set(target, (targets.get(target) ?? 0) + 1);
  }
  const sorted = [...targets].map(([target, pages]) => ({ target, pages })).sort((a, b) => b.pages - a.pages);
  return { ...count, targets: sorted };
}

/** Copies what is needed of a page: its memory may be given to another one by the next read. */
function wordsOf(page: DataView): {
  readonly pointers: readonly VirtAddr[];
  readonly zero: boolean;
  readonly text: boolean;
} {
  const pointers: VirtAddr[] = [];
  let used = 0;
  let printable = 0;
  for (let at = 0; at < page.byteLength; at++) {
    const byte = page.getUint8(at);
    if (byte === 0) continue;
    used++;
    if ((byte >= 0x20 && byte < 0x7f) || byte === 0x0a || byte === 0x09) printable++;
  }
  for (let at = 0; at + 8 <= page.byteLength && pointers.length < MAX_LOOKUPS; at += 8) {
    const high = page.getUint32(at + 4, true);
    if (high >>> 24 !== 0xff || high === 0xffffffff) {
      // The kernel image and modules lie in the uppermost 2 GiB.
      if (high !== 0xffffffff || page.getUint32(at, true) < 0x80000000) continue;
    }
    pointers.push(virt(BigInt(high) * BigInt(HALF) + BigInt(page.getUint32(at, true))));
  }
  return { pointers, zero: used === 0, text: used > 0 && printable / used > 0.95 };
}

function targetOf(
  program: Program,
  pointer: VirtAddr,
  classes: FrameTable,
  caches: ReadonlyMap<VirtAddr, string>,
): string | undefined {
  if (!isKernel(pointer)) return undefined;
  const module = program.moduleAt(pointer);
  if (module !== undefined) return `module ${module.name}`;
  const symbol = program.symbols.at(pointer);
  if (symbol !== undefined) return `symbol ${symbol.name}`;
  const object = attempt(() => slabObjectAt(program, pointer, caches));
  if (object !== undefined) return `slab ${object.cacheName}`;
  const frame = attempt(() => frameOfAddress(program, pointer));
  const code = frame === undefined ? undefined : classes.get(frame);
  return code === undefined ? undefined : `pages: ${classOf(code).group}, ${classOf(code).label}`;
}
