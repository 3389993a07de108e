/** Where the output of one line goes: standard output, a file, or a program of the system. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { once } from 'node:events';
import { UsageError } from '../base/errors.ts';
import type { Line } from '../shell/line.ts';
import type { Sink } from './io.ts';
import { systemReason } from './system-error.ts';

export interface Target {
  /** False when nobody reads any more: the rest need not be made. */
  write(text: string): Promise<boolean>;
  /** Writes at once; only a terminal can. */
  readonly writeNow?: (text: string) => void;
  /** Waits until all has arrived. @throws UsageError when it could not be written */
  end(): Promise<void>;
  readonly colour: boolean;
}

function toSink(sink: Sink, colour: boolean): Target {
  return {
    colour,
    ...(sink.isTTY ? { writeNow: (text: string) => sink.writeNow(text) } : {}),
    async write(text) {
      await sink.write(text);
      return true;
    },
    end: () => Promise.resolve(),
  };
}

/** @throws UsageError when it cannot be opened */
async function toFile(path: string, append: boolean): Promise<Target> {
  const stream: WriteStream = createWriteStream(path, { flags: append ? 'a' : 'w' });
  const fail = (error: unknown): UsageError =>
    new UsageError(`${path}: cannot be written: ${systemReason(error) ?? String(error)}`, { cause: error });
  try {
    await once(stream, 'open');
  } catch (error) {
    throw fail(error);
  }
  let failure: unknown;
  stream.on('error', (error) => {
    failure ??= error;
  });
  return {
    colour: false,
    async write(text) {
      if (failure !== undefined) return false;
      if (!stream.write(text)) await Promise.race([once(stream, 'drain'), once(stream, 'close')]);
      return failure === undefined;
    },
    async end() {
      if (failure === undefined) {
        stream.end();
        await once(stream, 'close');
      }
      if (failure !== undefined) throw fail(failure);
    },
  };
}

/** `sh -c`, as crash does; what the program prints and where it reads keys is the terminal. */
function toProgram(command: string, stdout: Sink): Target {
  const inherit = stdout.inherit === true;
  const child: ChildProcess = spawn('/bin/sh', ['-c', command], {
    stdio: ['pipe', inherit ? 'inherit' : 'pipe', 'inherit'],
  });
  const input = child.stdin;
  let gone = false;
  input?.on('error', () => {
    gone = true;
  });
  input?.on('close', () => {
    gone = true;
  });
  const writes: Promise<void>[] = [];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => void writes.push(stdout.write(text)));
  const ended = once(child, 'close');
  return {
    colour: false,
    async write(text) {
      if (gone || input === null) return false;
      if (!input.write(text)) await Promise.race([once(input, 'drain'), once(input, 'close')]).catch(() => {});
      return !gone;
    },
    async end() {
      input?.end();
      await ended;
      await Promise.all(writes);
    },
  };
}

/** Runs a program of the system to its end: `!program`. */
export async function runSystem(command: string, stdout: Sink): Promise<number> {
  const inherit = stdout.inherit === true;
  const child = spawn('/bin/sh', ['-c', command], { stdio: ['inherit', inherit ? 'inherit' : 'pipe', 'inherit'] });
  const writes: Promise<void>[] = [];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => void writes.push(stdout.write(text)));
  const [status] = (await once(child, 'close')) as [number | null];
  await Promise.all(writes);
  return status ?? 1;
}

/** @throws UsageError when the file cannot be opened */
export async function openTarget(line: Line, stdout: Sink, colour: boolean): Promise<Target> {
  if (line.pipe !== undefined) return toProgram(line.pipe, stdout);
  if (line.file !== undefined) return toFile(line.file.path, line.file.append);
  return toSink(stdout, colour);
}
