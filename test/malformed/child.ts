/**
 * A program of its own that opens malformed files through the command line and prints one line of JSON for each: so that
 * one that ends it, hangs it or eats its memory is seen from outside. Its argument is a file with the list of `Job`s.
 */
import { closeSync, copyFileSync, ftruncateSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { loadCore } from '../../src/cli/core.ts';
import { fakeIo, runWith } from '../builders/cli.ts';

export interface JobFile {
  readonly path: string;
  /** Copied to `path` first. */
  readonly from: string;
  /** What to change then. */
  readonly patches: readonly { readonly at: number; readonly base64: string }[];
  readonly size: number | undefined;
}

export interface Job {
  readonly name: string;
  readonly files: readonly JobFile[];
}

export interface JobResult {
  readonly name: string;
  readonly status: number;
  readonly out: string;
  readonly err: string;
  /** The most memory that this process had meanwhile, in bytes. */
  readonly peak: number;
  readonly milliseconds: number;
}

function make({ path, from, patches, size }: JobFile): string {
  copyFileSync(from, path);
  const fd = openSync(path, 'r+');
  for (const { at, base64 } of patches) {
    const bytes = Buffer.from(base64, 'base64');
    writeSync(fd, bytes, 0, bytes.length, at);
  }
  if (size !== undefined) ftruncateSync(fd, size);
  closeSync(fd);
  return path;
}

/** Begins to measure anew. Not getrusage: its maximum is inherited from the process that started this one. */
function resetPeak(): void {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error('to be run with --expose-gc');
  gc();
  writeFileSync('/proc/self/clear_refs', '5');
}

function peakOf(): number {
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
}

const [list = ''] = process.argv.slice(2);
for (const { name, files } of JSON.parse(readFileSync(list, 'utf8')) as readonly Job[]) {
  const paths = files.map(make);
  resetPeak();
  const start = performance.now();
  const { status, out, err } = await runWith([...paths, '--json'], fakeIo({}, await loadCore()));
  const milliseconds = performance.now() - start;
  const peak = peakOf();
  process.stdout.write(`${JSON.stringify({ name, status, out, err, peak, milliseconds } satisfies JobResult)}\n`);
}
