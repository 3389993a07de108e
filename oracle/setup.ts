/**
 * Makes the peers' folder: a Debian sid with the peers in it, and the debug packages of the kernels that the lab's dumps
 * and the dumps given are of. What is there already is kept. Needs root, debootstrap and a network.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { machineSources, Suite } from '../lab/apt.ts';
import { LabError, run, which } from '../lab/run.ts';
import { parseVmcoreinfo } from '../src/debuginfo/vmcoreinfo.ts';
import { openDump } from '../src/dump/open.ts';
import type { DumpToAsk } from './dumps.ts';
import { PACKAGES, type Peers } from './peers.ts';

/** Where Debian keeps the kernels of the lab. */
const SUITES = ['bookworm', 'bullseye', 'trixie', 'sid'] as const;

/** Makes what is missing and records the versions in `versions.json` beside it. @throws LabError */
export function setUp(peers: Peers, dumps: readonly DumpToAsk[]): void {
  if (process.getuid?.() !== 0) throw new LabError('the setup makes a Debian of its own, which only root can');
  mkdirSync(peers.debug, { recursive: true });
  if (!peers.exist) {
    if (which('debootstrap') === undefined) throw new LabError('debootstrap is not installed');
    console.error(`a Debian sid in ${peers.root}`);
    run('debootstrap', ['--variant=minbase', 'sid', peers.root, mirror()], { timeout: 1_800_000 });
  }
  const missing = PACKAGES.filter((name) => !peers.versions().has(name));
  if (missing.length > 0) {
    console.error(`into it: ${missing.join(', ')}`);
    // debootstrap leaves the lists that it used: they are as new as the rest.
    run('chroot', [peers.root, 'apt-get', '-y', '--no-install-recommends', 'install', ...missing], {
      env: { DEBIAN_FRONTEND: 'noninteractive' },
      timeout: 1_800_000,
    });
    peers.forget();
  }
  const kernels = [...new Set(dumps.map(({ path }) => releaseOf(path)))].filter((release) => release !== '').sort();
  for (const release of kernels) fetchDebug(peers, release);
  const versions = {
    ...Object.fromEntries(peers.versions()),
    kernels: kernels.filter((release) => peers.vmlinux(release) !== undefined),
  };
  const text = `${JSON.stringify(versions, undefined, 2)}\n`;
  writeFileSync(join(peers.debug, '..', 'versions.json'), text);
  console.log(text.trimEnd());
}

/** The mirror of the machine's own release, as its apt has it. */
function mirror(): string {
  const codename = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  const own = machineSources().find(({ suite }) => suite === codename);
  if (own === undefined) throw new LabError('apt has no source for this release, so no mirror is known');
  return own.uri;
}

function releaseOf(path: string): string {
  const dump = openDump(path);
  try {
    return (dump.vmcoreinfo === undefined ? undefined : parseVmcoreinfo(dump.vmcoreinfo).osRelease) ?? '';
  } finally {
    dump.close();
  }
}

/** The image of a kernel out of its debug package; a kernel that no suite has any more is told and passed over. */
function fetchDebug(peers: Peers, release: string): void {
  if (peers.vmlinux(release) !== undefined) return;
  const name = `linux-image-${release}-dbg`;
  const pattern = `^${name.replaceAll(/[.+]/g, '\\$&')}$`;
  const suite = SUITES.map((each) => new Suite(each)).find((each) => each.search(pattern).length > 0);
  if (suite === undefined) {
    console.error(`no suite has ${name}`);
    return;
  }
  console.error(`${name} of ${suite.name}`);
  try {
    const file = suite.download(name);
    const target = join(peers.debug, release);
    mkdirSync(target, { recursive: true });
    // The modules in it are ten times as large, and are not asked about.
    run('sh', ['-c', EXTRACT, 'sh', file, target], { timeout: 1_800_000 });
    rmSync(file);
    if (peers.vmlinux(release) === undefined) console.error(`${name} holds no vmlinux`);
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    // A mirror may list a package that it does not have any more.
    console.error(error.message);
  }
}

const EXTRACT = `dpkg --fsys-tarfile "$1" | tar -x -C "$2" --wildcards './usr/lib/debug/*vmlinux*'`;
