/**
 * Hand-built machines without VMCOREINFO (small-kernel.ts), on which the kernel is looked for in each way that
 * program/bootstrap.ts has; a millisecond or two each, where the sample takes a hundred. Whatever is found must be mapped
 * where it is said to be, as a slow walk of the page tables in this file sees it.
 */
import { pfn, type Pfn } from '../../src/base/address.ts';
import type { DumpFile, ElfNote, PageStatus } from '../../src/dump/dump-file.ts';
import { PageCache } from '../../src/dump/page-cache.ts';
import { type KernelLocation, locatedBefore, locateKernel, placeFound } from '../../src/program/bootstrap.ts';
import { PhysicalMemory } from '../../src/program/physical-memory.ts';
import { hexOf, valueAt } from '../extremes.ts';
import type { Base, Field, Op, Parts, Summary } from '../input.ts';
import { Random } from '../random.ts';
import { check, checkSame } from '../violation.ts';
import { STATES, statesOf } from './pages.ts';
import { type SmallKernel, smallKernel } from './small-kernel.ts';

const PAGE = 4096;
const MIB = 2 ** 20;
const GIB = 2 ** 30;
/** Less than all pages that are read. */
const CACHE = 2 ** 19;
const START_KERNEL_MAP = 0xffffffff80000000n;
const ADDRESS = 0x000ffffffffff000n;

/** What is said when it is found as it was built. */
const WAYS: { readonly [way: string]: RegExp } = {
  text: /^kernel found by a search of memory, VMCOREINFO read from memory$/,
  banner: /^kernel found by its banner and symbol table in memory$/,
  header: /^kernel found by the file header \(phys_base\)(?:, VMCOREINFO read from memory)?$/,
  processor: /^kernel found by the page tables of CPU 1(?:, VMCOREINFO read from memory)?$/,
  capture: /^kernel found by .* \(the one that crashed; the kernel that kdump booted was running\)/,
  hole: /^kernel found by .*; assumed: the file leaves out the gap from \d+ MiB to 4 GiB$/,
};

/** Texts where they mean nothing. */
const STRAY = [
  'OSRELEASE=6.1.0-fuzz\nSYMBOL(_stext)=ffffffff81000000\nSYMBOL(init_top_pgt)=ffffffff81400000\nNUMBER(phys_base)=0\n\0',
  'Linux version 6.1.0-fuzz (fuzz@fuzz) (gcc-12) #1 SMP other\n\0',
  '0\x001\x002\x003\x004\x005\x006\x007\x008\x009\0',
];

export const SMALL_BASES = Object.keys(WAYS).map((way) => `${way}#`);

/** QEMUCPUState with these page tables. */
export function cpuNote(root: bigint, levels: 4 | 5): ElfNote {
  const desc = Buffer.alloc(440);
  desc.writeUInt32LE(1, 0);
  desc.writeBigUInt64LE(1n << 31n, 392);
  desc.writeBigUInt64LE(root, 416);
  desc.writeBigUInt64LE(levels === 5 ? 0x1020n : 0x20n, 424);
  return { name: 'QEMU', type: 0, desc: new Uint8Array(desc) };
}

interface Machine {
  readonly file: Sparse;
  /** The kernel that must be found. */
  readonly kernel: SmallKernel;
  readonly fields: readonly Field[];
  /** As the file has them. */
  readonly pages: Pages;
}

type Pages = ReadonlyMap<number, Uint8Array>;

/** A file with some pages of memory, each at its frame. */
class Sparse {
  readonly #frames: Uint32Array;
  readonly #more: Partial<DumpFile>;

  constructor(pages: Pages, more: Partial<DumpFile>) {
    this.#frames = Uint32Array.from(pages.keys()).sort();
    this.#more = more;
  }

  get notes(): readonly ElfNote[] {
    return this.#more.notes ?? [];
  }

