/**
 * Raw memory says nothing of where its bytes belong. Mostly byte n of the file is byte n of memory. But memory of a PC
 * has a hole below 4 GiB, for devices, and a file may leave it out (the memory file of a virtual machine does, QEMU's
 * `pmemsave` does not): then what is behind it in the file belongs at 4 GiB and above. The kernel tells: where its image
 * must be, and where memory ends (`max_pfn`). One hole is looked for; files that leave out every gap of the memory map
 * are not put together.
 */
import { add, type PhysAddr, sub } from '../base/address.ts';
import { attempt } from '../base/errors.ts';
import type { Vmcoreinfo } from '../debuginfo/vmcoreinfo.ts';
import type { DumpFile } from '../dump/dump-file.ts';
import { imagePhys } from './bootstrap-image.ts';
import type { PhysicalMemory } from './physical-memory.ts';

const HOLE_END = 2 ** 32;
/** Memory below the hole: 2 GiB, 2.75 GiB, 3 GiB and 3.5 GiB are usual; less than 1 GiB is not. */
const LEAST_LOW = 2 ** 30;
const STEP = 2 ** 20;
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

function withHole(dump: DumpFile, low: number): Placement {
  const made = dump.withHole?.(low, HOLE_END) ?? dump;
  return { dump: made, assumed: `the file leaves out the gap from ${low / 2 ** 20} MiB to 4 GiB` };
}

function isTextAt(physical: PhysicalMemory, at: PhysAddr, text: string): boolean {
  const bytes = attempt(() => physical.readBytes(at, text.length + 1));
  return bytes !== undefined && Buffer.from(bytes).toString('latin1') === `${text}\0`;
}
