import { describe, expect, it } from 'vitest';
import { programOfImage } from '../../../test/builders/program.ts';
import { KernelImage } from '../../../test/builders/image.ts';
import { HUGE, NX, PhysicalImage, PRESENT, PROTNONE } from '../../../test/builders/page-tables.ts';
import { phys, virt } from '../../base/address.ts';
import { FaultError } from '../../base/errors.ts';
import { parseVmcoreinfo } from '../../debuginfo/vmcoreinfo.ts';
import { Program } from '../program.ts';
import { VirtualMemory } from '../virtual-memory.ts';
import { X86_64 } from './x86-64.ts';

const IMAGE = 0xffffffff80000000n;
/** Where the image lies physically; the top table lies in it. */
const PHYS_BASE = 0x4000000n;
const DIRECT = { 4: 0xffff888000000000n, 5: 0xff11000000000000n } as const;

function imageOf(levels: 4 | 5, tableBits = 0n): PhysicalImage {
  return new PhysicalImage({ levels, root: PHYS_BASE + 0x10000n, tableBits });
}

function archOf(memory: PhysicalImage, lines: readonly string[] = []): X86_64 {
  const told = [`NUMBER(pgtable_l5_enabled)=${memory.levels === 5 ? 1 : 0}`, ...lines];
  const root = virt(IMAGE + memory.root - PHYS_BASE);
  return new X86_64(memory.open(), parseVmcoreinfo(Buffer.from(told.join('\n'))), PHYS_BASE, root);
}

function reasonOf(read: () => unknown): string {
  try {
    return `no fault: ${String(read())}`;
  } catch (error) {
    return error instanceof FaultError ? error.reason : String(error);
  }
}

