/** x86-64 page tables: any entry may point anywhere, back to its own table too; every walk ends. */
import { virt, type VirtAddr } from '../../src/base/address.ts';
import { FaultError } from '../../src/base/errors.ts';
import { parseVmcoreinfo } from '../../src/debuginfo/vmcoreinfo.ts';
import { X86_64 } from '../../src/program/arch/x86-64.ts';
import { VirtualMemory } from '../../src/program/virtual-memory.ts';
import { NX, PhysicalImage, PROTNONE } from '../../test/builders/page-tables.ts';
import { valueAt } from '../extremes.ts';
import type { Base, Field, Parts, Summary } from '../input.ts';
import { Random } from '../random.ts';
import type { Target } from '../target.ts';
import { check, checkSame } from '../violation.ts';

const TEXT = 0xffffffff81000000n;
const DIRECT = 0xffff888000000000n;
const MODULES = 0xffffffffc0000000n;
const MAX_TABLES = 500;

interface Built {
  readonly image: PhysicalImage;
  readonly mapped: ReadonlyMap<bigint, bigint>;
}

function build(name: string): Built {
  const random = new Random(name);
  const image = new PhysicalImage({ levels: random.chance(0.3) ? 5 : 4 });
  const mapped = new Map<bigint, bigint>();
  const direct = image.levels === 5 ? 0xff11000000000000n : DIRECT;
  for (let i = random.between(1, 10); i > 0; i--) {
    const level = random.pick([0, 0, 1, 2]);
    const size = 1n << BigInt(12 + 9 * level);
    const at = random.pick([TEXT, direct, MODULES]) + BigInt(random.below(6)) * size;
    const address = at - (at % size);
    const to = BigInt(random.below(64)) * size;
    if ([...mapped.keys()].some((other) => other - (other % (1n << 30n)) === address - (address % (1n << 30n))))
      continue;
    image.map(address, to, { level, flags: random.chance(0.5) ? NX : random.chance(0.2) ? PROTNONE : 0n });
    mapped.set(address, to);
  }
  return { image, mapped };
}

function baseOf(name: string): Base {
  const { image, mapped } = build(name);
  const parts = new Map([...image.pages].map(([frame, bytes]) => [String(frame), bytes]));
  const fields: Field[] = [];
  for (const [frame, bytes] of image.pages) {
    for (let at = 0; at < 4096; at += 8) {
      const used = bytes.subarray(at, at + 8).some((byte) => byte !== 0);
      const field = { part: String(frame), at, size: 8, role: 'address' } as const;
      if (used) fields.push({ ...field, group: 'entry' }, { ...field, size: 1, role: 'flags', group: 'flags' });
      else if (at >= 2048 && at % 512 === 0) fields.push({ ...field, group: 'empty' });
    }
  }
  const addresses = [0n, 0x1000n, TEXT, DIRECT, MODULES, 2n ** 64n - 4096n, 1n << 47n, ...mapped.keys()];
  const run = (changed: Parts, pristine: boolean): Summary => {
    const copy = new PhysicalImage({ levels: image.levels });
    for (const frame of image.pages.keys()) copy.pages.set(frame, Uint8Array.from(changed.get(String(frame))));
    const lines = `NUMBER(pgtable_l5_enabled)=${image.levels === 5 ? 1 : 0}\nNUMBER(KERNEL_IMAGE_SIZE)=1073741824\n`;
    const physical = copy.open({ cacheBytes: 1 << 16 });
    const root = virt(0xffffffff80000000n + image.root);
    const arch = new X86_64(physical, parseVmcoreinfo(Buffer.from(lines)), 0n, root);
    const memory = new VirtualMemory(physical, (address) => arch.translate(address));
    let translated = 0;
    for (const address of addresses) {
      if (!translates(arch, memory, virt(address))) continue;
      translated++;
      compareReads(memory, address - (address % 4096n));
    }
    for (const [address, to] of pristine ? mapped : []) {
      if (address < 0xffffffff80000000n)
        checkSame(`${address.toString(16)}`, arch.translateUser(root, virt(address)), to);
    }
    const tables = arch.kernelTables(MAX_TABLES);
    check(tables.length <= MAX_TABLES && new Set(tables).size === tables.length, () => `${tables.length} tables`);
    const ranges = arch.imageRanges();
    let before = 0n;
    for (const { start, end } of ranges) {
      check(start >= before && end > start, () => `a range of the image from ${start} to ${end}`);
      before = end;
    }
    return [translated, tables.length, ranges.length];
  };
  return { parts, fields, fixed: true, run };
}

function translates(arch: X86_64, memory: VirtualMemory, address: VirtAddr): boolean {
  try {
    const physical = arch.translate(address);
    check(physical >= 0n && physical < 1n << 64n, () => `${address} lies at ${physical}`);
  } catch (error) {
    if (error instanceof FaultError) return false;
    throw error;
  }
  memory.isReadable(address);
  return true;
}

/** The last words within a page, and some across its end. */
function compareReads(memory: VirtualMemory, page: bigint): void {
  const reads: readonly (readonly [number, readonly bigint[], (at: VirtAddr) => number | bigint])[] = [
    [1, [0n, 4095n], (at) => memory.readU8(at)],
    [2, [4094n, 4095n], (at) => memory.readU16(at)],
    [4, [4092n, 4093n, 4095n], (at) => memory.readU32(at)],
    [8, [4088n, 4089n, 4091n, 4093n, 4095n], (at) => memory.readU64(at)],
  ];
  for (const [size, offsets, read] of reads) {
    for (const offset of offsets) {
      const at = virt(page + offset);
      const bytes = readable(() => Buffer.from(memory.readBytes(at, size)));
      const wanted = bytes === undefined ? undefined : valueAt(bytes, 0, size);
      const found = readable(() => read(at));
      checkSame(`${size} bytes at ${at.toString(16)}`, found === undefined ? undefined : BigInt(found), wanted);
    }
  }
}

function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof FaultError) return undefined;
    throw error;
  }
}

export const pageTables: Target = {
  name: 'page-tables',
  reads: 'x86-64 page tables, virtual memory (program/arch, program/virtual-memory)',
  throws: [],
  bases: [{ name: 'tables#', weight: 1 }],
  allocates: { fixed: 8 * 2 ** 20, perByte: 64 },
  base: baseOf,
};
