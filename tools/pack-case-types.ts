/**
 * Makes test/cases/linux-3.10.types, the type pack of the case in proc-directory.ts, from linux-3.10.c: `node
 * tools/pack-case-types.ts`. Needs a C compiler, which the tests do not: the pack is kept beside its source, and is to be
 * made anew whenever linux-3.10.h has changed (proc-directory-dump.test.ts tells).
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDebugFile } from '../src/program/debug-file.ts';
import { packTypes } from '../src/program/type-pack.ts';
import { BANNER } from '../test/cases/proc-directory.ts';

/** As kernels are linked: at their own addresses. Types that no variable has are kept as well. */
const OPTIONS = [
  '-g',
  '-gdwarf-4',
  '-fno-eliminate-unused-debug-types',
  '-fdebug-prefix-map=/=',
  '-ffreestanding',
  '-nostdlib',
  '-static',
  '-Wl,-Ttext=0xffffffff81000000',
  '-fno-pic',
  '-no-pie',
  '-mcmodel=kernel',
  '-Wl,--build-id=none',
  `-DBANNER="${BANNER}"`,
];

const CASES = join(import.meta.dirname, '../test/cases');

/** @throws what the compiler says */
function makePack(): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'kwhy-pack-'));
  try {
    const vmlinux = join(folder, 'vmlinux');
    execFileSync('cc', [...OPTIONS, 'linux-3.10.c', '-o', vmlinux], { cwd: CASES, stdio: 'inherit' });
    const file = openDebugFile(vmlinux);
    try {
      return packTypes(file);
    } finally {
      file.close();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const pack = makePack();
const path = join(CASES, 'linux-3.10.types');
writeFileSync(path, pack);
console.log(`${path}: ${pack.length} bytes`);
