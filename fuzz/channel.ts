/** What a child tells the parent: one JSON value per line on its standard output; and where it stands, in a file. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { Case } from './input.ts';
import type { Figures, Finding } from './loop.ts';

export type Message =
  | { readonly type: 'finding'; readonly finding: Finding }
  | { readonly type: 'done'; readonly figures: Figures; readonly corpus: readonly Case[]; readonly maxRss: number }
  /** The answer to a replay. */
  | { readonly type: 'outcome'; readonly kind: string; readonly key: string; readonly text: string };

export function send(message: Message): void {
  const line = `${JSON.stringify(message)}\n`;
  const bytes = Buffer.from(line);
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(1, bytes, done);
    } catch (error) {
      // The pipe is full: the parent reads, soon.
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
    }
  }
}

/** Where a loop writes each case before it runs it. */
export class Place {
  readonly #fd: number;

  constructor(path: string) {
    this.#fd = openSync(path, 'w');
  }

  write(number: number, current: Case): void {
    // Longer texts of before are ended by the line feed.
    writeSync(this.#fd, `${JSON.stringify([number, current])}\n`, 0);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** The case that was running when a child died. */
export function lastPlace(path: string): { readonly number: number; readonly case: Case } | undefined {
  try {
    const [line = ''] = readFileSync(path, 'utf8').split('\n', 1);
    const [number, current] = JSON.parse(line) as [number, Case];
    return { number, case: current };
  } catch {
    return undefined;
  }
}
