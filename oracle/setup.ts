/**
 * Makes the peers' folder: a Debian sid with the peers in it, and the debug packages of the kernels that the lab's dumps
 * and the dumps given are of. What is there already is kept. Needs root, debootstrap and a network.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { machineSources, Suite } from '../lab/apt.ts';
import { LabError, run } from '../lab/run.ts';
import { parseVmcoreinfo } from '../src/debuginfo/vmcoreinfo.ts';
import { openDump } from '../src/dump/open.ts';
import type { DumpToAsk } from './dumps.ts';
import { PACKAGES, type Peers } from './peers.ts';

/** Where Debian keeps the kernels of the lab. */
const SUITES = ['bookworm', 'bullseye', 'trixie', 'sid'] as const;

/** Makes what is missing and records the versions in `versions.json` beside it. @throws LabError */
export function setUp(peers: Peers, dumps: readonly DumpToAsk[]): void {
  mkdirSync(peers.debug, { recursive: true });
  if (!peers.exist) run('debootstrap', ['--variant=minbase', 'sid', peers.root, mirror()], { timeout: 1_800_000 });
  const missing = PACKAGES.filter((name) => !peers.versions().has(name));
  if (missing.length > 0) {
    // debootstrap leaves the lists that it used: they are as new as the rest.
    run('chroot', [peers.root, 'apt-get', '-y', '--no-install-recommends', 'install', ...missing], {
      env: { DEBIAN_FRONTEND: 'noninteractive' },
      timeout: 1_800_000,
    });
    peers.forget();
  }
  for (const release of new Set(dumps.map(({ path }) => releaseOf(path)))) fetchDebug(peers, release);
  const versions = {
    ...Object.fromEntries(peers.versions()),
    kernels: [...new Set(dumps.map(({ path }) => releaseOf(path)))],
  };
  writeFileSync(join(peers.debug, '..', 'versions.json'), `${JSON.stringify(versions, undefined, 2)}\n`);
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

/** The debug package of a kernel; a kernel that no suite has any more is told and passed over. */
function fetchDebug(peers: Peers, release: string): void {
  if (release === '' || peers.vmlinux(release) !== undefined) return;
  const name = `linux-image-${release}-dbg`;
  const suite = SUITES.map((each) => new Suite(each)).find((each) => {
    return each.search(`^${name.replaceAll(/[.+]/g, '\\$&')}$`).length > 0;
  });
  if (suite === undefined) console.error(`no suite has ${name}`);
  else suite.unpack([name], join(peers.debug, release));
  if (suite !== undefined && !existsSync(peers.vmlinux(release) ?? '')) console.error(`${name} holds no vmlinux`);
}
