/**
 * Makes test/cores from dumps of the lab:
 *
 *   node tools/pack-cores.ts [--fresh] [--programs] INCIDENT/KERNEL/VARIANT ...
 *
 * Each dump is made slim, with the report run on it, and packed for test/builders/core-store.ts with a copy of its
 * manifest. The first core of a kernel gives the pages that the others of that kernel refer to; with `--fresh` it does so
 * again, and all others of that kernel must be packed anew. With `--programs` the page tables of programs are kept too, which
 * no report reads. Nothing of a dump is changed: what is left out is what slim
 * leaves out (docs/slim.md).
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { unlimited } from '../src/base/budget.ts';
import { diagnose, makeContext } from '../src/diagnosis/engine.ts';
import { residentFact } from '../src/diagnosis/facts/resident.ts';
import type { DumpFile } from '../src/dump/dump-file.ts';
import { openDump } from '../src/dump/open.ts';
import type { Manifest } from '../lab/manifest.ts';
import { openProgram } from '../src/program/open.ts';
import type { Program } from '../src/program/program.ts';
import { slim } from '../src/slim/slim.ts';
import { commonPages, compress, packCore } from '../test/builders/core-pack.ts';
import { CoreStore } from '../test/builders/core-store.ts';

const root = join(import.meta.dirname, '..');
const CORES = join(root, 'test/cores');

/** The last step of a generator. */
function finish<T>(steps: Iterator<unknown, T>): T {
  for (;;) {
    const next = steps.next();
    if (next.done === true) return next.value;
  }
}

function makeSlim(from: string, to: string, withPrograms: boolean): void {
  const program = openProgram(from);
  try {
    // It is compressed anew.
    const report = (probe: Program): void => {
      finish(diagnose(probe, unlimited));
      if (withPrograms) makeContext(probe, unlimited, []).use(residentFact);
    };
    finish(slim(program, to, { level: 1, input: from, report }));
  } finally {
    program.close();
  }
}

/** The common pages of a kernel: those of the dump, unless some are there. */
function baseOf(dump: DumpFile, file: string, isFresh: boolean): Buffer {
  if (!isFresh && existsSync(join(CORES, file))) return new CoreStore(CORES).base(file);
  const base = commonPages(dump);
  writeFileSync(join(CORES, file), compress(base));
  return base;
}

/** @returns name of the core and bytes of its file */
function packOne(incident: string, isFresh: boolean, withPrograms: boolean): readonly [string, number] {
  const from = join(root, 'lab/dumps', incident);
  const manifest = readFileSync(join(from, 'manifest.json'), 'utf8');
  const { incident: title, kernel, variant, files } = JSON.parse(manifest) as Manifest;
  const name = `${title}-${kernel}${variant === 1 ? '' : `-${variant}`}`;
  const folder = mkdtempSync(join(tmpdir(), 'pack-cores-'));
  try {
    const slimFile = join(folder, 'slim');
    // Of a kernel that makedumpfile does not know, the file that leaves nothing out.
    const whole = files.find((file) => file.includes('level-1'));
    makeSlim(join(from, whole ?? files[0] ?? ''), slimFile, withPrograms);
    const dump = openDump(slimFile);
    const file = `pages.${kernel}.zst`;
    const core = packCore(dump, baseOf(dump, file, isFresh), file);
    dump.close();
    writeFileSync(join(CORES, `${name}.core.zst`), core);
    writeFileSync(join(CORES, `${name}.json`), manifest);
    return [name, core.length];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { fresh: { type: 'boolean', default: false }, programs: { type: 'boolean', default: false } },
  });
  const kernels = new Set<string>();
  for (const incident of positionals) {
    const [, kernel = ''] = incident.split('/');
    const [name, bytes] = packOne(incident, values.fresh && !kernels.has(kernel), values.programs);
    kernels.add(kernel);
    console.log(`${name}: ${bytes} bytes`);
  }
}

main();
