/**
 * What a kernel image tells about itself once it is known where it lies: kallsyms gives `linux_banner`, by which the
 * place is checked, the kernel's page tables, and `vmcoreinfo_data`, the text that a VMCOREINFO note would have had.
 * Where the kernel keeps no such text, the few lines of it that are needed to go on are made of what was found.
 */
import { add, isAligned, pageOffset, phys, type PhysAddr, virt, type VirtAddr } from '../base/address.ts';
import { cstring } from '../base/bytes.ts';
import { attempt, FaultError } from '../base/errors.ts';
import type { VirtRange } from '../base/memory.ts';
import { type Kallsyms, openKallsyms } from '../debuginfo/kallsyms.ts';
import { parseVmcoreinfo, type Vmcoreinfo } from '../debuginfo/vmcoreinfo.ts';
import { X86_64 } from './arch/x86-64.ts';
import type { PhysicalMemory } from './physical-memory.ts';
import { VirtualMemory } from './virtual-memory.ts';

export const START_KERNEL_MAP = virt(0xffffffff80000000n);
const KERNEL_IMAGE_SIZE = 1 << 30;
const VMCOREINFO_BYTES = 4096;
/** `struct elf64_note` and the name 'VMCOREINFO', padded. */
const NOTE_HEADER = 24;
const BANNER_BYTES = 512;
const PAGE = 4096;

export type Levels = 4 | 5;

/** A guess where the kernel is. */
export interface ImagePlace {
  /** Physical address of the image less its virtual one less START_KERNEL_MAP, modulo 2^64. */
  readonly physBase: bigint;
  /** The page tables of a CPU, when known. */
  readonly root?: PhysAddr;
  readonly levels?: Levels;
  /** Where in the image its tables are looked for. */
  readonly ranges: () => readonly VirtRange[];
}

export interface FoundKernel {
  /** Begins with OSRELEASE and has what is needed to translate addresses. */
  readonly vmcoreinfo: Vmcoreinfo;
  readonly kallsyms: Kallsyms;
  /** True when the kernel's own text was there; false for the few lines made of its symbols. */
  readonly hasText: boolean;
}

/** The kernel's own mapping of its image, by arithmetic. */
export function imageAddress(at: PhysAddr, physBase: bigint): VirtAddr {
  return virt(at - physBase + START_KERNEL_MAP);
}

export function imagePhys(at: VirtAddr, physBase: bigint): PhysAddr {
  return phys(at - START_KERNEL_MAP + physBase);
}

/** The image alone, readable without page tables. */
export function imageMemory(physical: PhysicalMemory, physBase: bigint): VirtualMemory {
  return new VirtualMemory(physical, (address) => {
    if (address < START_KERNEL_MAP || address >= add(START_KERNEL_MAP, KERNEL_IMAGE_SIZE))
      throw new FaultError('virtual', address, 'unmapped');
    return imagePhys(address, physBase);
  });
}

/**
 * The architecture with these page tables, as if VMCOREINFO had said so.
 * @param told - what VMCOREINFO says of it
 */
function archWith(physical: PhysicalMemory, physBase: bigint, root: PhysAddr, told: string): X86_64 {
  const vmcoreinfo = parseVmcoreinfo(Buffer.from(told));
  return new X86_64(physical, vmcoreinfo, physBase, imageAddress(root, physBase));
}

export function levelsLine(levels: Levels): string {
  return `NUMBER(pgtable_l5_enabled)=${levels === 5 ? 1 : 0}\n`;
}

/**
 * Where the page tables at `root` say that an address lies, without a thought for where the image is.
 * @param told - what VMCOREINFO says of them
 * @returns undefined when it is not mapped, or when they cannot be read
 */
export function walk(physical: PhysicalMemory, root: PhysAddr, told: string, address: VirtAddr): PhysAddr | undefined {
  return attempt(() => tablesAt(physical, root, told).translateUser(START_KERNEL_MAP, address));
}

/** Ranges of constants in the kernel's half, as `X86_64.imageRanges` has them. */
export function mappedRanges(physical: PhysicalMemory, root: PhysAddr, told: string): readonly VirtRange[] {
  return tablesAt(physical, root, told).imageRanges();
}

/** As if the page tables were the beginning of the image: they may lie anywhere. */
function tablesAt(physical: PhysicalMemory, root: PhysAddr, told: string): X86_64 {
  return archWith(physical, root, root, told);
}

/**
 * The kernel at this place.
 * @returns undefined when there is none, or when its page tables do not agree that it is there
 * @throws nothing for what the dump holds
 */
