/** Output that is longer than the terminal goes to $PAGER (less unless it says otherwise); shorter output stays as it is. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Sink } from './io.ts';
import type { Target } from './output-target.ts';

/** What runs when $PAGER says nothing: less where there is one. */
const DEFAULT = 'command -v less >/dev/null 2>&1 && exec less -R -S -X -F; exec cat';

/** @returns undefined when output is not to be paged */
export function pagerCommand(env: { readonly [name: string]: string | undefined }): string | undefined {
  const wanted = env.KWHY_PAGER ?? env.PAGER;
  if (wanted === undefined) return DEFAULT;
  return wanted.trim() === '' || wanted.trim() === 'cat' ? undefined : wanted;
}

/** A target that decides when it has seen more lines than `rows`. */
export function pagedTarget(stdout: Sink, command: string, rows: number, colour: boolean): Target {
  let held = '';
  let lines = 0;
  let child: ReturnType<typeof start> | undefined;
  return {
    colour,
    async write(text) {
      if (child !== undefined) return child.write(text);
      held += text;
      for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines++;
      if (lines < rows) return true;
      child = start(command);
      return child.write(held);
    },
    async end() {
      if (child === undefined) await stdout.write(held);
      else await child.end();
    },
  };
}

function start(command: string): { write(text: string): Promise<boolean>; end(): Promise<void> } {
  const child = spawn('/bin/sh', ['-c', command], { stdio: ['pipe', 'inherit', 'inherit'] });
  const ended = once(child, 'close');
  let gone = false;
  child.stdin.on('error', () => {
    gone = true;
  });
  child.stdin.on('close', () => {
    gone = true;
  });
  return {
    async write(text) {
      if (gone) return false;
      // Whoever reads the first page has not read the rest: only so much is made in advance.
      if (!child.stdin.write(text))
        await Promise.race([once(child.stdin, 'drain'), once(child.stdin, 'close')]).catch(() => {});
      return !gone;
    },
    async end() {
      child.stdin.end();
      await ended;
    },
  };
}