  /** The file with other bytes in its pages. */
  dump(pages: Pages, states: ReadonlyMap<number, PageStatus>, notes: readonly ElfNote[]): DumpFile {
    const maxPfn = (this.#frames.at(-1) ?? 0) + 1;
    const status = (frame: Pfn): PageStatus => states.get(frame) ?? (pages.has(frame) ? 'data' : 'absent');
    return {
      description: 'hand-built memory',
      format: 'raw',
      machine: 'x86_64',
      pageSize: PAGE,
      vmcoreinfo: undefined,
      physBase: undefined,
      pageOffset: undefined,
      dumpLevel: undefined,
      maxPfn,
      fileSize: maxPfn * PAGE,
      counts: { inFile: pages.size, excluded: undefined, lost: 0 },
      problems: [],
      status,
      nextInFile: (from) => this.#next(from),
      readPage(frame, into) {
        const found = status(frame);
        if (found === 'data') into.set(pages.get(frame) ?? new Uint8Array(0));
        if (found === 'zero') into.fill(0);
        return found;
      },
      close() {},
      ...this.#more,
      notes,
    };
  }

  #next(from: number): Pfn | undefined {
    const frames = this.#frames;
    let low = 0;
    let high = frames.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((frames[middle] ?? 0) < from) low = middle + 1;
      else high = middle;
    }
    const frame = frames[low];
    return frame === undefined ? undefined : pfn(frame);
  }
}

/** What is behind `low` lies at `end` and above. */
function withHole(dump: DumpFile, low: number, end: number): DumpFile {
  const [below, above] = [low / PAGE, end / PAGE];
  const inFile = (frame: number): Pfn => pfn(frame < below ? frame : frame < above ? 2 ** 40 : frame - above + below);
  return {
    ...dump,
    maxPfn: dump.maxPfn - below + above,
    status: (frame) => dump.status(inFile(frame)),
    readPage: (frame, into) => dump.readPage(inFile(frame), into),
    nextInFile(from) {
      const next = dump.nextInFile(from >= below && from < above ? pfn(below) : inFile(from));
      return next === undefined || next < below ? next : pfn(next - below + above);
    },
  };
}

function build(name: string): Machine {
  const [way = ''] = name.split('#');
  const random = new Random(name);
  const place = (from: number): bigint => BigInt((from + random.below(8)) * 2 * MIB);
  const text = way === 'text' || (way !== 'banner' && random.chance(0.5));
  if (way === 'hole') return holeMachine(random, text);
  const options = { at: place(8), text, capture: false, maxPfn: 0x10000 } as const;
  const kernel = smallKernel(random, options);
  const other = way === 'capture' ? smallKernel(random, { ...options, at: place(32), capture: true }) : undefined;
  const pages = new Map([...kernel.pages, ...(other?.pages ?? [])]);
  const states = [kernel, ...(other === undefined ? [] : [other])].map(({ rootAt, levels }) => cpuNote(rootAt, levels));
  const notes = way === 'processor' ? [cpuNote(0x5000n, 4), ...states] : way === 'capture' ? states.slice(-1) : [];
  const file = new Sparse(pages, { notes, physBase: way === 'header' ? kernel.physBase : undefined });
  return { file, kernel, pages, fields: [...kernel.fields, ...(other?.fields ?? [])] };
}

/** Raw memory that leaves out the gap below 4 GiB, with a kernel behind it. */
function holeMachine(random: Random, text: boolean): Machine {
  const low = random.pick([2, 2.75, 3, 3.5]) * GIB;
  const above = BigInt((random.below(8) + 8) * 2 * MIB);
  const maxPfn = (4 * GIB + 128 * MIB) / PAGE;
  const kernel = smallKernel(random, { at: BigInt(4 * GIB) + above, text, capture: false, maxPfn });
  const shift = (4 * GIB - low) / PAGE;
  const pages = new Map([...kernel.pages].map(([frame, bytes]) => [frame - shift, bytes]));
  const fields = kernel.fields.map((field) => ({ ...field, part: String(Number(field.part) - shift) }));
  const file = new Sparse(pages, { maxPfn: maxPfn - shift, fileSize: (maxPfn - shift) * PAGE });
  return { file, kernel, pages, fields };
}

