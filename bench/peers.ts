/**
 * The debuggers that kwhy is measured beside, as the environment names them; none is needed. Each is a command with
 * placeholders, split at blanks, run without a shell:
 *     KWHY_BENCH_DRGN='python3 {script} {dump} {vmlinux}'
 *     KWHY_BENCH_CRASH='crash -s -i {script} {vmlinux} {dump}'
 *     KWHY_BENCH_VMLINUX='/usr/lib/debug/boot/vmlinux-{release}'
 * What they are asked for is in works.ts.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export type PeerName = 'drgn' | 'crash';

export interface Peer {
  readonly name: PeerName;
  /** The command that runs a script of this folder on a dump. */
  command(script: string, dump: string, vmlinux: string): readonly string[];
  /** The script whose output names the version, and where it stands in it. */
  readonly versionScript: string;
  readonly version: RegExp;
}

const known = [
  {
    name: 'drgn',
    variable: 'KWHY_BENCH_DRGN',
    versionScript: 'drgn-tasks.py',
    version: /^(drgn .*)$/m,
  },
  {
    name: 'crash',
    variable: 'KWHY_BENCH_CRASH',
    versionScript: 'crash-version.txt',
    version: /build_version: *(\S+)/,
  },
] as const;

/** Fills the placeholders of a command; words without any stay as they are. */
export function fill(template: string, values: Readonly<Record<string, string>>): readonly string[] {
  return template
    .trim()
    .split(/\s+/)
    .map((word) => word.replace(/\{(\w+)\}/g, (whole, key: string) => values[key] ?? whole));
}

export interface Peers {
  readonly found: readonly Peer[];
  /** One line each. */
  readonly missing: readonly string[];
  /** The debug information of a kernel; undefined with a line in `missing` when there is none. */
  vmlinuxOf(release: string | undefined): string | undefined;
}

export function findPeers(environment: Readonly<Record<string, string | undefined>>): Peers {
  const missing: string[] = [];
  const found: Peer[] = [];
  const folder = import.meta.dirname;
  for (const { name, variable, versionScript, version } of known) {
    const template = environment[variable];
    if (template === undefined || template.trim() === '') {
      missing.push(`${name}: ${variable} is not set`);
      continue;
    }
    const command: Peer['command'] = (script, dump, vmlinux) =>
      fill(template, { dump, vmlinux, script: join(folder, script) });
    found.push({ name, versionScript, version, command });
  }
  const images = environment.KWHY_BENCH_VMLINUX;
  if (images === undefined && found.length > 0) missing.push('debuginfo: KWHY_BENCH_VMLINUX is not set');
  return {
    found,
    missing,
    vmlinuxOf(release) {
      if (images === undefined || release === undefined) return undefined;
      const path = images.replaceAll('{release}', release);
      if (existsSync(path)) return path;
      const line = `debuginfo of ${release}: KWHY_BENCH_VMLINUX names no file`;
      if (!missing.includes(line)) missing.push(line);
      return undefined;
    },
  };
}
