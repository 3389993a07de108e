/**
 * A type pack: what a vmlinux with debug information tells of types, in a few megabytes. Two lines of text ('KWHYTYPES 1', and
 * JSON that says of which kernel it is), then BTF compressed with zstd. Whoever has no vmlinux any more opens the dump with it.
 * Behind the types lie the unwind rules (.debug_frame, as cfi-pack.ts writes them). It has no lines of source.
 */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { attempt, FormatError } from '../base/errors.ts';
import { type Btf, parseBtf } from '../debuginfo/btf.ts';
import { BtfWriter } from '../debuginfo/btf-writer.ts';
import { packCfi, unpackCfi } from '../debuginfo/dwarf/cfi-pack.ts';
import { CfiTable } from '../debuginfo/dwarf/cfi.ts';
import { DwarfTypes } from '../debuginfo/dwarf/dwarf-types.ts';
import type { CType } from '../debuginfo/type.ts';
import type { DebugFile } from './debug-file.ts';

const FORMAT = 'type pack';
export const PACK_MAGIC = 'KWHYTYPES 1\n';
const MAX_HEAD = 4096;
/** Larger than all types of any kernel. */
const MAX_BTF = 1 << 28;
const MAX_UNWIND = 1 << 26;

export interface TypePack {
  readonly buildId: string | undefined;
  readonly banner: string | undefined;
  readonly types: Btf;
  /** `_stext` of the file, by which KASLR's offset is told. */
  readonly text: bigint | undefined;
  /** Unwind rules; undefined when the file had none. @throws FormatError */
  readonly cfi: () => CfiTable | undefined;
}

/**
 * @param modules - types that modules have besides those of the kernel
 * @throws FormatError when it has no DWARF
 */
export function packTypes(file: DebugFile, modules: readonly DwarfTypes[] = []): Uint8Array {
  const { types, buildId, banner } = file;
  if (!(types instanceof DwarfTypes)) throw new FormatError(FORMAT, 'types are packed from a vmlinux, not from a pack');
  let source = types;
  const writer = new BtfWriter((type) => keyOf(type, source, types));
  types.writeTo(writer);
  for (const module of modules) {
    source = module;
    module.writeTypes(writer);
  }
  const btf = writer.bytes();
  const rules = file.cfi?.();
  const unwind = rules === undefined ? new Uint8Array(0) : packCfi(rules.index);
  const text = file.addressOf('_stext')?.toString(16);
  const head = JSON.stringify({ buildId, banner, size: btf.length, unwind: unwind.length, text });
  return Buffer.concat([Buffer.from(`${PACK_MAGIC}${head}\n`), zstdCompressSync(Buffer.concat([btf, unwind]))]);
}

/** What is the same for the same type; for one that a module has from the kernel's headers that of the kernel. */
function keyOf(type: CType, source: DwarfTypes, kernel: DwarfTypes): unknown {
  const place = source.placeOf(type);
  if (source === kernel) return place ?? type;
  const same = attempt(() => ofKernel(type, kernel));
  const placeThere = same === undefined ? undefined : kernel.placeOf(same);
  return placeThere ?? (place === undefined ? type : `${source.name} ${place}`);
}

function ofKernel(type: CType, kernel: DwarfTypes): CType | undefined {
  switch (type.kind) {
    case 'struct':
    case 'union':
    case 'enum': {
      const { name, kind, size } = type;
      return name === undefined
        ? undefined
        : kernel.find(kind, name).find((each) => 'size' in each && (each.size === size || size === 0));
    }
    case 'typedef':
      return kernel.find('typedef', type.name)[0];
    default:
      return undefined;
  }
}

/** @throws FormatError */
export function readPack(bytes: Uint8Array, name: string): TypePack {
  const start = Buffer.from(bytes.subarray(0, MAX_HEAD)).toString('latin1');
  const end = start.indexOf('\n', PACK_MAGIC.length);
  if (!start.startsWith(PACK_MAGIC) || end < 0) throw new FormatError(FORMAT, 'it does not begin as one');
  const head = parsed(start.slice(PACK_MAGIC.length, end));
  const size = Number(head.size);
  const unwind = Number(head.unwind ?? 0);
  if (!(size > 0 && size <= MAX_BTF && unwind >= 0 && unwind <= MAX_UNWIND))
    throw new FormatError(FORMAT, 'its size is not told');
  let all: Uint8Array;
  try {
    all = zstdDecompressSync(bytes.subarray(end + 1), { maxOutputLength: size + unwind });
  } catch (error) {
    throw new FormatError(FORMAT, 'does not decompress', undefined, { cause: error });
  }
  if (all.length !== size + unwind) throw new FormatError(FORMAT, `decompresses to ${all.length} bytes`);
  const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
  const stext = /^[0-9a-f]{1,16}$/.exec(text(head.text) ?? '')?.[0];
  let cfi: CfiTable | undefined;
  return {
    buildId: text(head.buildId),
    banner: text(head.banner),
    types: parseBtf(all.subarray(0, size), { name }),
    text: stext === undefined ? undefined : BigInt(`0x${stext}`),
    cfi: () => (unwind === 0 ? undefined : (cfi ??= new CfiTable(unpackCfi(all.subarray(size)), FORMAT))),
  };
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