export function smallBase(name: string): Base {
  const [way = ''] = name.split('#');
  const { file, kernel, pages, fields } = build(name);
  const frames = [...pages.keys()].map((frame) => [frame, String(frame)] as const);
  const parts = new Map([...pages].map(([frame, bytes]) => [String(frame), bytes]));
  parts.set('states', new Uint8Array(0));
  file.notes.forEach((note, i) => parts.set(`note ${i}`, note.desc));
  const registers = file.notes.flatMap((_, i) =>
    [392, 416, 424].map((at): Field => ({ part: `note ${i}`, at, size: 8, role: 'address', group: 'registers' })),
  );
  const run = (changed: Parts, pristine: boolean): Summary => {
    const now = new Map(frames.map(([frame, part]) => [frame, changed.get(part)] as const));
    const notes = file.notes.map((note, i) => ({ ...note, desc: changed.get(`note ${i}`) }));
    const bare = file.dump(now, statesOf(changed), notes);
    const dump: DumpFile = way === 'hole' ? { ...bare, withHole: (low, end) => withHole(bare, low, end) } : bare;
    const memories = new Map<DumpFile, PhysicalMemory>();
    const memoryOf = (of: DumpFile): PhysicalMemory => {
      const memory = memories.get(of) ?? new PhysicalMemory(new PageCache(of, CACHE));
      memories.set(of, memory);
      return memory;
    };
    const found = locateKernel(dump, memoryOf);
    const { how = '', physBase, root, problems, vmcoreinfo } = found;
    checkMapped(found, kernel);
    const place = placeFound(dump, found);
    const again = place === undefined ? undefined : locatedBefore(dump, place, memoryOf);
    if (again !== undefined) {
      checkSame('phys_base, where it was found before,', again.physBase, physBase);
      checkSame('the page table, where it was found before,', again.root, root);
    }
    if (pristine) {
      check(WAYS[way]?.test(how) === true, () => `the kernel was found by '${how}'`);
      checkSame('phys_base', BigInt.asUintN(64, physBase), kernel.physBase);
      checkSame('the page table', root, kernel.root);
      checkSame('the release', vmcoreinfo.osRelease, kernel.release);
      check(problems.length === 0, () => problems.join());
    }
    const same = BigInt.asUintN(64, physBase) === kernel.physBase && root === kernel.root;
    return [
      how.replace(/\d+ MiB/, 'n MiB'),
      same ? 'the same' : 'another',
      found.kallsyms?.count ?? 'none',
      problems.length,
    ];
  };
  const special = (random: { below(count: number): number }): readonly Op[] => {
    const frame = frames[random.below(frames.length)]?.[0] ?? 0;
    if (random.below(2) === 0) {
      const bytes = hexOf(BigInt(frame), 4) + hexOf(BigInt(random.below(STATES.length)), 4);
      return [{ op: 'insert', part: 'states', at: 0, bytes }];
    }
    const text = STRAY[random.below(STRAY.length)] ?? '';
    const at = [0, 24, random.below(PAGE)][random.below(3)] ?? 0;
    return [{ op: 'set', part: String(frame), at, bytes: Buffer.from(text).toString('hex') }];
  };
  return { parts, fields: [...fields, ...registers], special, fixed: true, run };
}

/**
 * The address by which the kernel was proven lies where phys_base says, by its page tables. Of entries that are not
 * present nothing is said.
 */
function checkMapped({ dump, vmcoreinfo, kallsyms, physBase, root }: KernelLocation, truth: SmallKernel): void {
  const levels = vmcoreinfo.number('pgtable_l5_enabled') === 1n ? 5 : 4;
  const mask = ADDRESS & ~(vmcoreinfo.number('sme_mask') ?? 0n);
  const page = new Uint8Array(PAGE);
  const walked = (address: bigint): bigint | undefined => {
    let table = BigInt.asUintN(64, root - START_KERNEL_MAP + physBase);
    for (let level = levels - 1; ; level--) {
      const status = dump.readPage(pfn(Number(table >> 12n)), page);
      if (status !== 'data' && status !== 'zero') return undefined;
      const entry = valueAt(page, Number((address >> BigInt(12 + 9 * level)) & 0x1ffn) * 8, 8);
      if ((entry & 1n) === 0n) return undefined;
      const within = (1n << BigInt(12 + 9 * level)) - 1n;
      if (level === 0 || (level <= 2 && (entry & 0x80n) !== 0n)) return (entry & mask & ~within) | (address & within);
      table = entry & mask;
    }
  };
  const proofs = [
    vmcoreinfo.symbol('_stext') ?? vmcoreinfo.symbol('init_uts_ns'),
    kallsyms?.lookup('linux_banner')?.address,
  ];
  const mapped = proofs.map((proof) => (proof === undefined ? undefined : walked(proof)));
  const agrees = proofs.some((proof, i) => {
    const at = mapped[i];
    return proof === undefined || at === undefined || at === BigInt.asUintN(64, proof - START_KERNEL_MAP + physBase);
  });
  check(agrees, () => `${truth.release} is mapped elsewhere than at ${physBase.toString(16)}: ${mapped.join()}`);
}
