/**
 * Runs other programs: arguments as a list, never through a shell, and a readable error when one fails.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, closeSync, constants, openSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A step of the lab that went wrong, with what the program said. */
export class LabError extends Error {
  override name = 'LabError';
}

/** How a program is run. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** A file to read as standard input, in place of `input`. */
  readonly stdin?: string;
  /** A file that gets what is printed, in place of what `run` returns. */
  readonly stdout?: string;
  /** Milliseconds; ten minutes when missing. */
  readonly timeout?: number;
}

/**
 * Runs a program to its end and returns what it printed.
 *
 * @throws LabError when it cannot be started, takes too long, or exits with another status than 0
 */
export function run(program: string, args: readonly string[], options: RunOptions = {}): string {
  const stdin = options.stdin === undefined ? undefined : openSync(options.stdin, 'r');
  const stdout = options.stdout === undefined ? undefined : openSync(options.stdout, 'w');
  const done = spawnSync(program, args, {
    cwd: options.cwd,
    env: { ...process.env, LC_ALL: 'C', ...options.env },
    encoding: 'utf8',
    ...(stdin === undefined ? { input: options.input ?? '' } : {}),
    stdio: [stdin ?? 'pipe', stdout ?? 'pipe', 'pipe'],
    maxBuffer: 256 << 20,
    timeout: options.timeout ?? 600_000,
    killSignal: 'SIGKILL',
  });
  for (const fd of [stdin, stdout]) if (fd !== undefined) closeSync(fd);
  if (done.error !== undefined) throw new LabError(`${program}: ${done.error.message}`);
  if (done.status !== 0) {
    const said = `${stdout === undefined ? done.stdout : ''}\n${done.stderr}`.trim().split('\n').slice(-15).join('\n');
    throw new LabError(`${program} ${args.join(' ')}\nexit ${done.status ?? done.signal}\n${said}`);
  }
  return stdout === undefined ? done.stdout : '';
}

/** The full path of a program, or undefined when it is not installed. */
export function which(program: string): string | undefined {
  const folders = `${process.env['PATH'] ?? ''}${delimiter}/usr/sbin${delimiter}/sbin`.split(delimiter);
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, program))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
