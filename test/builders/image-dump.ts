/**
 * A KernelImage as a whole dump: a kdump-compressed file with the page tables, the kallsyms tables and the banner that a
 * kernel has, so that it is opened without any help. The layout is that of x86-64 before 4.20 without KASLR: the direct map
 * at 0xffff880000000000, the image at physical 16 MiB.
 */
import { add, compare, virt, type VirtAddr } from '../../src/base/address.ts';
import type { NoteSpec } from './elf-file.ts';
import { type KernelImage, PAGE_SIZE } from './image.ts';
import { buildKallsyms, type KallsymsEra, type KallsymsSymbol } from './kallsyms.ts';
import { kdumpFile } from './kdump-file.ts';
import { NX, PhysicalImage } from './page-tables.ts';

const IMAGE_MAP = 0xffffffff80000000n;
const DIRECT_MAP = 0xffff880000000000n;
const MIB2 = 1n << 21n;
const GIB = 1n << 30n;
/** Constants behind the text, then the page tables. */
const RODATA = virt(0xffffffff81800000n);
const INIT_LEVEL4_PGT = 0xffffffff81c00000n;
/** Behind it lie the globals. */
const DATA_END = 0xffffffff83000000n;

export interface ImageDumpOptions {
  readonly era: KallsymsEra;
  /** `linux_banner`, without the end of its line. */
  readonly banner: string;
  readonly notes: readonly NoteSpec[];
}

export function kdumpOfImage(image: KernelImage, { era, banner, notes }: ImageDumpOptions): Uint8Array {
  image.finish();
  const text = image.symbols.find(({ name }) => name === '_stext')?.address ?? RODATA;
  const memory = new PhysicalImage({ root: INIT_LEVEL4_PGT - IMAGE_MAP });
  for (let at = text; at < DATA_END; at = add(at, MIB2))
    memory.map(at, at - IMAGE_MAP, { level: 1, flags: at < RODATA ? 0n : NX });
  const frames = [...image.pages.keys()].filter((page) => BigInt(page) << 12n < IMAGE_MAP);
  const highest = frames.reduce((most, page) => Math.max(most, frameOf(page)), 0);
  for (let at = 0n; at <= BigInt(highest) << 12n; at += GIB) memory.map(DIRECT_MAP + at, at, { level: 2, flags: NX });

  const more = [
    { name: '_text', type: 'T', address: text },
    { name: 'linux_banner', type: 'R', address: RODATA },
    { name: 'init_level4_pgt', type: 'D', address: virt(INIT_LEVEL4_PGT) },
    { name: '_end', type: 'B', address: virt(DATA_END) },
    ...others(text),
  ];
  const symbols = [...image.symbols, ...more].sort((a, b) => compare(a.address as VirtAddr, b.address as VirtAddr));
  const tables = buildKallsyms(add(RODATA, PAGE_SIZE), symbols, era);
  memory.write(RODATA - IMAGE_MAP, Buffer.from(`${banner}\n\0`));
  memory.write(tables.start - IMAGE_MAP, tables.bytes);

  const pages = new Map(memory.pages);
  for (const [page, bytes] of image.pages) pages.set(frameOf(page), bytes);
  const vmcoreinfo = [
    ...image.vmcoreinfoLines,
    `SYMBOL(_stext)=${text.toString(16)}`,
    `SYMBOL(init_level4_pgt)=${INIT_LEVEL4_PGT.toString(16)}`,
    'NUMBER(phys_base)=0',
  ];
  return kdumpFile({
    maxPfn: Math.max(...pages.keys()) + 1,
    pages,
    compression: 'zlib',
    notes,
    vmcoreinfo: `${vmcoreinfo.join('\n')}\n`,
    physBase: 0n,
  });
}

/** Functions that nobody calls: a table with less than a thousand symbols is taken for none. */
function others(text: VirtAddr): readonly KallsymsSymbol[] {
  return Array.from({ length: 1024 }, (_, i) => ({
    name: `another_function_${i}`,
    type: 't',
    address: add(text, 0x400000 + 16 * i),
  }));
}

/** @param page - number of a page of the image, by its virtual address */
function frameOf(page: number): number {
  const at = BigInt(page) << 12n;
  return Number((at >= IMAGE_MAP ? at - IMAGE_MAP : at - DIRECT_MAP) >> 12n);
}