describe.each([4, 5] as const)('the page walk with %i levels', (levels) => {
  const base = DIRECT[levels];

  it('finds pages of all three sizes', () => {
    const memory = imageOf(levels);
    memory.map(base, 0x7fff000n, { level: 0 });
    memory.map(base + 0x1000n, 0x1234000n, { level: 0, flags: NX });
    memory.map(base + 0x200000n, 0x600000n, { level: 1 });
    memory.map(base + 0x40000000n, 0x80000000n, { level: 2, flags: NX });
    const arch = archOf(memory);
    expect(arch.translate(virt(base + 0xabcn))).toBe(0x7fffabcn);
    expect(arch.translate(virt(base + 0x1fffn))).toBe(0x1234fffn);
    expect(arch.translate(virt(base + 0x3fffffn))).toBe(0x7fffffn);
    expect(arch.translate(virt(base + 0x7fffffffn))).toBe(0xbfffffffn);
    for (const behind of [0x2000n, 0x400000n, 0x80000000n, -1n]) {
      expect(reasonOf(() => arch.translate(virt(base + behind)))).toBe('unmapped');
    }
  });

  it('takes the address out of an entry and leaves its other bits', () => {
    const memory = imageOf(levels);
    // Writable, accessed, dirty, global, protection key 15, no execute, and the PAT bit of a huge page (12).
    const noise = 0x7800000000000163n | NX;
    memory.map(base, 0x7fff000n, { flags: noise });
    memory.map(base + 0x200000n, 0x600000n, { level: 1, flags: noise | 0x1000n });
    const arch = archOf(memory);
    expect(arch.translate(virt(base + 8n))).toBe(0x7fff008n);
    expect(arch.translate(virt(base + 0x201008n))).toBe(0x601008n);
  });

  it('drops the encryption bit of AMD SME', () => {
    const encrypted = 1n << 47n;
    const memory = imageOf(levels, encrypted);
    memory.map(base, 0x7fff000n, { flags: encrypted });
    expect(archOf(memory, [`NUMBER(sme_mask)=${encrypted}`]).translate(virt(base))).toBe(0x7fff000n);
    // Without being told the bit is part of the address, and there is no memory.
    expect(reasonOf(() => archOf(memory).translate(virt(base)))).toBe('absent');
  });

  it('knows no addresses between the halves', () => {
    const memory = imageOf(levels);
    memory.map(base, 0x7fff000n);
    const arch = archOf(memory);
    // The same bits as far as the tables look at them.
    expect(reasonOf(() => arch.translate(virt(base & 0x00ffffffffffffffn)))).toBe('unmapped');
    expect(reasonOf(() => arch.translate(virt(base ^ (1n << 62n))))).toBe('unmapped');
    expect(reasonOf(() => arch.translate(virt(0x6b6b6b6b6b6b6b6bn)))).toBe('unmapped');
  });

  it('maps the kernel image by arithmetic, also below a negative phys_base', () => {
    const memory = new PhysicalImage({ levels, root: 0x10000n });
    const vmcoreinfo = parseVmcoreinfo(Buffer.from(`NUMBER(pgtable_l5_enabled)=${levels - 4}`));
    const arch = new X86_64(memory.open(), vmcoreinfo, -0x1000000n, virt(IMAGE + 0x1010000n));
    expect(arch.translate(virt(IMAGE + 0x1000123n))).toBe(0x123n);
    memory.map(base, 0x5000n);
    expect(arch.translate(virt(base))).toBe(0x5000n);
  });

  it('says why when a table cannot be read', () => {
    const memory = imageOf(levels);
    memory.map(base, 0x7fff000n);
    memory.map(base + 0x40000000n, 0x7fff000n);
    const table = memory.readU64(memory.entryAt(base, 1)) >> 12n;
    memory.states.set(Number(table), 'lost');
    const other = memory.readU64(memory.entryAt(base + 0x40000000n, 2)) >> 12n;
    memory.states.set(Number(other), 'excluded');
    const arch = archOf(memory);
    expect(reasonOf(() => arch.translate(virt(base)))).toBe('lost');
    expect(reasonOf(() => arch.translate(virt(base + 0x40000000n)))).toBe('excluded');
  });

  it('ends with hostile entries', () => {
    const memory = imageOf(levels);
    // Tables that are their own children, a table at the end of all addresses, an entry of ones.
    const loop = memory.entryAt(base, 3) & ~0xfffn;
    memory.writeU64(memory.entryAt(base, 3), loop | PRESENT);
    memory.writeU64(memory.entryAt(base + 0x8000000000n, 3), 0x000ffffffffff001n);
    memory.writeU64(memory.entryAt(base + 0x10000000000n, 0), 0xffffffffffffffffn);
    const arch = archOf(memory);
    // Its index is the same on the levels down: at the last one the table itself is the page.
    const index = (base >> 39n) & 0x1ffn;
    const self = virt((base & ~((1n << 39n) - 1n)) | (index << 30n) | (index << 21n) | (index << 12n) | 8n);
    expect(arch.translate(self)).toBe(loop + 8n);
    expect(reasonOf(() => arch.translate(virt(base + 0x8000000000n)))).toBe('absent');
    expect(arch.translate(virt(base + 0x10000000000n))).toBe(0x000ffffffffff000n);
  });
});

