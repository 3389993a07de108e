/** Starts a child process, listens to it, and ends it when it is stuck in native code that its own watchdog cannot stop. */
import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Message } from './channel.ts';
import type { ChildTask } from './child.ts';
import type { Target } from './target.ts';

export interface ChildEnd {
  /** What it died of; undefined when it ended in order. */
  readonly died: string | undefined;
  /** The last lines of its standard error. */
  readonly errors: string;
}

/** No sign of life for so long is the end. Minimising what hangs takes a while without one. */
const STUCK = 8 * 60_000;

/** Waits for its end; does not reject. */
export async function runChild(task: ChildTask, target: Target, listen: (message: Message) => void): Promise<ChildEnd> {
  const heap = target.heap ?? 256;
  const child = spawn(
    process.execPath,
    [`--max-old-space-size=${heap}`, join(import.meta.dirname, 'child.ts'), JSON.stringify(task)],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let heard = Date.now();
  const alive = setInterval(() => {
    const place = task.task === 'loop' ? statSync(task.place, { throwIfNoEntry: false }) : undefined;
    if (Date.now() - Math.max(heard, place?.mtimeMs ?? 0) > STUCK) child.kill('SIGKILL');
  }, 5000);
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4000);
  });
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    heard = Date.now();
    listen(JSON.parse(line) as Message);
  });
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    child.on('close', (...end) => resolve(end));
  });
  clearInterval(alive);
  const died = signal ?? (code === 0 ? undefined : `exit status ${code}`);
  return { died, errors };
}
