/**
 * Raw memory says nothing of where its bytes belong. Mostly byte n of the file is byte n of memory. But memory of a PC
 * has a hole below 4 GiB, for devices, and a file may leave it out (the memory file of a virtual machine does, QEMU's
 * `pmemsave` does not): then what is behind it in the file belongs at 4 GiB and above. The kernel tells: where its image
 * must be, and where memory ends (`max_pfn`). One hole is looked for; files that leave out every gap of the memory map
 * are not put together.
 */
import { add, type PhysAddr, sub } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { SymbolTable } from '../debuginfo/symbol.ts';
import type { Vmcoreinfo } from '../debuginfo/vmcoreinfo.ts';
import type { DumpFile } from '../dump/dump-file.ts';
import { imagePhys } from './bootstrap-image.ts';
import type { PhysicalMemory } from './physical-memory.ts';

const HOLE_END = 2 ** 32;
/** Memory below the hole: 2 GiB, 2.75 GiB, 3 GiB and 3.5 GiB are usual; less than 1 GiB is not. */
const LEAST_LOW = 2 ** 30;
const STEP = 2 ** 20;
const ADDRESS_MASK = 0x000ffffffffff000n;
/** `struct new_utsname`: release is the third of its strings of 65 bytes. */
const RELEASE = 2 * 65;

export type MemoryOf = (dump: DumpFile) => PhysicalMemory;

/** A dump, and what was assumed to put its memory into place. */
export interface Placement {
  readonly dump: DumpFile;
  readonly assumed: string | undefined;
}

/**
 * The dump as it is; and raw memory with each hole that puts `init_uts_ns` where VMCOREINFO says that it is.
 * @throws nothing for what the dump holds
 */
export function* placements(
  dump: DumpFile,
  vmcoreinfo: Vmcoreinfo,
  physBase: bigint,
  memoryOf: MemoryOf,
): Generator<Placement> {
  yield { dump, assumed: undefined };
  const uts = vmcoreinfo.symbol('init_uts_ns');
  const wanted = vmcoreinfo.osRelease;
  if (dump.withHole === undefined || uts === undefined || wanted === undefined) return;
  const release = add(imagePhys(uts, physBase), (vmcoreinfo.offset('uts_namespace.name') ?? 0) + RELEASE);
  if (release < BigInt(HOLE_END)) return;
  const physical = memoryOf(dump);
  for (let low = HOLE_END - STEP; low >= LEAST_LOW; low -= STEP) {
    if (isTextAt(physical, sub(release, HOLE_END - low), wanted)) yield withHole(dump, low);
  }
}

/**
 * Raw memory with the hole that makes its end what the kernel says it is.
 * @param maxPfn - `max_pfn`: one above the last page frame of the machine
 * @returns what the dump already is when nothing speaks for a hole
 */
export function placedByEnd(dump: DumpFile, maxPfn: number): Placement {
  const end = maxPfn * dump.pageSize;
  const low = dump.fileSize - (end - HOLE_END);
  const sound = end > HOLE_END && dump.fileSize < end && low >= LEAST_LOW && low < HOLE_END && low % STEP === 0;
  return sound && dump.withHole !== undefined ? withHole(dump, low) : { dump, assumed: undefined };
}

/**
 * How much further up the kernel's page tables say that the image is than the file has it, bytes: the uppermost entry of
 * `init_top_pgt` leads to `level3_kernel_pgt`, which lies in the image too; with 5 levels by way of `level4_kernel_pgt`.
 * @param fileBase - `phys_base`, if the image were where the file has it
 */
export function shiftByTables(physical: PhysicalMemory, symbols: SymbolTable, fileBase: bigint): number | undefined {
  const root = symbols.lookup('init_top_pgt') ?? symbols.lookup('init_level4_pgt');
  if (root === undefined) return undefined;
  const last = add(imagePhys(root.address, fileBase), 511 * 8);
  const entry = attempt(() => physical.readU64(last));
  if (entry === undefined || (entry & 1n) === 0n) return undefined;
  for (const name of ['level3_kernel_pgt', 'level4_kernel_pgt']) {
    const table = symbols.lookup(name)?.address;
    if (table === undefined) continue;
    const shift = (entry & ADDRESS_MASK) - imagePhys(table, fileBase);
    if (shift > 0n && shift <= BigInt(HOLE_END - LEAST_LOW) && shift % BigInt(STEP) === 0n) return Number(shift);
  }
  return undefined;
}

/** Raw memory with the hole that moves what is behind it up by so much. */
export function placedByShift(dump: DumpFile, shift: number | undefined): Placement {
  return shift === undefined || dump.withHole === undefined
    ? { dump, assumed: undefined }
    : withHole(dump, HOLE_END - shift);
}

function withHole(dump: DumpFile, low: number): Placement {
  const made = dump.withHole?.(low, HOLE_END) ?? dump;
  return { dump: made, assumed: `the file leaves out the gap from ${low / 2 ** 20} MiB to 4 GiB` };
}

function isTextAt(physical: PhysicalMemory, at: PhysAddr, text: string): boolean {
  const bytes = attempt(() => physical.readBytes(at, text.length + 1));
  return bytes !== undefined && Buffer.from(bytes).toString('latin1') === `${text}\0`;
}
