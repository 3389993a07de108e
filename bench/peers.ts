/**
 * The debuggers that kwhy is measured beside, as the environment names them; none is needed. Each is a command with
 * placeholders, split at blanks, run without a shell:
 *     KWHY_BENCH_DRGN='python3 {script} {dump} {vmlinux}'
 *     KWHY_BENCH_CRASH='crash -s -i {script} {vmlinux} {dump}'
 *     KWHY_BENCH_VMLINUX='/usr/lib/debug/boot/vmlinux-{release}'
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export interface Peer {
  readonly name: 'drgn' | 'crash';
  /** What it is asked for, for the table. */
  readonly work: string;
  /** The command that does this workload's work on a dump. */
  command(dump: string, vmlinux: string): readonly string[];
  /** The command whose output names the version, and where it stands in it. */
  versionCommand(dump: string, vmlinux: string): readonly string[];
  readonly version: RegExp;
  /** What the output of a run that worked contains. */
  readonly sign: RegExp;
}

const known = [
  {
    name: 'drgn',
    variable: 'KWHY_BENCH_DRGN',
    work: 'stacks of all tasks, with debuginfo',
    script: 'drgn-stacks.py',
    versionScript: 'drgn-stacks.py',
    version: /^(drgn .*)$/m,
    sign: /^\d+ tasks$/m,
  },
  {
    name: 'crash',
    variable: 'KWHY_BENCH_CRASH',
    work: 'sys; kmem -i; ps -G; foreach UN bt, with debuginfo',
    script: 'crash-report.txt',
    versionScript: 'crash-version.txt',
    version: /build_version: *(\S+)/,
    sign: /KERNEL: [^]*TOTAL MEM [^]*PID: /,
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
  for (const { name, variable, script, versionScript, ...rest } of known) {
    const template = environment[variable];
    if (template === undefined || template.trim() === '') {
      missing.push(`${name}: ${variable} is not set`);
      continue;
    }
    const command = (file: string) => (dump: string, vmlinux: string) =>
      fill(template, { dump, vmlinux, script: join(folder, file) });
    found.push({ name, ...rest, command: command(script), versionCommand: command(versionScript) });
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
      missing.push(`debuginfo of ${release}: KWHY_BENCH_VMLINUX names no file`);
      return undefined;
    },
  };
}
