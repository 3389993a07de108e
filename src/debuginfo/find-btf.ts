/**
 * Where the kernel's BTF lies when no symbol says so: a header (include/uapi/linux/btf.h) whose sections follow each
 * other and are as large as those of a kernel.
 */
import { add } from '../base/address.ts';
import { ByteView } from '../base/bytes.ts';
import type { MemoryReader, VirtRange } from '../base/memory.ts';
import { occurrences, tryRead } from './memory-scan.ts';

/** u16 magic 0xeb9f, u8 version 1, u8 flags 0. */
const MAGIC = Uint8Array.of(0x9f, 0xeb, 1, 0);
/** Kernels have 3 MB and more; modules and BPF programs less. */
const MIN_SIZE = 1 << 20;
const MAX_SIZE = 1 << 28;

/** @returns address and bytes of the first that looks right; undefined when there is none */
export function findBtf(memory: MemoryReader, ranges: readonly VirtRange[], minSize = MIN_SIZE): VirtRange | undefined {
  for (const start of occurrences(memory, ranges, MAGIC)) {
    const bytes = tryRead(memory, start, 32);
    if (bytes === undefined) continue;
    const header = new ByteView(bytes, 'BTF');
    const headerSize = header.u32(4);
    const typeSize = header.u32(12);
    // hdr_len 24, or 32 with a layout section (since 7.1), which follows the strings or lies between.
    if (headerSize < 24 || headerSize > 256 || header.u32(8) !== 0 || header.u32(16) < typeSize) continue;
    let size = headerSize + header.u32(16) + header.u32(20);
    if (headerSize >= 32) size = Math.max(size, headerSize + header.u32(24) + header.u32(28));
    if (size >= minSize && size <= MAX_SIZE) return { start, end: add(start, size) };
  }
  return undefined;
}
