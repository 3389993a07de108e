/** The lines that were typed, kept in the user's state folder: $XDG_STATE_HOME/kwhy/history, else ~/.local/state/kwhy/history. */
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isSystemError } from './system-error.ts';

const MAX_LINES = 2000;

/** Undefined when there is no home to keep it in. */
export function historyPath(env: { readonly [name: string]: string | undefined }): string | undefined {
  const state = env.XDG_STATE_HOME;
  if (state?.startsWith('/') === true) return join(state, 'kwhy', 'history');
  const home = env.HOME;
  return home === undefined || home === '' ? undefined : join(home, '.local', 'state', 'kwhy', 'history');
}

export class History {
  readonly #path: string | undefined;
  /** Oldest first. */
  readonly #lines: string[] = [];

  constructor(path: string | undefined) {
    this.#path = path;
    if (path === undefined) return;
    try {
      this.#lines = readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .slice(-MAX_LINES);
    } catch (error) {
      if (!isSystemError(error)) throw error;
    }
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  /** A line that begins with a blank is not kept, nor one that was just typed. */
  add(line: string): void {
    if (/^\s|^$/.test(line) || this.#lines.at(-1) === line) return;
    this.#lines.push(line);
    if (this.#path === undefined) return;
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      appendFileSync(this.#path, `${line}\n`, { mode: 0o600 });
    } catch (error) {
      // A home that cannot be written to costs the history, not the session.
      if (!isSystemError(error)) throw error;
    }
  }

  /** Lines with a text in them, as `number  line`; all without. */
  search(text: string): string[] {
    return this.#lines.flatMap((line, i) => (line.includes(text) ? [`${String(i + 1).padStart(5)}  ${line}`] : []));
  }
}
