/**
 * The programs that the lab needs. What is missing is installed with apt when we are root; else the error says what to
 * install. makedumpfile comes from sid with its own C library, because only sid's writes zstd.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Suite } from './apt.ts';
import { cacheFolder } from './paths.ts';
import { LabError, run, which } from './run.ts';

/** Program -> Debian package. */
const PACKAGES: Readonly<Record<string, string>> = {
  'qemu-system-x86_64': 'qemu-system-x86',
  gcc: 'gcc',
  make: 'make',
  cpio: 'cpio',
  busybox: 'busybox-static',
  depmod: 'kmod',
  xz: 'xz-utils',
};

/** Installs what is missing; cheap when nothing is. */
export function ensureTools(): void {
  const missing = Object.entries(PACKAGES)
    .filter(([program]) => which(program) === undefined)
    .map(([, name]) => name);
  if (!existsSync('/usr/include/stdio.h')) missing.push('libc6-dev');
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0) throw new LabError(`please install: apt-get install ${missing.join(' ')}`);
  run('apt-get', ['-q', 'update']);
  run('apt-get', ['-q', '-y', '--no-install-recommends', 'install', ...missing], {
    env: { DEBIAN_FRONTEND: 'noninteractive' },
  });
}

/** The path of a program that {@link ensureTools} has made sure of. */
export function tool(program: string): string {
  const path = which(program);
  if (path === undefined) throw new LabError(`${program} is not installed`);
  return path;
}

const MAKEDUMPFILE = ['makedumpfile', 'libc6', 'libdw1t64', 'libelf1t64', 'liblzo2-2', 'libzstd1', 'zlib1g'];
const MORE_LIBRARIES = ['libbz2-1.0', 'liblzma5'];

/** Sid's makedumpfile and the C library that it needs, unpacked: their folder. */
function sidRoot(): string {
  const suite = new Suite('sid');
  const root = cacheFolder('tools', `makedumpfile-${suite.version('makedumpfile').replaceAll(/[^\w.-]/g, '_')}`);
  if (!existsSync(join(root, 'usr/lib/x86_64-linux-gnu/liblzma.so.5'))) {
    suite.unpack([...MAKEDUMPFILE, ...MORE_LIBRARIES], root);
  }
  return root;
}

/** The words that run a program which was linked against sid's C library: the loader and its options. */
export function sidLoader(root = sidRoot()): string[] {
  const libraries = ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu'].map((folder) => join(root, folder)).join(':');
  const loader = [
    'usr/lib64/ld-linux-x86-64.so.2',
    'lib64/ld-linux-x86-64.so.2',
    'usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2',
  ]
    .map((path) => join(root, path))
    .find((path) => existsSync(path));
  if (loader === undefined) throw new LabError('the C library of sid has no loader');
  return [loader, '--library-path', libraries];
}

/** Runs sid's makedumpfile, its standard input from a file and its output into one when they are given. */
export function makedumpfile(args: readonly string[], stdin?: string, stdout?: string): string {
  const root = sidRoot();
  const [loader = '', ...words] = sidLoader(root);
  const program = join(root, 'usr/bin/makedumpfile');
  const options = { ...(stdin === undefined ? {} : { stdin }), ...(stdout === undefined ? {} : { stdout }) };
  return run(loader, [...words, program, ...args], options);
}
