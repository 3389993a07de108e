/**
 * Opens a dump as a Program with nothing but the dump: VMCOREINFO (or what bootstrap.ts finds instead), then the kernel
 * image by phys_base, its kallsyms, its BTF and its ORC tables. What is missing is noted in `problems` and costs the
 * answers that need it, not the rest.
 */
import type { Pfn } from '../base/address.ts';
import { type Budget, Checkpoint } from '../base/budget.ts';
import { attempt } from '../base/errors.ts';
import type { Vmcoreinfo } from '../debuginfo/vmcoreinfo.ts';
import type { DumpFile } from '../dump/dump-file.ts';
import { openDump, type OpenedFile } from '../dump/open.ts';
import { PageCache } from '../dump/page-cache.ts';
import { X86_64 } from './arch/x86-64.ts';
import { locatedBefore, locateKernel, placeFound } from './bootstrap.ts';
import { captureProblems } from './capture-kernel.ts';
import { checkIdentity, type DebugFile, oneLine, openDebugFile, partPaths } from './debug-file.ts';
import { type Places, type ProgramDescriptor, readDescriptor, refuseChanged, refuseOther } from './descriptor.ts';
import { inferTypes } from './inferred-types.ts';
import { type KernelTables, openTables } from './kernel-tables.ts';
import { memoryPerDump } from './physical-memory.ts';
import { Program } from './program.ts';
import { VirtualMemory } from './virtual-memory.ts';

export interface OpenOptions {
  /** Bound of the page cache in bytes. */
  readonly cacheBytes?: number;
  /** Called with each page frame that is asked for, at least once, from the first look on: whoever wants to know what was read. */
  readonly onPage?: (frame: Pfn) => void;
  /**
   * Holds for the opening and for everything that is read of the program afterwards; `Program.within` sets one for a
   * part of it.
   */
  readonly budget?: Budget;
  /** A vmlinux with debug information, of the very kernel in the dump. It may stand among the paths as well. */
  readonly debuginfo?: string;
  /** Files of modules with debug information; those beside the vmlinux are found without. They may stand among the paths as well. */
  readonly moduleDebuginfo?: readonly string[];
  /** Tables in the dump that are left aside: to see what remains without them. */
  readonly without?: readonly ('BTF' | 'ORC')[];
}

/** For whoever opened the dump with a Checkpoint already. */
export interface ProgramOptions extends OpenOptions {
  /** Instead of `budget`. */
  readonly checkpoint?: Checkpoint;
  /** For `Program.descriptor`. */
  readonly files?: readonly OpenedFile[];
  /** Where tables were found before; what is not there, or not right, is searched. */
  readonly places?: Places;
  /** Closed with the program. */
  readonly debugFile?: DebugFile | undefined;
}

/**
 * @param paths - a dump; or the files of a split dump, in any order; or a folder that holds one dump or the files of one;
 *   and, anywhere among them, a vmlinux with debug information
 * @throws UsageError when the file is no dump that can be opened or the vmlinux is of another kernel, FormatError when it is too damaged to start with,
 *   CancelledError; no file stays open then
 */
export function openProgram(paths: string | readonly string[], options: OpenOptions = {}): Program {
  const files: OpenedFile[] = [];
  return openWith(paths, options, (file) => void files.push(file), { files });
}

/**
 * Opens the dump that a descriptor (`Program.descriptor`) was made of, in this thread or in another. Nothing that takes a
 * search is searched again.
 * @throws StaleDescriptorError when the file is not the same any more: by its size, its time of change, or the kernel in
 *   it; FormatError when it is no descriptor; and what `openProgram` throws
 */
export function reopenProgram(descriptor: ProgramDescriptor, options: OpenOptions = {}): Program {
  const { files: expected, kernel, places } = readDescriptor(descriptor);
  const files: OpenedFile[] = [];
  const paths = expected.map((file) => file.path);
  const onFile = (file: OpenedFile): void => {
    refuseChanged(file, expected);
    files.push(file);
  };
  const program = openWith(paths, options, onFile, { files, places });
  try {
    refuseOther(program, paths.join(', '), kernel);
    return program;
  } catch (error) {
    program.close();
    throw error;
  }
}

function openWith(
  paths: string | readonly string[],
  options: OpenOptions,
  onFile: (file: OpenedFile) => void,
  more: Pick<ProgramOptions, 'files' | 'places'>,
): Program {
  const checkpoint = new Checkpoint(options.budget);
  const { dumps, debug, modules } = partPaths(typeof paths === 'string' ? [paths] : paths);
  const path = options.debuginfo ?? debug;
  const dump = openDump(dumps, { checkpoint, onFile });
  let debugFile: DebugFile | undefined;
  try {
    debugFile = path === undefined ? undefined : openDebugFile(path);
    const moduleDebuginfo = [...modules, ...(options.moduleDebuginfo ?? [])];
    return programOf(dump, { ...options, ...more, moduleDebuginfo, checkpoint, debugFile });
  } catch (error) {
    debugFile?.close();
    dump.close();
    throw error;
  }
}

/** A Program on a dump that is open already. */
export function programOf(dump: DumpFile, options: ProgramOptions = {}): Program {
  const checkpoint = options.checkpoint ?? new Checkpoint(options.budget);
  const memoryOf = memoryPerDump((of) => new PageCache(of, options.cacheBytes, options.onPage), checkpoint);
  const before = options.places?.kernel;
  const there = before === undefined ? undefined : locatedBefore(dump, before, memoryOf);
  const found = there ?? locateKernel(dump, memoryOf);
  const { vmcoreinfo } = found;
  const physical = memoryOf(found.dump);
  const arch = new X86_64(physical, vmcoreinfo, found.physBase, found.root);
  const memory = new VirtualMemory(physical, (address) => arch.translate(address));
  const { files, debugFile, without = [] } = options;
  const tables = openTables({
    memory,
    vmcoreinfo,
    arch,
    known: options.places,
    symbols: found.kallsyms,
    debugFile,
    without,
  });
  const doubt = debugFile === undefined ? undefined : checkDebugFile(debugFile, vmcoreinfo, memory, tables);
  const program = new Program({
    dump: found.dump,
    vmcoreinfo,
    foundBy: found.how,
    memory,
    arch,
    ...tables,
    debugFile,
    moduleDebuginfo: options.moduleDebuginfo,
    problems: [
      ...(doubt === undefined ? [] : [doubt]),
      ...found.problems,
      ...tables.problems,
      ...captureProblems(memory, tables.kallsyms),
    ],
    opened: files === undefined ? undefined : { files, places: { ...tables.places, kernel: placeFound(dump, found) } },
  });
  const inferred = tables.btf === undefined && debugFile === undefined ? inferTypes(program) : undefined;
  if (inferred !== undefined) program.types.add(inferred);
  return program;
}

/** @throws UsageError when it is of another kernel */
function checkDebugFile(
  file: DebugFile,
  vmcoreinfo: Vmcoreinfo,
  memory: VirtualMemory,
  { kallsyms }: Pick<KernelTables, 'kallsyms'>,
): string | undefined {
  const at = kallsyms.lookup('linux_banner')?.address;
  const banner = at === undefined ? undefined : attempt(() => oneLine(memory.readBytes(at, 512)));
  return checkIdentity(file, { vmcoreinfo, banner });
}