describe('user addresses', () => {
  const pgd = virt(DIRECT[4] + 0x200000n);

  function processOf(): PhysicalImage {
    const memory = imageOf(4);
    memory.map(pgd, 0xa00000n, { level: 1 });
    return memory;
  }

  it('go through the tables of their process', () => {
    const memory = processOf();
    memory.map(0x400000n, 0x123000n, {}, 0xa00000n);
    const arch = archOf(memory);
    expect(arch.translateUser(pgd, virt(0x400010n))).toBe(0x123010n);
    expect(reasonOf(() => arch.translate(virt(0x400010n)))).toBe('unmapped');
    expect(reasonOf(() => arch.translateUser(pgd, virt(0x401010n)))).toBe('unmapped');
    expect(reasonOf(() => arch.translateUser(virt(0xffffa00000000000n), virt(0x400010n)))).toBe('unmapped');
  });

  it('are there without access, with the address as it is and inverted', () => {
    const memory = processOf();
    const mask = 0x000ffffffffff000n;
    const huge = 0xc00000n;
    memory.map(0x400000n, 0n, { entry: 0x123000n | PROTNONE }, 0xa00000n);
    memory.map(0x401000n, 0n, { entry: (~0x123000n & mask) | PROTNONE }, 0xa00000n);
    // A huge page that is being split is neither present nor without access.
    memory.map(0x600000n, 0n, { level: 1, entry: (~huge & mask) | HUGE | PROTNONE }, 0xa00000n);
    memory.map(0x800000n, 0n, { level: 1, entry: (~huge & mask) | HUGE }, 0xa00000n);
    const arch = archOf(memory);
    expect(arch.translateUser(pgd, virt(0x400abcn))).toBe(0x123abcn);
    expect(arch.translateUser(pgd, virt(0x401abcn))).toBe(0x123abcn);
    expect(arch.translateUser(pgd, virt(0x612345n))).toBe(0xc12345n);
    expect(arch.translateUser(pgd, virt(0x812345n))).toBe(0xc12345n);
  });

  it('are not there when they are swapped out or migrate', () => {
    const memory = processOf();
    memory.map(0x400000n, 0n, { entry: 0xf_ffff_0000_0a00n }, 0xa00000n);
    memory.map(0x600000n, 0n, { level: 1, entry: 0xf_ffff_0000_0a00n }, 0xa00000n);
    const arch = archOf(memory);
    expect(reasonOf(() => arch.translateUser(pgd, virt(0x400000n)))).toBe('unmapped');
    expect(reasonOf(() => arch.translateUser(pgd, virt(0x600000n)))).toBe('unmapped');
  });
});

describe('imageRanges', () => {
  const range = (start: bigint, end: bigint) => ({ start: IMAGE + start, end: IMAGE + end });

  it('are what the image maps without execution, of every page size, joined where they touch', () => {
    const memory = imageOf(4);
    memory.map(IMAGE + 0x1000000n, PHYS_BASE + 0x1000000n, { level: 1 });
    memory.map(IMAGE + 0x1200000n, PHYS_BASE + 0x1200000n, { level: 1, flags: NX });
    // Constants that end inside of 2 MiB, then a hole, then data.
    for (const page of [0x1400000n, 0x1401000n, 0x1500000n]) {
      memory.map(IMAGE + page, PHYS_BASE + page, { flags: NX });
    }
    memory.map(IMAGE + 0x1402000n, PHYS_BASE + 0x1402000n);
    memory.map(IMAGE + 0x1600000n, PHYS_BASE + 0x1600000n, { level: 1, flags: NX });
    expect(archOf(memory).imageRanges()).toEqual([
      range(0x1200000n, 0x1402000n),
      range(0x1500000n, 0x1501000n),
      range(0x1600000n, 0x1800000n),
    ]);
  });

  it('does not miss 2 MiB whose first pages are not mapped', () => {
    const memory = imageOf(4);
    memory.map(IMAGE + 0x13fe000n, PHYS_BASE + 0x13fe000n, { flags: NX });
    expect(archOf(memory).imageRanges()).toEqual([range(0x13fe000n, 0x13ff000n)]);
  });

  it('is all of the image where nothing is marked', () => {
    const memory = imageOf(5);
    memory.map(IMAGE + 0x1000000n, PHYS_BASE + 0x1000000n, { level: 1 });
    expect(archOf(memory).imageRanges()).toEqual([range(0x1000000n, 0x1200000n)]);
    expect(archOf(imageOf(5)).imageRanges()).toEqual([]);
  });

  it('goes on behind a table that cannot be read, and ends with the room for the image', () => {
    const memory = imageOf(4);
    memory.map(IMAGE + 0x1000000n, 0n, { flags: NX });
    const table = memory.readU64(memory.entryAt(IMAGE + 0x1000000n, 1)) & 0xffffffffff000n;
    memory.states.set(Number(table >> 12n), 'lost');
    memory.map(IMAGE + 0x1200000n, 0n, { level: 1, flags: NX });
    // Beyond KERNEL_IMAGE_SIZE: modules.
    memory.map(IMAGE + 0x20000000n, 0n, { level: 1, flags: NX });
    const limited = archOf(memory, [`NUMBER(KERNEL_IMAGE_SIZE)=${0x20000000}`]);
    expect(limited.imageRanges()).toEqual([range(0x1200000n, 0x1400000n)]);
    const hostile = archOf(memory, ['NUMBER(KERNEL_IMAGE_SIZE)=9223372036854775807']);
    expect(hostile.imageRanges().at(-1)).toEqual(range(0x20000000n, 0x20200000n));
  });

  it('joins pages that are mapped one by one, also through one table that stands for all of them', () => {
    const memory = imageOf(4);
    // One table of pages stands for every 2 MiB of the image.
    memory.map(IMAGE, 0n, { flags: NX });
    const directory = memory.readU64(memory.entryAt(IMAGE, 2)) & 0xffffffffff000n;
    const pages = memory.readU64(memory.entryAt(IMAGE, 1)) & 0xffffffffff000n;
    for (let i = 0n; i < 512n; i++) {
      memory.writeU64(directory + 8n * i, pages | PRESENT);
      memory.writeU64(pages + 8n * i, phys(i << 12n) | PRESENT | NX);
    }
    const limited = archOf(memory, [`NUMBER(KERNEL_IMAGE_SIZE)=${0x8000000}`]);
    expect(limited.imageRanges()).toEqual([range(0n, 0x8000000n)]);
  });
});

