/**
 * Runs the peers: programs in a Debian of their own (made by setup.ts), each in a chroot with a private set of mounts,
 * so that nothing stays mounted when it ends. Needs root.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { oracleRoot, peersFolder } from './paths.ts';

/** The packages that the peers come from. */
export const PACKAGES = ['crash', 'python3-drgn', 'makedumpfile', 'dwarves', 'bpftool', 'binutils'] as const;

/** Arguments: root of the Debian, folder of the dump, of the debug information, of our scripts; then the command. */
const ENTER = `root=$1 dump=$2 debug=$3 ours=$4; shift 4
mkdir -p "$root/mnt/dump" "$root/mnt/debug" "$root/mnt/oracle"
mount -o bind,ro "$dump" "$root/mnt/dump" && mount -o bind,ro "$debug" "$root/mnt/debug" &&
mount -o bind,ro "$ours" "$root/mnt/oracle" || exit 125
[ -e "$root/proc/self" ] || mount -t proc proc "$root/proc" || exit 125
[ -c "$root/dev/null" ] && [ -e "$root/dev/fd" ] || mount --rbind /dev "$root/dev" || exit 125
exec chroot "$root" "$@"`;

/** A peer that could not be asked: says why. */
export class PeerError extends Error {
  override name = 'PeerError';
}

export class Peers {
  readonly #folder: string;
  #versions: ReadonlyMap<string, string> | undefined;

  constructor(environment: Readonly<Record<string, string | undefined>> = process.env) {
    this.#folder = peersFolder(environment);
  }

  get root(): string {
    return join(this.#folder, 'sid');
  }

  /** Where the debug packages are unpacked, one folder per release. */
  get debug(): string {
    return join(this.#folder, 'debug');
  }

  get exist(): boolean {
    return existsSync(join(this.root, 'usr/bin/dpkg-query'));
  }

  /** The kernel's image with debug information, as this machine names it; undefined when there is none. */
  vmlinux(release: string): string | undefined {
    const base = join(this.debug, release, 'usr/lib/debug');
    return [join(base, 'boot', `vmlinux-${release}`), join(base, 'lib/modules', release, 'vmlinux')].find((path) =>
      existsSync(path),
    );
  }

  /** The same, as the peers name it. */
  inside(vmlinux: string): string {
    return `/mnt/debug${vmlinux.slice(this.debug.length)}`;
  }

  /** The dump, as the peers name it. */
  dump(path: string): string {
    return `/mnt/dump/${basename(path)}`;
  }

  /** One of our scripts, as the peers name it. */
  script(name: string): string {
    return `/mnt/oracle/${name}`;
  }

  /** Versions of the packages; those that are not there are not named. */
  versions(): ReadonlyMap<string, string> {
    if (!this.exist) return new Map();
    this.#versions ??= new Map(
      spawnSync('chroot', [this.root, 'dpkg-query', '-W', '-f', '${Package} ${Version}\n', ...PACKAGES], {
        encoding: 'utf8',
      })
        .stdout.split('\n')
        .map((line) => line.split(' '))
        .flatMap(([name, version]) => (name && version ? [[name, version] as const] : [])),
    );
    return this.#versions;
  }

  /** Packages were installed. */
  forget(): void {
    this.#versions = undefined;
  }

  /**
   * Runs a command among the peers.
   * @param dump - a dump whose folder the command sees
   * @returns its standard output
   * @throws PeerError when it cannot be started, fails or does not end
   */
  run(command: readonly string[], dump: string | undefined, input = ''): string {
    if (!this.exist) throw new PeerError('there are no peers: run `npm run oracle -- --setup`, or set KWHY_PEERS');
    const folder = dump === undefined ? oracleRoot : statSync(dump).isDirectory() ? dump : dirname(dump);
    const done = spawnSync(
      'unshare',
      ['--mount', 'sh', '-c', ENTER, 'sh', this.root, folder, this.debug, oracleRoot, ...command],
      {
        input,
        encoding: 'utf8',
        maxBuffer: 1 << 29,
        timeout: 1_800_000,
        killSignal: 'SIGKILL',
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', HOME: '/root', TERM: 'dumb', TZ: 'UTC' },
      },
    );
    if (done.status !== 0) {
      const lines = `${done.stdout ?? ''}\n${done.stderr ?? ''}`.split('\n').map((line) => line.trim());
      const own = lines.find((line) => line.startsWith(`${command[0]}: `));
      const said = own ?? lines.filter((line) => /\w/.test(line)).at(-1) ?? 'nothing was said';
      const how = done.status ?? done.signal ?? done.error?.message;
      throw new PeerError(`${command[0]} ended with ${how}: ${said}`);
    }
    return done.stdout;
  }
}
