/**
 * A machine without VMCOREINFO in a few hundred pages: one kernel, or the one that crashed and the one that kdump booted,
 * each with what it is found by: banner, kallsyms, page tables, the text of VMCOREINFO, formats of messages. Of the kernels
 * that kept these in different ways (3.10 to 7.2), at places that follow from a name alone.
 */
import { type KallsymsEra, type KallsymsSymbol, buildKallsyms, ERAS } from '../../test/builders/kallsyms.ts';
import { NX, PhysicalImage } from '../../test/builders/page-tables.ts';
import { virt } from '../../src/base/address.ts';
import type { Field } from '../input.ts';
import type { Random } from '../random.ts';
import { tableFields } from './kallsyms.ts';

const PAGE = 4096n;
const MIB = 1n << 20n;
const START_KERNEL_MAP = 0xffffffff80000000n;
/** Of the image: what is where. */
const RODATA = 2n * MIB;
const TABLES = RODATA + 0x1000n;
const MESSAGES = RODATA + 0x40000n;
const DATA = 4n * MIB;
const VARIABLES = DATA + 0x20000n;
/** Enough that one page in 64 is one of them. */
const MESSAGE_PAGES = 66n;
const RELEASE_AT = 4n + 130n;

const KERNELS = ['3.10', '4.18', '5.10', '6.1', '6.4', '6.15', '7.2'] as const;

export interface SmallKernel {
  readonly release: string;
  readonly physBase: bigint;
  /** Virtual address of the kernel's topmost page table. */
  readonly root: bigint;
  /** Its physical address. */
  readonly rootAt: bigint;
  readonly levels: 4 | 5;
  readonly pages: ReadonlyMap<number, Uint8Array>;
  /** What is read of it: parts are page frames. */
  readonly fields: readonly Field[];
}

export interface KernelOptions {
  /** Physical address of the image, a multiple of 2 MiB. */
  readonly at: bigint;
  /** The text of VMCOREINFO stands in memory; else only the banner tells. */
  readonly text: boolean;
  /** The one that kdump booted: `elfcorehdr=` on its command line. */
  readonly capture: boolean;
  /** `max_pfn`. */
  readonly maxPfn: number;
}

/** Symbols of a kernel, by the offset of each from the beginning of the image; sorted by address as the kernel's own are. */
function symbolsOf(
  random: Random,
  era: KallsymsEra,
  image: bigint,
  named: ReadonlyMap<string, bigint>,
): readonly KallsymsSymbol[] {
  const symbols: KallsymsSymbol[] = [];
  const percpu = era.addresses === 'relative' || era.addresses === 'place-relative' ? 0 : random.below(6);
  for (let i = 0; i < percpu; i++) symbols.push({ name: `percpu_${i}`, type: 'A', address: BigInt(i * 64) });
  const count = random.between(300, 540);
  const placed = [...named].map(([name, at]) => ({ name, type: at < RODATA ? 'T' : 'D', address: image + at }));
  for (let i = 0; i < count; i++)
    placed.push({ name: `sys_call_${i}`, type: 't', address: image + 64n + BigInt(i) * 512n });
  return [...symbols, ...placed.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0))];
}

