/**
 * A malformed input: one or more files, and what kwhy must do with it. Files are small and whole, or a large sound one
 * with a few bytes changed, which is then changed where it lies.
 */

/** Bytes to put at an offset. */
export interface Patch {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** The sound files that cases change; bases.ts makes them. */
export type Base = 'kdump' | 'elf' | 'flattened' | 'part1' | 'part2';

export type FileSpec =
  | { readonly bytes: Uint8Array }
  | { readonly base: Base; readonly patches: readonly Patch[]; readonly size?: number };

export interface MalformedCase {
  readonly name: string;
  readonly files: readonly FileSpec[];
  /** 3: one line on stderr, nothing else. 1: a report with problems. 0: the damage is in what nobody needs. */
  readonly status: 0 | 1 | 3;
  /** In the line, or in what the report says is wrong or was not read. */
  readonly says: RegExp;
}

function number(width: 2 | 4 | 8, at: number, value: number | bigint): Patch {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
  return { at, bytes: bytes.subarray(0, width) };
}

export const u16 = (at: number, value: number): Patch => number(2, at, value);
export const u32 = (at: number, value: number): Patch => number(4, at, value);
export const u64 = (at: number, value: number | bigint): Patch => number(8, at, value);
export const fill = (at: number, length: number, value: number): Patch => ({
  at,
  bytes: new Uint8Array(length).fill(value),
});
export const text = (at: number, value: string): Patch => ({ at, bytes: Buffer.from(value, 'latin1') });

export function patched(bytes: Uint8Array, patches: readonly Patch[]): Uint8Array {
  const copy = Uint8Array.from(bytes);
  for (const patch of patches) copy.set(patch.bytes, patch.at);
  return copy;
}
