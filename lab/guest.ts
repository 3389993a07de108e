/**
 * Builds what a guest boots: an initramfs with busybox, the incident's program and modules, and the kernel that takes
 * the dump. Programs are linked statically against the machine's C library.
 */
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join, relative } from 'node:path';
import type { DumpKind, Incident } from './incidents.ts';
import { buildModule, type Kernel, moduleFiles } from './kernels.ts';
import { guestRoot } from './paths.ts';
import { run } from './run.ts';
import { tool } from './tools.ts';

/** Files to boot from. */
export interface Guest {
  readonly kernel: string;
  readonly initrd: string;
}

const APPLETS =
  'sh head mount mkdir mkfifo rm cat echo stat dd sync poweroff insmod sleep hostname stty timeout ls ps dmesg mknod free top';

function compile(sources: readonly string[], output: string): void {
  run(tool('gcc'), ['-O1', '-Wall', '-static', '-pthread', '-I', guestRoot, '-o', output, ...sources]);
}

/** Folders and busybox, as in every initramfs. */
function lay(root: string, init: string): void {
  rmSync(root, { recursive: true, force: true });
  for (const folder of ['bin', 'proc', 'sys', 'dev', 'tmp', 'run', 'modules'])
    mkdirSync(join(root, folder), { recursive: true });
  copyFileSync(tool('busybox'), join(root, 'bin/busybox'));
  for (const applet of APPLETS.split(' ')) symlinkSync('busybox', join(root, 'bin', applet));
  copyFileSync(join(guestRoot, init), join(root, 'init'));
  chmodSync(join(root, 'init'), 0o755);
}

/** Puts modules into `/modules`, numbered in the order in which they must be loaded. */
function addModules(root: string, kernel: Kernel, names: readonly string[]): void {
  const files = [...new Set(names.flatMap((name) => moduleFiles(kernel, name)))];
  files.forEach((file, index) => {
    const packed = file.endsWith('.xz');
    const target = join(root, 'modules', `${String(index).padStart(2, '0')}-${basename(file, packed ? '.xz' : '')}`);
    copyFileSync(file, packed ? `${target}.xz` : target);
    if (packed) run(tool('xz'), ['-d', `${target}.xz`]);
  });
}

function pack(root: string, output: string): void {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' });
  run(tool('cpio'), ['-o', '-H', 'newc', '--quiet', '-R', '0:0', '-O', output], {
    cwd: root,
    input: `${names.join('\n')}\n`,
  });
}

function shellQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Builds the guest of a variant in `work`. */
export function buildGuest(
  kernel: Kernel,
  incident: Incident,
  dump: DumpKind,
  parameters: Readonly<Record<string, string>>,
  work: string,
): Guest {
  mkdirSync(work, { recursive: true });
  const initrd = join(work, 'initrd');
  const root = join(work, 'root');
  lay(root, 'init');
  const drivers = ['nvme'];
  addModules(root, kernel, [...drivers, ...(dump === 'live' ? ['qemu_fw_cfg'] : []), ...incident.kernelModules]);
  compile([join(guestRoot, 'kexec-load.c')], join(root, 'bin/kexec-load'));
  compile([join(guestRoot, 'oracle.c')], join(root, 'bin/oracle'));

  mkdirSync(join(root, 'incident'));
  const library = ['lab.c', 'probe.c'].map((name) => join(guestRoot, name));
  compile([join(incident.folder, 'main.c'), ...library], join(root, 'incident/main'));
  for (const name of incident.modules) {
    const built = join(work, `module-${name}`);
    rmSync(built, { recursive: true, force: true });
    cpSync(incident.folder, built, { recursive: true });
    copyFileSync(buildModule(kernel, built, name), join(root, 'incident', `${name}.ko`));
  }
  const lines = Object.entries({ ...parameters, HOW: dump, PATIENCE: String(incident.patience) }).map(
    ([name, value]) => `export ${name}=${shellQuote(value)}`,
  );
  lines.push(`CAPTURE_CMDLINE=${shellQuote('console=ttyS0 nr_cpus=1 irqpoll reset_devices panic=5 loglevel=5')}`);
  writeFileSync(join(root, 'incident/env'), `${lines.join('\n')}\n`);

  if (dump !== 'live') {
    const capture = join(work, 'capture');
    lay(capture, 'capture-init');
    addModules(capture, kernel, drivers);
    mkdirSync(join(root, 'kdump'));
    pack(capture, join(root, 'kdump/initrd'));
    copyFileSync(kernel.vmlinuz, join(root, 'kdump/vmlinuz'));
  }
  pack(root, initrd);
  return { kernel: kernel.vmlinuz, initrd };
}

/** Files that decide what a guest does, relative to the lab: the inputs of a dump. */
export function guestSources(labRoot: string, incident: Incident): string[] {
  const own = readdirSync(incident.folder, { recursive: true, encoding: 'utf8' }).map((name) =>
    join(incident.folder, name),
  );
  const engine = readdirSync(guestRoot).map((name) => join(guestRoot, name));
  const code = ['guest.ts', 'boot.ts', 'dump.ts'].map((name) => join(labRoot, name));
  // What `incident.json` says about a right report decides nothing in the guest; `make.ts` hashes the rest of it.
  const inFolder = own.filter((path) => basename(path) !== 'incident.json');
  return [...inFolder, ...engine, ...code]
    .filter((path) => existsSync(path))
    .map((path) => relative(labRoot, path))
    .sort();
}
