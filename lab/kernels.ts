/**
 * The kernels that guests run, as Debian packages: which suite has them, and how they are unpacked.
 *
 * A kernel's folder below the cache holds its image, its modules, and the headers to build modules against. The exact
 * versions go into each manifest.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Suite } from './apt.ts';
import { cacheFolder, labRoot } from './paths.ts';
import { LabError, run } from './run.ts';
import { sidLoader } from './tools.ts';

/** The kernels by the names of `--kernel`. */
const KERNELS: Readonly<Record<string, { readonly suite: string; readonly image: RegExp; readonly search: string }>> = {
  '5.10': {
    suite: 'bullseye',
    search: '^linux-image-5.10.*-cloud-amd64$',
    image: /^linux-image-(5\.10\..*-cloud-amd64)$/,
  },
  '6.1': {
    suite: 'bookworm',
    search: '^linux-image-6.1.*-cloud-amd64$',
    image: /^linux-image-(6\.1\..*-cloud-amd64)$/,
  },
  '6.12': {
    suite: 'bookworm',
    search: '^linux-image-6.12.*-cloud-amd64$',
    image: /^linux-image-(6\.12\..*-cloud-amd64)$/,
  },
  sid: { suite: 'sid', search: '^linux-image-.*-cloud-amd64$', image: /^linux-image-(\d+\.\d+\..*-cloud-amd64)$/ },
  rt: { suite: 'bookworm', search: '^linux-image-6.1.*-rt-amd64$', image: /^linux-image-(6\.1\..*-rt-amd64)$/ },
};

export const kernelNames: readonly string[] = Object.keys(KERNELS);

/** A kernel that is ready to boot. */
export interface Kernel {
  /** As given to `--kernel`. */
  readonly name: string;
  /** As `uname -r` prints it. */
  readonly release: string;
  /** Debian's version of the package. */
  readonly version: string;
  /** Folder into which the packages were unpacked. */
  readonly root: string;
  readonly vmlinuz: string;
  /** `lib/modules/<release>`, with `modules.dep`. */
  readonly modules: string;
}

/** Compares `5.10.0-9` and `5.10.0-10` as people do. */
export function compareReleases(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

/**
 * Fetches a kernel and its headers; quick when they are there.
 *
 * @throws LabError when the name is unknown or a package cannot be had
 */
export function fetchKernel(name: string): Kernel {
  const wanted = KERNELS[name];
  if (wanted === undefined) throw new LabError(`no kernel ${name}; there are ${kernelNames.join(', ')}`);
  const suite = new Suite(wanted.suite);
  const release = suite
    .search(wanted.search)
    .map((candidate) => wanted.image.exec(candidate)?.[1])
    .filter((candidate) => candidate !== undefined && !candidate.endsWith('-dbg') && !candidate.includes('unsigned'))
    .sort((a, b) => compareReleases(a ?? '', b ?? ''))
    .at(-1);
  if (release === undefined) throw new LabError(`${wanted.suite} has no kernel ${name}`);
  const version = suite.version(`linux-image-${release}`);
  const root = cacheFolder('kernels', `${release}_${version.replaceAll(/[^\w.+~-]/g, '_')}`);
  const done = join(root, '.complete');
  if (!existsSync(done)) {
    const split = suite.search(`^linux-(binary|modules)-${release.replaceAll('+', '\\+')}$`);
    suite.unpack([`linux-image-${release}`, ...split], root);
    unpackHeaders(suite, release, root);
    run('depmod', ['-b', rootOfModules(root, release), release]);
    writeFileSync(done, `${version}\n`);
  }
  const modules = join(rootOfModules(root, release), 'lib/modules', release);
  const vmlinuz = [join(root, 'boot', `vmlinuz-${release}`), join(modules, 'vmlinuz')].find((path) => existsSync(path));
  if (vmlinuz === undefined) throw new LabError(`linux-image-${release} holds no vmlinuz`);
  return { name, release, version, root, vmlinuz, modules };
}

/** Since 2024 modules lie below /usr/lib. */
function rootOfModules(root: string, release: string): string {
  return existsSync(join(root, 'lib/modules', release)) ? root : join(root, 'usr');
}

function unpackHeaders(suite: Suite, release: string, root: string): void {
  const headers = `linux-headers-${release}`;
  const more = suite.depends(headers).filter((name) => /^linux-(headers|kbuild)-/.test(name));
  suite.unpack([headers, ...more], root);
  const makefile = join(root, 'usr/src', headers, 'Makefile');
  // `include /usr/src/...`, and in 7.2 also `KBUILD_OUTPUT=/usr/src/...`.
  writeFileSync(makefile, readFileSync(makefile, 'utf8').replaceAll(/(^|[\s=])\/usr\/src\//g, `$1${root}/usr/src/`));
  for (const [tool, real] of BUILD_TOOLS) fitTool(join(root, 'usr/src', headers, tool), real);
}

/** Programs of linux-kbuild-*, and what Debian's wrappers of the same name start for a module of x86-64. */
const BUILD_TOOLS = [
  ['tools/objtool/objtool', 'objtool.real-x86'],
  ['scripts/mod/modpost', 'modpost.real-lsb-64'],
] as const;

/** Sid's programs need sid's C library: where this machine's is older, a script in their place starts them with it. */
function fitTool(path: string, real: string): void {
  const behind = join(dirname(path), real);
  if (!existsSync(behind) || runs(behind)) return;
  rmSync(path);
  const words = [...sidLoader(), behind].map((word) => `'${word}'`).join(' ');
  writeFileSync(path, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
}

/** Whether a program can be started: one that only complains about its arguments can. */
function runs(path: string): boolean {
  return !/GLIBC_|not found/.test(spawnSync(path, [], { encoding: 'utf8' }).stderr);
}

/** Files below the kernel's module folder that a module needs, itself last; empty when it is built in. */
export function moduleFiles(kernel: Kernel, name: string): string[] {
  const matches = (path: string): boolean => new RegExp(`/${name.replaceAll(/[-_]/g, '[-_]')}\\.ko`).test(`/${path}`);
  const line = readFileSync(join(kernel.modules, 'modules.dep'), 'utf8')
    .split('\n')
    .find((text) => matches(text.slice(0, text.indexOf(':'))));
  if (line === undefined) {
    // Debian's packages of 7.2 have no such list: what is no module is taken to be built in.
    const list = join(kernel.modules, 'modules.builtin');
    if (!existsSync(list) || readFileSync(list, 'utf8').split('\n').some(matches)) return [];
    throw new LabError(`${kernel.release} has no module ${name}`);
  }
  const [file = '', needs = ''] = line.split(':');
  return [...needs.trim().split(/\s+/).reverse(), file]
    .filter((path) => path !== '')
    .map((path) => join(kernel.modules, path));
}

/** Builds the module `<name>.c` of a folder against the kernel's headers and returns the path of the `.ko`. */
export function buildModule(kernel: Kernel, folder: string, name: string): string {
  const headers = join(kernel.root, 'usr/src', `linux-headers-${kernel.release}`);
  writeFileSync(join(folder, 'Makefile'), `obj-m := ${name}.o\n`);
  // Without types of their own: an older pahole does not know what a newer kernel asks of it.
  const options = [`CC=${join(labRoot, 'cc.sh')}`, 'CONFIG_DEBUG_INFO_BTF_MODULES='];
  run('make', ['-C', headers, `M=${folder}`, ...options, 'modules']);
  const built = readdirSync(folder).find((file) => file === `${name}.ko`);
  if (built === undefined) throw new LabError(`${name}.ko was not built`);
  return join(folder, built);
}
