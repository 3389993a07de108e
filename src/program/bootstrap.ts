/**
 * Finds the kernel in a dump: by the VMCOREINFO note, and where there is none (QEMU without `-device vmcoreinfo`, LiME,
 * raw memory), or it lacks what is needed, in this order by
 * 1. the page tables that a virtual CPU used (bootstrap-cpus.ts), which say where the image is mapped;
 * 2. `phys_base` of the file's headers, old kdump files and ELF files of kexec;
 * 3. a search of memory (bootstrap-scan.ts), where an image is likely and then everywhere: the text of VMCOREINFO, and
 *    the banner, around which lies the image.
 * Whatever is found counts only when the page tables it leads to map the kernel where it is (bootstrap-image.ts).
 * Of a machine in its capture kernel (kdump), the one that crashed is opened.
 * Not handled: AMD memory encryption before the kernel's own mask is known.
 */
import {
  add,
  alignDown,
  isAligned,
  phys,
  type PhysAddr,
  physOfPfn,
  pfn,
  sub,
  virt,
  type VirtAddr,
} from '../base/address.ts';
import { attempt, FormatError, UsageError } from '../base/errors.ts';
import type { VirtRange } from '../base/memory.ts';
import { type Kallsyms, openKallsyms } from '../debuginfo/kallsyms.ts';
import { parseVmcoreinfo, type Vmcoreinfo } from '../debuginfo/vmcoreinfo.ts';
import type { DumpFile } from '../dump/dump-file.ts';
import { crashOf } from '../dump/foreign.ts';
import { X86_64 } from './arch/x86-64.ts';
import { cpuPaging } from './bootstrap-cpus.ts';
import {
  type FoundKernel,
  imageAddress,
  imageMemory,
  imagePhys,
  kernelAt,
  type Levels,
  levelsLine,
  mappedRanges,
  START_KERNEL_MAP,
  walk,
} from './bootstrap-image.ts';
import {
  type MemoryOf,
  placedByEnd,
  placedByShift,
  type Placement,
  placements,
  shiftByTables,
} from './bootstrap-raw.ts';
import { everything, type FrameRange, kernelTraces, likelyRegions } from './bootstrap-scan.ts';
import { captureProblems } from './capture-kernel.ts';
import type { PhysicalMemory } from './physical-memory.ts';
import { VirtualMemory } from './virtual-memory.ts';

/** The largest image, from the first of its constants to the last; half of it lies on either side of the banner. */
const WINDOW_BELOW = 32 << 20;
const WINDOW: VirtRange = { start: START_KERNEL_MAP, end: add(START_KERNEL_MAP, 96 << 20) };
/** Without page tables that say where it is: all places, in as much as is searched at once. */
const SEARCHED: readonly VirtRange[] = [0, 1, 2, 3].map((part) => ({
  start: add(START_KERNEL_MAP, part << 28),
  end: add(START_KERNEL_MAP, (part + 1) * 2 ** 28),
}));
const PAGE = 4096;
/** CONFIG_PHYSICAL_ALIGN is 2 MiB at least: phys_base is a multiple of it. */
const PHYSICAL_ALIGN = 1n << 21n;

/** What is needed to open the kernel. */
export interface KernelLocation {
  /** The dump, or the same with its memory put into place. */
  readonly dump: DumpFile;
  readonly vmcoreinfo: Vmcoreinfo;
  readonly physBase: bigint;
  readonly root: VirtAddr;
  /** Where they were needed to find the kernel. */
  readonly kallsyms: Kallsyms | undefined;
  /** For people, when it was not by the note: 'kernel found by ...'. */
  readonly how: string | undefined;
  /** What is wrong with the note. */
  readonly problems: readonly string[];
}

/**
 * @param memoryOf - physical memory of the dump, or of the dump with its memory put into place
 * @throws UsageError when there is no kernel in it, or of a machine that is not supported; FormatError when there was
 *   a note that does not say enough, and nothing else says it either
 */
