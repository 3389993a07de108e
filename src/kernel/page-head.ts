/** The compound page (include/linux/page-flags.h) that the page walk is in, so that its tails have what its head says. */

/** A compound page that begins before the page in hand. */
export interface PageHead {
  frame: number;
  /** Behind its last frame. */
  end: number;
  code: number;
  /** Tally bits without those of each page. */
  tally: number;
  /** Number of its address space, or -1. */
  mapping: number;
  kind: number;
  flags: number;
  /** The compound page as a whole is mapped. */
  entire: boolean;
  /** Number of its slab cache, or -1. */
  slab: number;
}

/** The head before the first, a `struct page` of no frame. @throws nothing */
export function noHead(): PageHead {
  return { frame: -1, end: -1, code: 0, tally: 0, mapping: -1, kind: -1, flags: 0, entire: false, slab: -1 };
}
