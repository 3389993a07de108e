/**
 * What is known of the frames that fit no class, for whoever looks for a leak: blocks by size, flags and reference counts,
 * and where they lie. Counted while the pages are walked.
 */

/** Blocks are remembered up to this number, evenly thinned out beyond it. */
const MAX_SAMPLES = 4096;

export interface UnclassifiedBlocks {
  readonly order: number;
  readonly blocks: number;
  readonly pages: number;
}

/** Why a frame fits no class. */
export type Oddity =
  | 'plain'
  | 'no references'
  | 'tail without head'
  | 'type not known'
  | 'mapping not known'
  | 'bad order';

export class Unclassified {
  /** Blocks by pages in each: a block is a compound page, or a page with those behind it that have no references. */
  readonly #sizes = new Map<number, number>();
  readonly #flags = new Map<number, number>();
  readonly #references = new Map<number, number>();
  readonly #oddities = new Map<Oddity, number>();
  readonly #samples: number[] = [];
  #compound = 0;
  #seen = 0;
  #every = 1;
  /** The block that may still grow: its first frame, or -1. */
  #open = -1;
  #openEnd = -1;

  /** A frame that begins a block. @param size - pages of a compound page, 1 otherwise */
  add(frame: number, flags: number, references: number, oddity: Oddity, size: number): void {
    this.#close();
    this.#open = frame;
    this.#openEnd = frame + size;
    if (size > 1) this.#compound += size;
    bump(this.#flags, flags, size);
    bump(this.#references, references, size);
    bump(this.#oddities, oddity, size);
    if (this.#seen++ % this.#every !== 0) return;
    this.#samples.push(frame);
    if (this.#samples.length <= MAX_SAMPLES) return;
    this.#every *= 2;
    for (let i = 0; i < this.#samples.length; i++) if (i % 2 === 0) this.#samples[i / 2] = this.#samples[i] ?? 0;
    this.#samples.length = Math.ceil(this.#samples.length / 2);
  }

  /** A frame without references right behind a block: the rest of an allocation that is no compound page. */
  extend(frame: number): boolean {
    if (this.#open < 0 || frame !== this.#openEnd) return false;
    this.#openEnd++;
    bump(this.#oddities, 'plain', 1);
    return true;
  }

  #close(): void {
    if (this.#open >= 0) bump(this.#sizes, this.#openEnd - this.#open, 1);
    this.#open = -1;
  }

  /** Blocks by order, the smallest that holds them; the most pages first. */
  blocks(): readonly UnclassifiedBlocks[] {
    this.#close();
    const orders = new Map<number, { blocks: number; pages: number }>();
    for (const [size, count] of this.#sizes) {
      const order = Math.ceil(Math.log2(size));
      const sum = orders.get(order) ?? { blocks: 0, pages: 0 };
      orders.set(order, { blocks: sum.blocks + count, pages: sum.pages + size * count });
    }
    return [...orders].map(([order, sum]) => ({ order, ...sum })).sort((a, b) => b.pages - a.pages);
  }

  /** Pages that are parts of compound pages. */
  get compound(): number {
    return this.#compound;
  }

  /** Pages by the low half of their flags, without node and zone. */
  get flags(): ReadonlyMap<number, number> {
    return this.#flags;
  }

  /** Pages by their reference count; those of a block by that of its first page. */
  get references(): ReadonlyMap<number, number> {
    return this.#references;
  }

  get oddities(): ReadonlyMap<Oddity, number> {
    return this.#oddities;
  }

  /** First frames of blocks, evenly over all of them. */
  get samples(): readonly number[] {
    return this.#samples;
  }
}

function bump<K>(counts: Map<K, number>, key: K, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}