export function locateKernel(dump: DumpFile, memoryOf: MemoryOf): KernelLocation {
  if (dump.machine !== 'x86_64')
    throw new UsageError(
      `the dump is of a machine of type ${dump.machine}; only x86_64 is supported yet${crashOf(dump.machine)}`,
    );
  const problems: string[] = [];
  let failure: Error = new UsageError(nothingIn(dump));
  let told: KernelLocation | undefined;
  if (dump.vmcoreinfo !== undefined) {
    const vmcoreinfo = parseVmcoreinfo(dump.vmcoreinfo);
    const noted = placeOf(vmcoreinfo, dump.physBase);
    const wrong = typeof noted === 'string' ? noted : tableFault(noted.root);
    if (typeof noted !== 'string') told = { dump, vmcoreinfo, ...noted, kallsyms: undefined, how: undefined, problems };
    if (told !== undefined && wrong === undefined) return told;
    failure = new FormatError('VMCOREINFO', wrong ?? '');
    problems.push(failure.message);
  }
  const physical = memoryOf(dump);
  const first = byProcessors(dump, physical) ?? byHeaders(dump, physical) ?? byMemory(dump, memoryOf);
  // Better a kernel without page tables than none.
  if (first === undefined && told !== undefined) return told;
  if (first === undefined) throw failure;
  const found = theCrashed(first, dump, memoryOf);
  const { kernel, how } = found;
  const place = placeOf(kernel.vmcoreinfo, dump.physBase);
  if (typeof place === 'string') throw failure;
  const placed = inPlace(found.dump ?? dump, found, place.physBase, memoryOf);
  const assumed = found.assumed ?? placed.assumed;
  const text = kernel.hasText ? ', VMCOREINFO read from memory' : '';
  return {
    dump: placed.dump,
    vmcoreinfo: kernel.vmcoreinfo,
    ...place,
    kallsyms: kernel.kallsyms,
    how: `kernel found by ${how}${text}${assumed === undefined ? '' : `; assumed: ${assumed}`}`,
    problems,
  };
}

/**
 * After a crash the kernel that kdump booted runs beside the one that crashed, whose memory it leaves alone: that one is
 * asked for. When it is not found, the running one is taken, and captureProblems() says what it is.
 */
function theCrashed(first: Found, dump: DumpFile, memoryOf: MemoryOf): Found {
  if (!isCapture(first, dump, memoryOf)) return first;
  const other = byMemory(dump, memoryOf, first.kernel.vmcoreinfo.number('phys_base'));
  if (other === undefined || isCapture(other, dump, memoryOf)) return first;
  return { ...other, how: `${other.how} (the one that crashed; the kernel that kdump booted was running)` };
}

function isCapture({ kernel, dump: placed }: Found, dump: DumpFile, memoryOf: MemoryOf): boolean {
  const physical = memoryOf(placed ?? dump);
  const place = placeOf(kernel.vmcoreinfo, dump.physBase);
  const symbols = typeof place === 'string' ? undefined : symbolsOf(kernel, physical, place.physBase);
  if (typeof place === 'string' || symbols === undefined) return false;
  const arch = new X86_64(physical, kernel.vmcoreinfo, place.physBase, place.root);
  return captureProblems(new VirtualMemory(physical, (address) => arch.translate(address)), symbols).length > 0;
}

function symbolsOf(kernel: Found['kernel'], physical: PhysicalMemory, physBase: bigint): Kallsyms | undefined {
  const image = imageMemory(physical, physBase);
  return kernel.kallsyms ?? attempt(() => openKallsyms(image, kernel.vmcoreinfo, () => SEARCHED));
}

/** Where the kernel was found before. */
export interface KernelPlace {
  /** The text of VMCOREINFO as it was found, or made of what was found. */
  readonly vmcoreinfo: string;
  readonly how: string;
  readonly problems: readonly string[];
}

