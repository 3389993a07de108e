/** The real surroundings: this process. */
import { loadCore } from './core.ts';
import { guard } from './guard.ts';
import type { Io, Sink } from './io.ts';

function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE';
}

function sink(stream: NodeJS.WriteStream): Sink {
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
    // Synchronous for terminals and files, which is where it is used.
    writeNow(text) {
      stream.write(text);
    },
  };
}

export function processIo(): Io {
  return {
    stdout: sink(process.stdout),
    stderr: sink(process.stderr),
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
