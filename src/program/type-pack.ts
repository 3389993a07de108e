/**
 * A type pack: what a vmlinux with debug information tells of types, in a few megabytes. Two lines of text ('KWHYTYPES 1', and
 * JSON that says of which kernel it is), then BTF compressed with zstd. Whoever has no vmlinux any more opens the dump with it.
 * It has no lines of source and no unwind rules.
 */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { FormatError } from '../base/errors.ts';
import { type Btf, parseBtf } from '../debuginfo/btf.ts';
import { BtfWriter } from '../debuginfo/btf-writer.ts';
import { DwarfTypes } from '../debuginfo/dwarf/dwarf-types.ts';
import type { DebugFile } from './debug-file.ts';

const FORMAT = 'type pack';
export const PACK_MAGIC = 'KWHYTYPES 1\n';
const MAX_HEAD = 4096;
/** Larger than all types of any kernel. */
const MAX_BTF = 1 << 28;

export interface TypePack {
  readonly buildId: string | undefined;
  readonly banner: string | undefined;
  readonly types: Btf;
}

/** @throws FormatError when it has no DWARF */
export function packTypes({ types, buildId, banner }: DebugFile): Uint8Array {
  if (!(types instanceof DwarfTypes)) throw new FormatError(FORMAT, 'types are packed from a vmlinux, not from a pack');
  const writer = new BtfWriter();
  types.writeTo(writer);
  const btf = writer.bytes();
  const head = JSON.stringify({ buildId, banner, size: btf.length });
  return Buffer.concat([Buffer.from(`${PACK_MAGIC}${head}\n`), zstdCompressSync(btf)]);
}

/** @throws FormatError */
export function readPack(bytes: Uint8Array, name: string): TypePack {
  const start = Buffer.from(bytes.subarray(0, MAX_HEAD)).toString('latin1');
  const end = start.indexOf('\n', PACK_MAGIC.length);
  if (!start.startsWith(PACK_MAGIC) || end < 0) throw new FormatError(FORMAT, 'it does not begin as one');
  const head = parsed(start.slice(PACK_MAGIC.length, end));
  const size = Number(head.size);
  if (!(size > 0 && size <= MAX_BTF)) throw new FormatError(FORMAT, 'its size is not told');
  let btf: Uint8Array;
  try {
    btf = zstdDecompressSync(bytes.subarray(end + 1), { maxOutputLength: size });
  } catch (error) {
    throw new FormatError(FORMAT, 'does not decompress', undefined, { cause: error });
  }
  const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
  return { buildId: text(head.buildId), banner: text(head.banner), types: parseBtf(btf, { name }) };
}

function parsed(text: string): { readonly [key: string]: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value));
  } catch {
    // As for what is no object.
  }
  throw new FormatError(FORMAT, 'its second line is no JSON object');
}