/** Where it was found; undefined when a note told, or when memory had to be put into its place first. */
export function placeFound(
  dump: DumpFile,
  { dump: placed, vmcoreinfo, how, problems }: KernelLocation,
): KernelPlace | undefined {
  if (how === undefined || placed !== dump) return undefined;
  const lines = vmcoreinfo.keys().map((key) => `${key}=${vmcoreinfo.text(key)}\n`);
  return { vmcoreinfo: lines.join(''), how, problems };
}

/** The kernel where it was found before, when its page tables still map it there. */
export function locatedBefore(dump: DumpFile, place: KernelPlace, memoryOf: MemoryOf): KernelLocation | undefined {
  const vmcoreinfo = parseVmcoreinfo(Buffer.from(place.vmcoreinfo, 'latin1'));
  const where = placeOf(vmcoreinfo, dump.physBase);
  const proof = vmcoreinfo.symbol('_stext') ?? vmcoreinfo.symbol('init_uts_ns');
  if (typeof where === 'string' || proof === undefined || dump.machine !== 'x86_64') return undefined;
  const { physBase, root } = where;
  const at = walk(memoryOf(dump), imagePhys(root, physBase), place.vmcoreinfo, proof);
  if (at !== imagePhys(proof, physBase)) return undefined;
  return { dump, vmcoreinfo, ...where, kallsyms: undefined, how: place.how, problems: place.problems };
}

/** Raw memory, as far as its image tells where its end is; other dumps are as they are. */
function inPlace(dump: DumpFile, { kernel }: Found, physBase: bigint, memoryOf: MemoryOf): Placement {
  if (dump.withHole === undefined) return { dump, assumed: undefined };
  const image = imageMemory(memoryOf(dump), physBase);
  const maxPfn = symbolsOf(kernel, memoryOf(dump), physBase)?.lookup('max_pfn')?.address;
  const last = maxPfn === undefined ? undefined : attempt(() => image.readU64(maxPfn));
  return last === undefined ? { dump, assumed: undefined } : placedByEnd(dump, Number(last));
}

function nothingIn(dump: DumpFile): string {
  if (dump.withHole !== undefined)
    return 'not a kernel dump of a known format, and no Linux kernel of x86-64 was found in it as raw memory';
  return `no Linux kernel of x86-64 was found in its memory (${dump.description})`;
}

interface Found {
  readonly kernel: Omit<FoundKernel, 'kallsyms'> & { readonly kallsyms: Kallsyms | undefined };
  readonly how: string;
  readonly dump?: DumpFile;
  readonly assumed?: string | undefined;
}

/** What is missing, or what is told. */
function placeOf(
  vmcoreinfo: Vmcoreinfo,
  headers: bigint | undefined,
): { readonly physBase: bigint; readonly root: VirtAddr } | string {
  // NUMBER(phys_base) since 4.10; the kdump sub header and the ELF segments have it as well.
  const physBase = vmcoreinfo.number('phys_base') ?? headers;
  const root = rootOf(vmcoreinfo);
  if (physBase === undefined) return 'does not tell phys_base';
  return root === undefined ? 'does not tell where the kernel page table is' : { physBase, root };
}

/** Named init_level4_pgt until 4.12 (commit 65ade2f872b4). */
function rootOf(vmcoreinfo: Vmcoreinfo): VirtAddr | undefined {
  return (
    vmcoreinfo.symbol('init_top_pgt') ?? vmcoreinfo.symbol('init_level4_pgt') ?? vmcoreinfo.symbol('swapper_pg_dir')
  );
}

/** What is wrong with the address of a page table; undefined for nothing. */
function tableFault(root: VirtAddr): string | undefined {
  return isAligned(root, PAGE) ? undefined : 'names a kernel page table that does not begin a page';
}

function byProcessors(dump: DumpFile, physical: PhysicalMemory): Found | undefined {
  for (const { cpu, root, levels } of cpuPaging(dump.notes)) {
    const mapped = mappedImage(physical, root, levels);
    const kernel = mapped === undefined ? undefined : kernelAt(physical, { ...mapped, root, levels });
    if (kernel !== undefined) return { kernel, how: `the page tables of CPU ${cpu}` };
  }
  return undefined;
}