export function smallKernel(random: Random, { at, text, capture, maxPfn }: KernelOptions): SmallKernel {
  const version = random.pick(KERNELS);
  const era = ERAS[version];
  const old = version === '3.10';
  const levels = !old && random.chance(0.3) ? 5 : 4;
  const image = START_KERNEL_MAP + 16n * MIB + BigInt(random.below(200)) * 2n * MIB;
  const physBase = BigInt.asUintN(64, at - (image - START_KERNEL_MAP));
  const release = `${version}.0-fuzz${random.below(1000)}`;
  const memory = new PhysicalImage({ levels, root: at + DATA });
  const fields: Field[] = [];
  const field = (place: bigint, size: Field['size'], role: Field['role'], group: string): void => {
    if (place / PAGE !== (place + BigInt(size) - 1n) / PAGE) return;
    fields.push({ part: String(place / PAGE), at: Number(place % PAGE), size, role, group });
  };

  memory.map(image, at, { level: 1 });
  memory.map(image + RODATA, at + RODATA, { level: 1, flags: NX });
  memory.map(image + DATA, at + DATA, { level: 1, flags: NX });
  const direct = levels === 5 ? 0xff11000000000000n : 0xffff888000000000n;
  // Behind the image: the text of VMCOREINFO, its copy as a note, the command line.
  const behind = at + 6n * MIB;
  memory.map(direct + behind, behind, { level: 1, flags: NX });

  const named = new Map<string, bigint>([
    ['_text', 0n],
    ['_stext', 0n],
    ['linux_banner', RODATA + BigInt(random.pick([0, 64, 0x800, 0xfc0]))],
    [old ? 'init_level4_pgt' : 'init_top_pgt', DATA],
  ]);
  const upper = memory.readU64(at + DATA + 511n * 8n) & 0x000ffffffffff000n;
  named.set(levels === 5 ? 'level4_kernel_pgt' : 'level3_kernel_pgt', upper - at);
  // Arrays in the image until 4.13, pointers since.
  const variables = ['init_uts_ns', 'phys_base', 'max_pfn', 'saved_command_line', 'sme_me_mask'];
  for (const [i, name] of variables.entries()) named.set(name, VARIABLES + BigInt(i) * 512n);
  named.set('vmcoreinfo_data', VARIABLES + 0x1000n);
  named.set('vmcoreinfo_note', VARIABLES + 0x2000n);
  const place = (name: string): bigint => at + (named.get(name) ?? 0n);
  const address = (name: string): string => (image + (named.get(name) ?? 0n)).toString(16);

  memory.write(place('linux_banner'), Buffer.from(`Linux version ${release} (fuzz@fuzz) (gcc-12) #1 SMP fuzz\n\0`));
  for (let i = 0n; i < 16n; i++) field(place('linux_banner') + i, 1, 'value', 'banner');
  memory.write(place('init_uts_ns') + RELEASE_AT, Buffer.from(`${release}\0`));
  for (const [name, value] of [['phys_base', physBase] as const, ['max_pfn', BigInt(maxPfn)] as const]) {
    memory.writeU64(place(name), value);
    field(place(name), 8, name === 'max_pfn' ? 'count' : 'address', 'variables');
  }
  memory.writeU64(place('saved_command_line'), direct + behind);
  memory.write(behind, Buffer.from(`quiet ${capture ? 'elfcorehdr=0x1000000' : 'crashkernel=160M'}\0`));
  field(place('saved_command_line'), 8, 'address', 'command line');
  field(behind, 8, 'value', 'command line');
  field(place('sme_me_mask'), 8, 'flags', 'variables');

  const table = buildKallsyms(virt(image + TABLES), symbolsOf(random, era, image, named), era);
  memory.write(at + TABLES, table.bytes);
  for (const one of tableFields(table.bytes, table.start, table.tables)) {
    field(at + TABLES + BigInt(one.at), one.size, one.role, one.group);
  }
  const page = Buffer.from('\0\x016%s: ready\n\0\x013out of memory\n\0\x014%s: late\n\0\x016done\n\0');
  for (let i = 0n; i < MESSAGE_PAGES; i++) {
    memory.write(at + MESSAGES + i * PAGE, page);
    field(at + MESSAGES + i * PAGE + 2n, 1, 'value', 'messages');
  }
  if (text) {
    const lines = [
      `OSRELEASE=${release}`,
      'PAGESIZE=4096',
      `SYMBOL(init_uts_ns)=${address('init_uts_ns')}`,
      'OFFSET(uts_namespace.name)=4',
      `SYMBOL(_stext)=${address('_stext')}`,
      ...(old
        ? [`SYMBOL(phys_base)=${address('phys_base')}`, `SYMBOL(init_level4_pgt)=${address('init_level4_pgt')}`]
        : [`NUMBER(phys_base)=${BigInt.asIntN(64, physBase)}`, `SYMBOL(init_top_pgt)=${address('init_top_pgt')}`]),
      ...(old ? [] : [`NUMBER(pgtable_l5_enabled)=${levels === 5 ? 1 : 0}`, 'NUMBER(sme_mask)=0']),
      ...(version === '7.2' || version.startsWith('6') ? table.vmcoreinfo.trimEnd().split('\n') : []),
      `KERNELOFFSET=${(image - START_KERNEL_MAP - 16n * MIB).toString(16)}`,
    ];
    const bytes = Buffer.from(`${lines.join('\n')}\n\0`);
    // After a crash the data lies in the memory of the capture kernel, and the note alone is left.
    const [data, note] = old
      ? [place('vmcoreinfo_data'), place('vmcoreinfo_note')]
      : [behind + PAGE, behind + 2n * PAGE];
    if (!old) {
      memory.writeU64(place('vmcoreinfo_data'), direct + data);
      memory.writeU64(place('vmcoreinfo_note'), direct + note);
    }
    const there = random.below(3);
    for (const start of [...(there === 0 ? [] : [data]), ...(there === 1 ? [] : [note + 24n])]) {
      memory.write(start, bytes);
      // The last digits of numbers, names, signs.
      for (let i = 0; i < bytes.length; i++)
        if (bytes[i] === 0x0a || i % 7 === 0) field(start + BigInt(i) - 1n, 1, 'value', 'text');
    }
    for (const name of ['vmcoreinfo_data', 'vmcoreinfo_note']) field(place(name), 8, 'address', 'pointers');
  }
  // The page tables, as far as they are used, and beside that.
  for (const [frame, bytes] of memory.pages) {
    const start = BigInt(frame) * PAGE;
    if (start < at + DATA || start >= at + VARIABLES) continue;
    for (let entry = 0; entry < 4096; entry += 8) {
      if (!bytes.subarray(entry, entry + 8).some((byte) => byte !== 0)) continue;
      field(start + BigInt(entry), 8, 'address', 'entries');
      field(start + BigInt(entry), 1, 'flags', 'flags of entries');
      field(start + BigInt(entry) + 7n, 1, 'flags', 'flags of entries');
      if (entry < 4088) field(start + BigInt(entry) + 8n, 8, 'address', 'empty entries');
    }
  }
  return {
    release,
    physBase,
    root: image + DATA,
    rootAt: at + DATA,
    levels,
    pages: memory.pages,
    fields,
  };
}