export function kernelAt(physical: PhysicalMemory, place: ImagePlace): FoundKernel | undefined {
  const { physBase } = place;
  const image = imageMemory(physical, physBase);
  const kallsyms = attempt(() => openKallsyms(image, undefined, place.ranges));
  const banner = kallsyms?.lookup('linux_banner')?.address;
  if (kallsyms === undefined || banner === undefined) return undefined;
  const release = attempt(() => releaseOf(readText(image, banner, BANNER_BYTES)));
  if (release === undefined) return undefined;
  const told = `NUMBER(sme_mask)=${attempt(() => image.readU64(symbolOf(kallsyms, 'sme_me_mask'))) ?? 0n}\n`;
  for (const { root, levels } of tableGuesses(kallsyms, place)) {
    const lines = told + levelsLine(levels);
    const maps = (at: PhysAddr): boolean => walk(physical, at, lines, banner) === imagePhys(banner, physBase);
    if (!maps(root)) continue;
    const arch = archWith(physical, physBase, root, lines);
    const memory = new VirtualMemory(physical, (address) => arch.translate(address));
    const own = kernelText(memory, kallsyms);
    const differs = own === undefined ? [] : differences(own, kallsyms, { physBase, levels }, maps);
    // Since 7.0 symbols are told by where their table lies, so that a wrong mapping moves them all.
    if (differs.includes('_stext') && kallsyms.layout.addresses === 'place-relative') continue;
    const made = madeText(release, kallsyms, physBase, root) + lines;
    const hasText = own !== undefined && !differs.includes('_stext');
    // The first of two equal keys counts: what is made fills up what an older kernel's text does not have, or mends it.
    const both = differs.length === 0 ? [own, made] : [made, own];
    const text = hasText ? both.join('\n') : made;
    return { vmcoreinfo: parseVmcoreinfo(Buffer.from(text, 'latin1')), kallsyms, hasText };
  }
  return undefined;
}

/** The kernel's own tables, which know all of its memory; else those that a CPU used. Of 4 or 5 levels if not known. */
function* tableGuesses(
  kallsyms: Kallsyms,
  { physBase, root, levels }: ImagePlace,
): Generator<{ readonly root: PhysAddr; readonly levels: Levels }> {
  // Named init_level4_pgt until 4.12 (commit 65ade2f872b4).
  const own = (kallsyms.lookup('init_top_pgt') ?? kallsyms.lookup('init_level4_pgt'))?.address;
  const roots = [own === undefined ? undefined : imagePhys(own, physBase), root];
  for (const at of roots) {
    if (at === undefined || !isAligned(at, PAGE)) continue;
    for (const depth of levels === undefined ? ([4, 5] as const) : [levels]) yield { root: at, levels: depth };
  }
}

/**
 * `vmcoreinfo_data`, and its copy as an ELF note, `vmcoreinfo_note`: pointers since 4.13 (commit 203e9e41219b), arrays in
 * the image before. After a crash the first one points into the memory of the capture kernel, which no dump has.
 */
function kernelText(memory: VirtualMemory, kallsyms: Kallsyms): string | undefined {
  for (const [name, header] of [['vmcoreinfo_data', 0] as const, ['vmcoreinfo_note', NOTE_HEADER] as const]) {
    const at = kallsyms.lookup(name)?.address;
    if (at === undefined) continue;
    for (const start of [() => memory.readPointer(at), () => at]) {
      const text = attempt(() => readText(memory, add(start(), header)));
      if (text?.startsWith('OSRELEASE=') === true) return text;
    }
  }
  return undefined;
}

/**
 * In what the text tells another place than the one at which page tables, symbols and the banner agree: it is damaged.
 * @param maps - whether page tables at an address map the image where it is
 */
function differences(
  text: string,
  kallsyms: Kallsyms,
  place: { readonly physBase: bigint; readonly levels: Levels },
  maps: (root: PhysAddr) => boolean,
): readonly string[] {
  const told = parseVmcoreinfo(Buffer.from(text, 'latin1'));
  const stext = { told: told.symbol('_stext'), known: kallsyms.lookup('_stext')?.address };
  const base = told.number('phys_base');
  const depth = told.number('pgtable_l5_enabled');
  const root = told.symbol('init_top_pgt') ?? told.symbol('init_level4_pgt') ?? told.symbol('swapper_pg_dir');
  const agrees = {
    _stext: stext.told === undefined || stext.known === undefined || stext.told === stext.known,
    phys_base: base === undefined || BigInt.asUintN(64, base) === place.physBase,
    pgtable_l5_enabled: depth === undefined || (depth === 1n ? 5 : 4) === place.levels,
    root: root === undefined || (isAligned(root, PAGE) && maps(imagePhys(root, place.physBase))),
  };
  return Object.entries(agrees).flatMap(([what, same]) => (same ? [] : [what]));
}

function madeText(release: string, kallsyms: Kallsyms, physBase: bigint, root: PhysAddr): string {
  const lines = [
    `OSRELEASE=${release}`,
    `PAGESIZE=${PAGE}`,
    `SYMBOL(init_top_pgt)=${imageAddress(root, physBase).toString(16)}`,
    `NUMBER(phys_base)=${BigInt.asIntN(64, physBase)}`,
  ];
  const stext = kallsyms.lookup('_stext')?.address;
  if (stext !== undefined) lines.push(`SYMBOL(_stext)=${stext.toString(16)}`);
  return `${lines.join('\n')}\n`;
}

function releaseOf(banner: string): string | undefined {
  return /^Linux version (\d+\.\d+\S{0,60})/.exec(banner)?.[1];
}

/** @throws FaultError when its first page cannot be read */
function readText(memory: VirtualMemory, at: VirtAddr, length = VMCOREINFO_BYTES): string {
  const inPage = Math.min(length, PAGE - pageOffset(at, PAGE));
  const bytes = attempt(() => memory.readBytes(at, length)) ?? memory.readBytes(at, inPage);
  return cstring(bytes);
}

function symbolOf(kallsyms: Kallsyms, name: string): VirtAddr {
  const symbol = kallsyms.lookup(name);
  if (symbol === undefined) throw new FaultError('virtual', 0n, 'unmapped');
  return symbol.address;
}