/** Where these tables map the kernel's image: it is mapped at one place only, in one piece. */
function mappedImage(
  physical: PhysicalMemory,
  root: PhysAddr,
  levels: Levels,
): { readonly physBase: bigint; readonly ranges: () => readonly VirtRange[] } | undefined {
  const ranges = mappedRanges(physical, root, levelsLine(levels));
  const [first] = ranges;
  const at = first === undefined ? undefined : walk(physical, root, levelsLine(levels), first.start);
  if (first === undefined || at === undefined) return undefined;
  return { physBase: BigInt.asUintN(64, at - first.start + START_KERNEL_MAP), ranges: () => ranges };
}

function byHeaders(dump: DumpFile, physical: PhysicalMemory): Found | undefined {
  const { physBase } = dump;
  if (physBase === undefined) return undefined;
  for (const range of SEARCHED) {
    const kernel = kernelAt(physical, { physBase, ranges: () => [range] });
    if (kernel !== undefined) return { kernel, how: 'the file header (phys_base)' };
  }
  return undefined;
}

/**
 * First where a kernel's image is likely; then everywhere.
 * @param except - `phys_base` of a kernel that is not asked for
 */
function byMemory(dump: DumpFile, memoryOf: MemoryOf, except?: bigint): Found | undefined {
  for (const region of [...likelyRegions(dump), everything(dump)]) {
    for (const found of byTraces(dump, memoryOf, region))
      if (except === undefined || found.kernel.vmcoreinfo.number('phys_base') !== except) return found;
  }
  return undefined;
}

function* byTraces(dump: DumpFile, memoryOf: MemoryOf, region: FrameRange): Generator<Found> {
  const banners: PhysAddr[] = [];
  for (const trace of kernelTraces(dump, region)) {
    if (trace.kind === 'banner') banners.push(trace.at);
    else {
      const found = byText(dump, memoryOf, trace.text);
      if (found !== undefined) yield found;
    }
  }
  for (const at of banners) {
    const found = byBanner(dump, memoryOf, at);
    if (found !== undefined) yield found;
  }
}

/** VMCOREINFO found in memory, if it is that of a kernel that is where it says. */
function byText(dump: DumpFile, memoryOf: MemoryOf, text: Uint8Array): Found | undefined {
  const vmcoreinfo = parseVmcoreinfo(text);
  const root = rootOf(vmcoreinfo);
  // `_stext` for years beyond number, `init_uts_ns` since 2.6.24.
  const proof = vmcoreinfo.symbol('_stext') ?? vmcoreinfo.symbol('init_uts_ns');
  if (root === undefined || proof === undefined || vmcoreinfo.osRelease === undefined) return undefined;
  for (const physBase of physBases(memoryOf(dump), dump, vmcoreinfo)) {
    for (const { dump: placed, assumed } of placements(dump, vmcoreinfo, physBase, memoryOf)) {
      const told = Buffer.from(text).toString('latin1');
      const mapped = walk(memoryOf(placed), imagePhys(root, physBase), told, proof);
      if (mapped !== imagePhys(proof, physBase)) continue;
      const lines = `${told}\nNUMBER(phys_base)=${BigInt.asIntN(64, physBase)}\n`;
      const kernel = { vmcoreinfo: parseVmcoreinfo(Buffer.from(lines, 'latin1')), kallsyms: undefined, hasText: true };
      return { kernel, how: 'a search of memory', dump: placed, assumed };
    }
  }
  return undefined;
}

/** As told since 4.10; before, the variable itself says it, at a place that depends on it. */
function* physBases(physical: PhysicalMemory, dump: DumpFile, vmcoreinfo: Vmcoreinfo): Generator<bigint> {
  const told = vmcoreinfo.number('phys_base') ?? dump.physBase;
  if (told !== undefined) yield BigInt.asUintN(64, told);
  const variable = vmcoreinfo.symbol('phys_base');
  if (told !== undefined || variable === undefined) return;
  const end = physOfPfn(pfn(dump.maxPfn), dump.pageSize);
  for (let at = imagePhys(variable, 0n) % PHYSICAL_ALIGN; at < end; at += PHYSICAL_ALIGN) {
    const physBase = BigInt.asUintN(64, at - imagePhys(variable, 0n));
    if (attempt(() => physical.readU64(phys(at))) === physBase) yield physBase;
  }
}

