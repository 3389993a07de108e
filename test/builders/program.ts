/**
 * Opens a KernelImage as a real Program: a dump file that holds the image's pages, identity translation, the image's
 * symbols, types and VMCOREINFO. Registers, unwinding and ORC are not there; a test that needs them gives its own `arch`.
 */
import { phys, type Pfn, type VirtAddr, virt } from '../../src/base/address.ts';
import { FaultError } from '../../src/base/errors.ts';
import type { SymbolEntry, SymbolTable } from '../../src/debuginfo/symbol.ts';
import { parseVmcoreinfo } from '../../src/debuginfo/vmcoreinfo.ts';
import type { DumpFile, PageStatus } from '../../src/dump/dump-file.ts';
import { PageCache } from '../../src/dump/page-cache.ts';
import type { Arch } from '../../src/program/arch/arch.ts';
import { PhysicalMemory } from '../../src/program/physical-memory.ts';
import { Program } from '../../src/program/program.ts';
import { VirtualMemory } from '../../src/program/virtual-memory.ts';
import { type KernelImage, PAGE_SIZE } from './image.ts';

export interface ProgramOptions {
  /** Parts of the architecture that this test is about. */
  readonly arch?: Partial<Arch>;
  /** Parts of the dump file that this test is about: its notes, its description. */
  readonly dump?: Partial<DumpFile>;
  /** As of a kernel without BTF. */
  readonly types?: false;
  /** Told of each page frame that is asked for. */
  readonly onPage?: (frame: Pfn) => void;
}

/** May be called again after the image was changed; a program keeps the pages that it has read. */
export function programOfImage(image: KernelImage, options: ProgramOptions = {}): Program {
  image.finish();
  const dump: DumpFile = { ...dumpOf(image), ...options.dump };
  const arch: Arch = { ...identityArch, ...options.arch };
  const memory = new VirtualMemory(new PhysicalMemory(new PageCache(dump, undefined, options.onPage)), (address) =>
    arch.translate(address),
  );
  const program = new Program({
    dump,
    vmcoreinfo: parseVmcoreinfo(Buffer.from(`${image.vmcoreinfoLines.join('\n')}\n`)),
    memory,
    arch,
    kallsyms: symbolTable(image.symbols),
    btf: undefined,
    orc: undefined,
    orcVersion: undefined,
    problems: [],
  });
  if (options.types !== false) program.types.add(image.types);
  return program;
}

function dumpOf(image: KernelImage): DumpFile {
  const status = (frame: Pfn): PageStatus => image.states.get(frame) ?? (image.pages.has(frame) ? 'data' : 'absent');
  return {
    description: 'hand-built image',
    format: 'elf',
    machine: 'x86_64',
    pageSize: PAGE_SIZE,
    vmcoreinfo: undefined,
    notes: [],
    physBase: 0n,
    pageOffset: undefined,
    dumpLevel: undefined,
    maxPfn: 2 ** 52,
    fileSize: image.pages.size * PAGE_SIZE,
    counts: { inFile: image.pages.size, excluded: undefined, lost: 0 },
    problems: [],
    status,
    readPage(frame, into) {
      const page = image.pages.get(frame);
      if (page !== undefined) into.set(page);
      return status(frame);
    },
    nextInFile: (from) =>
      [...image.pages.keys()].sort((a, b) => a - b).find((frame) => frame >= from && status(frame as Pfn) === 'data') as
        | Pfn
        | undefined,
    close: () => {},
  };
}

function refuse(what: string): never {
  throw new Error(`a hand-built image has no ${what}: give the test its own arch`);
}

const identityArch: Arch = {
  name: 'test',
  translate(address: VirtAddr) {
    // Small numbers are no kernel addresses: reading through NULL must fail as it does in a dump.
    if (address < 0x10000n) throw new FaultError('virtual', address, 'unmapped');
    return phys(address);
  },
  translateUser: (_pgd, address) => phys(address),
  imageRanges: () => [],
  kernelTables: () => [],
  learn: () => [],
  switchedOutRegisters: () => refuse('registers'),
  prstatusRegisters: () => refuse('registers'),
  unwind: () => refuse('unwinder'),
};

function symbolTable(symbols: readonly SymbolEntry[]): SymbolTable {
  const sorted = [...symbols].sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  return {
    count: symbols.length,
    lookup: (name) => symbols.find((symbol) => symbol.name === name),
    lookupAll: (name) => symbols.filter((symbol) => symbol.name === name),
    at: (address) =>
      sorted.findLast(
        (symbol) =>
          symbol.type.toLowerCase() !== 'a' &&
          address >= symbol.address &&
          address < virt(symbol.address + BigInt(symbol.size)),
      ),
    entries: () => sorted,
  };
}
