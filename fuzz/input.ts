/**
 * What is fuzzed: named parts (the bytes of a file, of a table in memory, a text) and changes of them. A case is the name of
 * a base and a list of changes; it is all that is needed to make the input again, so it is what a corpus keeps, a finding
 * reports and a regression test replays.
 */

/** What a field of a format means: decides which values are tried. */
export type Role = 'length' | 'count' | 'offset' | 'index' | 'kind' | 'flags' | 'address' | 'value';

export interface Field {
  readonly part: string;
  readonly at: number;
  readonly size: 1 | 2 | 4 | 8;
  readonly role: Role;
  /** Fields of one group share their chance: the three fields of a header count as much as a thousand of a table. */
  readonly group: string;
}

/** Bytes are hex. Places outside of a part are brought inside, so that any list of changes can be applied to any base. */
export type Op =
  | { readonly op: 'set' | 'insert'; readonly part: string; readonly at: number; readonly bytes: string }
  | { readonly op: 'flip'; readonly part: string; readonly at: number; readonly bit: number }
  | { readonly op: 'fill'; readonly part: string; readonly at: number; readonly length: number; readonly value: number }
  | { readonly op: 'copy'; readonly part: string; readonly from: number; readonly at: number; readonly length: number }
  | { readonly op: 'delete'; readonly part: string; readonly at: number; readonly length: number }
  | { readonly op: 'cut'; readonly part: string; readonly length: number };

export interface Case {
  readonly base: string;
  readonly ops: readonly Op[];
}

export interface Parts {
  /** The part's bytes; empty when there is no such part. Not to be written to. */
  get(name: string): Uint8Array;
}

/** Counts and words that tell one outcome from another; numbers count by their order of magnitude. */
export type Summary = readonly (string | number)[];

export interface Base {
  readonly parts: ReadonlyMap<string, Uint8Array>;
  readonly fields: readonly Field[];
  /** Parts that are text of lines. */
  readonly texts?: readonly string[];
  /** Parts whose length stays: pages. */
  readonly fixed?: boolean;
  /** Changes that only this target knows; asked for now and then. */
  readonly special?: (random: { below(count: number): number; u32(): number }) => readonly Op[];
  /**
   * Gives the parts to the reader and looks at all that it makes of them.
   * @param pristine - nothing was changed: the result must be what was built
   */
  readonly run: (parts: Parts, pristine: boolean) => Summary;
}

/** No part grows beyond this through insertions. */
const MAX_PART = 16 * 2 ** 20;

const nothing = new Uint8Array(0);

/** The parts of a base after changes; those that were not changed are the base's own bytes. */
export function apply(parts: ReadonlyMap<string, Uint8Array>, ops: readonly Op[]): Parts {
  const changed = new Map<string, Uint8Array>();
  for (const op of ops) {
    const own = changed.get(op.part);
    const bytes = own ?? Uint8Array.from(parts.get(op.part) ?? nothing);
    changed.set(op.part, changedBy(bytes, op));
  }
  return { get: (name) => changed.get(name) ?? parts.get(name) ?? nothing };
}

/** Changes `bytes` in place where its length stays. */
function changedBy(bytes: Uint8Array, op: Op): Uint8Array {
  const { length } = bytes;
  switch (op.op) {
    case 'set': {
      const content = Buffer.from(op.bytes, 'hex');
      const at = inside(op.at, length);
      bytes.set(content.subarray(0, length - at), at);
      return bytes;
    }
    case 'flip': {
      const at = inside(op.at, length);
      if (at < length) bytes[at] = (bytes[at] ?? 0) ^ (1 << (op.bit & 7));
      return bytes;
    }
    case 'fill': {
      const at = inside(op.at, length);
      return bytes.fill(op.value, at, at + op.length);
    }
    case 'copy': {
      const from = inside(op.from, length);
      const at = inside(op.at, length);
      return bytes.copyWithin(at, from, from + Math.min(op.length, length - at, length - from));
    }
    case 'insert': {
      const content = Buffer.from(op.bytes, 'hex');
      if (length + content.length > MAX_PART) return bytes;
      const at = Math.min(op.at, length);
      return Uint8Array.from(Buffer.concat([bytes.subarray(0, at), content, bytes.subarray(at)]));
    }
    case 'delete': {
      const at = inside(op.at, length);
      return Uint8Array.from(Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + op.length)]));
    }
    case 'cut':
      return bytes.slice(0, op.length);
  }
}

function inside(at: number, length: number): number {
  return length === 0 ? 0 : at % length;
}