/** The kernel whose constants hold the banner at this physical address. */
function byBanner(dump: DumpFile, memoryOf: MemoryOf, banner: PhysAddr): Found | undefined {
  const how = 'its banner and symbol table in memory';
  const physical = memoryOf(dump);
  const image = imageAround(physical, banner);
  if (image === undefined) return undefined;
  const kernel = kernelOfImage(physical, image, banner);
  if (kernel !== undefined) return { kernel, how };
  // Its page tables say that it lies elsewhere: raw memory without the gap below it.
  const shift = shiftByTables(physical, image.kallsyms, fileBase(image, banner));
  const { dump: placed, assumed } = placedByShift(dump, shift);
  if (assumed === undefined || shift === undefined) return undefined;
  const there = add(banner, shift);
  const moved = imageAround(memoryOf(placed), there);
  const found = moved === undefined ? undefined : kernelOfImage(memoryOf(placed), moved, there);
  return found === undefined ? undefined : { kernel: found, how, dump: placed, assumed };
}

interface ImageAround {
  /** Physical address of the window that was taken for the image. */
  readonly start: PhysAddr;
  /** As if the window were at START_KERNEL_MAP. */
  readonly kallsyms: Kallsyms;
}

/** The image as if a window around its banner were its beginning: kallsyms finds itself, and says where it should be. */
function imageAround(physical: PhysicalMemory, banner: PhysAddr): ImageAround | undefined {
  const start = alignDown(banner > BigInt(WINDOW_BELOW) ? sub(banner, WINDOW_BELOW) : phys(0n), 1 << 21);
  const image = imageMemory(physical, start);
  const kallsyms = attempt(() => openKallsyms(image, undefined, () => [WINDOW]));
  return kallsyms === undefined ? undefined : { start, kallsyms };
}

/** phys_base as the file has it: what the symbols say, if it were where the file has it. */
function fileBase({ start, kallsyms }: ImageAround, banner: PhysAddr): bigint {
  const named = kallsyms.lookup('linux_banner')?.address ?? START_KERNEL_MAP;
  return kallsyms.layout.addresses === 'place-relative'
    ? start
    : BigInt.asUintN(64, banner - (named - START_KERNEL_MAP));
}

function kernelOfImage(
  physical: PhysicalMemory,
  { start, kallsyms }: ImageAround,
  banner: PhysAddr,
): FoundKernel | undefined {
  const named = kallsyms.lookup('linux_banner')?.address;
  if (named === undefined) return undefined;
  if (kallsyms.layout.addresses === 'place-relative') {
    // Since 7.0 addresses are as wrong as the guess was; the kernel's page tables say where it really is.
    const root = kallsyms.lookup('init_top_pgt')?.address;
    if (root === undefined || named !== imageAddress(banner, start)) return undefined;
    return byTables(physical, imagePhys(root, start));
  }
  const physBase = BigInt.asUintN(64, banner - (named - START_KERNEL_MAP));
  if (physBase % PHYSICAL_ALIGN !== 0n) return undefined;
  const range = { start: virt(WINDOW.start + start - physBase), end: virt(WINDOW.end + start - physBase) };
  return kernelAt(physical, { physBase, ranges: () => [range] });
}

function byTables(physical: PhysicalMemory, root: PhysAddr): FoundKernel | undefined {
  for (const levels of [4, 5] as const) {
    const mapped = mappedImage(physical, root, levels);
    const kernel = mapped === undefined ? undefined : kernelAt(physical, { ...mapped, root, levels });
    if (kernel !== undefined) return kernel;
  }
  return undefined;
}
