/**
 * Makes the formats that dumps come in from the raw core of a guest.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './run.ts';
import { makedumpfile } from './tools.ts';

/** Formats by file name: what makedumpfile is told. Level 31 leaves out what a diagnosis can do without. */
const FORMATS: Readonly<Record<string, readonly string[]>> = {
  'zstd.vmcore': ['-z', '-d', '31'],
  'zlib.vmcore': ['-c', '-d', '31'],
  'elf.vmcore': ['-E', '-d', '31'],
  // Zero pages alone are left out.
  'zstd-level-1.vmcore': ['-z', '-d', '1'],
};

/**
 * What a variant gets: every format and its raw core, only the smallest, or `doubtful` also one that leaves nothing out,
 * for kernels that makedumpfile does not know yet: it then leaves out pages that a diagnosis needs.
 */
export type Thoroughness = 'all' | 'one' | 'doubtful';

const CHOICES: Readonly<Record<Thoroughness, readonly string[]>> = {
  all: ['zstd.vmcore', 'zlib.vmcore', 'elf.vmcore'],
  one: ['zstd.vmcore'],
  doubtful: ['zstd.vmcore', 'zstd-level-1.vmcore'],
};

/**
 * Takes over QEMU's dump of a running guest. QEMU writes the kdump format flattened: it is made an ordinary file. The
 * zero pages of an ELF file become holes.
 */
export function convertLiveDump(raw: string, target: string, format: 'elf' | 'kdump-zlib'): string[] {
  const name = `qemu-${format}.vmcore`;
  rmSync(join(target, name), { force: true });
  if (format === 'elf') run('cp', ['--sparse=always', raw, join(target, name)]);
  else makedumpfile(['-R', join(target, name)], raw);
  rmSync(raw);
  return [name];
}

/** Makes the dumps of a kdump in `target` and returns their file names; the raw core is moved or removed. */
export function convertDump(raw: string, target: string, thoroughness: Thoroughness): string[] {
  const names = CHOICES[thoroughness];
  for (const name of names) {
    const output = join(target, name);
    rmSync(output, { force: true });
    makedumpfile([...(FORMATS[name] ?? []), '--message-level', '0', raw, output]);
  }
  if (thoroughness !== 'all') {
    rmSync(raw);
    return [...names];
  }
  renameSync(raw, join(target, 'raw.vmcore'));
  return [...names, 'raw.vmcore'].filter((name) => existsSync(join(target, name)));
}