describe('learning from symbols', () => {
  /** The kernel image from 16 MiB to 32 MiB, `page_offset_base` in it, and one page far behind both. */
  function learned(base: bigint | undefined, text = 0x1000000n): { readonly arch: X86_64; readonly problems: string } {
    const memory = imageOf(5);
    if (base !== undefined) memory.writeU64(PHYS_BASE + 0x1100000n, base);
    memory.map(IMAGE + 0x3000000n, 0x5000n);
    const arch = archOf(memory);
    const image = new KernelImage();
    image.symbol('_text', IMAGE + text);
    image.symbol('_end', IMAGE + 0x2000000n);
    image.symbol('page_offset_base', IMAGE + 0x1100000n);
    const { dump, vmcoreinfo, symbols } = programOfImage(image, { dump: { maxPfn: 0x100 } });
    const virtual = new VirtualMemory(memory.open(), (address) => arch.translate(address));
    const none = { btf: undefined, orc: undefined, orcVersion: undefined, problems: [] };
    const program = new Program({ dump, vmcoreinfo, memory: virtual, arch, kallsyms: symbols.kernel, ...none });
    expect(program.arch).toBe(arch);
    return { arch, problems: program.problems.join('; ') };
  }

  it('limits the image to what it is, and maps the direct map by arithmetic', () => {
    const { arch, problems } = learned(0xff11000000000000n);
    expect(problems).toBe('');
    expect(arch.translate(virt(IMAGE + 0x1ffffffn))).toBe(PHYS_BASE + 0x1ffffffn);
    expect(arch.translate(virt(IMAGE + 0x3000008n))).toBe(0x5008n);
    expect(reasonOf(() => arch.translate(virt(IMAGE + 0x2000000n)))).toBe('unmapped');
    expect(arch.translate(virt(0xff110000000fffffn))).toBe(0xfffffn);
    expect(reasonOf(() => arch.translate(virt(0xff11000000100000n)))).toBe('unmapped');
  });

  it('does not believe a base that makes no sense, or an image that ends before it begins', () => {
    for (const base of [0n, 0xff11000000001000n, 0x7f00000000000000n]) {
      const { arch, problems } = learned(base);
      expect(reasonOf(() => arch.translate(virt(base)))).toBe('unmapped');
      expect(problems).toMatch(/^page_offset_base is 0x[0-9a-f]+, which is none/);
    }
    expect(learned(0n, 0x3000000n).arch.translate(virt(IMAGE + 0x10n))).toBe(PHYS_BASE + 0x10n);
  });

  it('goes on without the base where the page that holds it is lost', () => {
    const { arch, problems } = learned(undefined);
    expect(problems).toMatch(/^page_offset_base cannot be read/);
    expect(arch.translate(virt(IMAGE + 0x3000008n))).toBe(0x5008n);
  });
});
