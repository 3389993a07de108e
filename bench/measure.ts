/**
 * Measures whole processes: wall time, CPU time, peak memory. Node tells none of these of its children, so a small
 * program starts them: python3 (rusage.py), else GNU time (which counts CPU in hundredths of a second). Without both,
 * only wall time is known.
 */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Run {
  /** Milliseconds. */
  readonly wall: number;
  /** Milliseconds, user and system. */
  readonly cpu: number | undefined;
  /** Peak resident set size in bytes. */
  readonly peak: number | undefined;
  /** Null when it could not be started, was killed or ran for too long. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Meter {
  /** Who measures, for people. */
  readonly description: string;
  run(command: readonly string[]): Run;
  close(): void;
}

type Usage = Pick<Run, 'wall' | 'cpu' | 'peak'>;

interface Starter {
  readonly description: string;
  wrap(out: string, command: readonly string[]): readonly string[];
  /** @param text - what the wrapper wrote; undefined when the command could not be started */
  parse(text: string | undefined, wall: number): Usage | undefined;
}

const LIMIT_MS = 120_000;

const starters: readonly (Starter & { readonly works: () => boolean })[] = [
  {
    description: 'wall time, CPU time and peak memory from wait4(2), by a Python wrapper',
    works: () => spawnSync('python3', ['-c', 'import os; os.posix_spawnp']).status === 0,
    wrap: (out, command) => ['python3', join(import.meta.dirname, 'rusage.py'), out, ...command],
    parse: (text) => (text === undefined ? undefined : usageOf(JSON.parse(text))),
  },
  {
    description: 'CPU time (in steps of 10 ms) and peak memory from GNU time, wall time by the clock around it',
    works: () => existsSync('/usr/bin/time'),
    wrap: (out, command) => ['/usr/bin/time', '-q', '-o', out, '-f', '%U %S %M', ...command],
    parse(text, wall) {
      if (text === undefined) return undefined;
      const [user = NaN, system = NaN, kib = NaN] = text.trim().split(/\s+/).map(Number);
      return { wall, cpu: (user + system) * 1000, peak: kib * 1024 };
    },
  },
  {
    description: 'wall time only: neither python3 nor GNU time was found for CPU time and peak memory',
    works: () => true,
    wrap: (_, command) => command,
    parse: (_, wall) => ({ wall, cpu: undefined, peak: undefined }),
  },
];

function usageOf(value: unknown): Usage {
  const fields = new Map<string, unknown>(Object.entries(value ?? {}));
  return { wall: Number(fields.get('wall')), cpu: Number(fields.get('cpu')), peak: Number(fields.get('peak')) };
}

/** The environment of what is measured: Node's own settings would change what users see. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^(NODE_|npm_|KWHY_)/.test(key)));
}

/** The best way that this machine has. `close` removes the temporary folder. */
export function openMeter(): Meter {
  const starter = starters.find(({ works }) => works());
  if (starter === undefined) throw new RangeError('the last of them always works');
  const folder = mkdtempSync(join(tmpdir(), 'kwhy-bench-'));
  const out = join(folder, 'usage');
  const stdout = join(folder, 'stdout');
  return {
    description: starter.description,
    run(command) {
      const [program = '', ...args] = starter.wrap(out, command);
      rmSync(out, { force: true });
      // Into a file: a reader of a pipe would take time from who is measured.
      const fd = openSync(stdout, 'w');
      let result: SpawnSyncReturns<string>;
      const start = performance.now();
      try {
        result = spawnSync(program, args, {
          stdio: ['ignore', fd, 'pipe'],
          encoding: 'utf8',
          env: environment(),
          timeout: LIMIT_MS,
        });
      } finally {
        closeSync(fd);
      }
      const wall = performance.now() - start;
      const usage = starter.parse(existsSync(out) ? readFileSync(out, 'utf8') : undefined, wall);
      return {
        ...(usage ?? { wall, cpu: undefined, peak: undefined }),
        status: usage === undefined ? null : result.status,
        stdout: readFileSync(stdout, 'latin1'),
        stderr: result.error === undefined ? result.stderr : result.error.message,
      };
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}
