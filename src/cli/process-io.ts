/** The real surroundings: this process. */
import { writeSync } from 'node:fs';
import { loadCore } from './core.ts';
import { guard } from './guard.ts';
import type { Io, Sink } from './io.ts';

function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE';
}

function sink(stream: NodeJS.WriteStream, fd: 1 | 2): Sink {
  // Whoever reads us may stop (`| head`): no error. What else goes wrong reaches the callback of `write`.
  stream.on('error', () => {});
  return {
    inherit: true,
    isTTY: stream.isTTY,
    columns: stream.isTTY ? stream.columns : undefined,
    write(text) {
      return new Promise((resolve, reject) => {
        stream.write(text, (error) => {
          if (error === undefined || error === null || isBrokenPipe(error)) resolve();
          else reject(error);
        });
      });
    },
    writeNow: (text) => writeAll(fd, text),
  };
}

/**
 * Past the stream: Ctrl-C ends guarded code anywhere, and a stream that was ended in the middle of a write holds itself
 * busy for ever. For terminals and files, which streams write to at once, too, so that the order stays.
 */
function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      // Nobody reads any more.
      if (code === 'EPIPE' || code === 'EIO') return;
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(nobody, 0, 0, 1);
    }
  }
}

export function processIo(): Io {
  return {
    stdout: sink(process.stdout, 1),
    stderr: sink(process.stderr, 2),
    async readInput() {
      if (process.stdin.isTTY) return undefined;
      let text = '';
      for await (const chunk of process.stdin.setEncoding('utf8')) text += String(chunk);
      return text;
    },
    env: process.env,
    now: () => performance.now(),
    guard,
    loadCore,
  };
}
