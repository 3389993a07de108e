/**
 * The formats of the matrix and how each is made of what a guest left. Whatever one makes, it deletes.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { labRoot } from '../paths.ts';
import { run } from '../run.ts';
import { makedumpfile } from '../tools.ts';
import { KDUMP_FILE, LIVE_FILES } from './boot.ts';
import { toSnappy } from './snappy.ts';

/** How real a file is: as its tool wrote it, or written anew by the lab from what a tool wrote. */
export type Origin = 'as written' | 're-encoded' | 'rewritten';

export interface Format {
  readonly name: string;
  readonly origin: Origin;
  /** Whether it is made of every guest, or only where all formats are. */
  readonly always: boolean;
  /** Whether it is made by a makedumpfile that leaves pages out. */
  readonly filtered: boolean;
  /** What a whole file of it lacks, so that a report on it is partial. */
  readonly lacks?: string;
  /** Makes it of the guest's files in `folder`; `level` is makedumpfile's. Returns the files of the dump. */
  make(folder: string, level: number, output: string): readonly string[];
}

function written(name: string, options: readonly string[], always = false): Format {
  return {
    name,
    origin: 'as written',
    always,
    filtered: true,
    make(folder, level, output) {
      const [raw, file] = [join(folder, KDUMP_FILE), `${output}.vmcore`];
      if (options.includes('-F'))
        makedumpfile([...options, '-d', String(level), '--message-level', '0', raw], undefined, file);
      else makedumpfile([...options, '-d', String(level), '--message-level', '0', raw, file]);
      return [file];
    },
  };
}

function taken(name: string, file: string, always = false): Format {
  const make = (folder: string): readonly string[] => [join(folder, file)];
  return { name, origin: 'as written', always, filtered: false, make };
}

/** lab/reform.ts writes what the live dump holds in a form that no tool at hand writes. */
function reformed(name: string, form: string): Format {
  return {
    name,
    origin: 'rewritten',
    always: false,
    filtered: false,
    lacks: 'the file has no registers of the CPUs, so the stacks of tasks that were running are not known',
    make(folder, _level, output) {
      const file = `${output}.vmcore`;
      run(process.execPath, [join(labRoot, 'reform.ts'), form, join(folder, LIVE_FILES.elf), file]);
      return [file];
    },
  };
}

const split: Format = {
  name: 'kdump zstd, split in 3',
  origin: 'as written',
  always: false,
  filtered: true,
  make(folder, level, output) {
    const files = [1, 2, 3].map((part) => `${output}-${part}.vmcore`);
    const options = ['-z', '-d', String(level), '--message-level', '0', '--split'];
    makedumpfile([...options, join(folder, KDUMP_FILE), ...files]);
    return files;
  },
};

const snappy: Format = {
  name: 'kdump snappy',
  origin: 're-encoded',
  always: false,
  filtered: true,
  make(folder, level, output) {
    const [plain, file] = [`${output}-plain.vmcore`, `${output}.vmcore`];
    makedumpfile(['-d', String(level), '--message-level', '0', join(folder, KDUMP_FILE), plain]);
    toSnappy(plain, file);
    rmSync(plain);
    return [file];
  },
};

export const FORMATS: readonly Format[] = [
  taken('ELF, /proc/vmcore', KDUMP_FILE, true),
  written('ELF, makedumpfile -E', ['-E']),
  written('ELF, flattened', ['-E', '-F']),
  written('kdump zlib', ['-c']),
  written('kdump zstd', ['-z'], true),
  written('kdump LZO', ['-l']),
  snappy,
  written('kdump uncompressed', []),
  written('kdump zlib, flattened', ['-c', '-F']),
  split,
  taken('live QEMU ELF', LIVE_FILES['elf with note'], true),
  taken('live QEMU ELF, no VMCOREINFO', LIVE_FILES.elf, true),
  taken('live QEMU kdump-zlib', LIVE_FILES['kdump-zlib with note']),
  taken('live QEMU kdump-zlib, no VMCOREINFO', LIVE_FILES['kdump-zlib']),
  reformed('LiME', 'lime'),
  reformed('raw memory', 'raw'),
];
