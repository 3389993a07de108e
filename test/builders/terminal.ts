/** The program at a pseudo-terminal, which script(1) of util-linux makes: keys go in, what the terminal shows comes out. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { join } from 'node:path';

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');
const PATIENCE = 30_000;

export class Terminal {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #closed: Promise<number | null>;
  #text = '';
  #wake: (() => void) | undefined;

  constructor(argv: readonly string[], env: { readonly [name: string]: string }) {
    // `exec`: a shell that stays would die of the Ctrl-C itself, and its status would hide the program's.
    const command = `exec ${[process.execPath, MAIN, ...argv].map((word) => `'${word}'`).join(' ')}`;
    this.#child = spawn('script', ['-qec', command, '/dev/null'], {
      env: { ...process.env, SHELL: '/bin/sh', TERM: 'xterm', NO_COLOR: '1', ...env },
    });
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#text += text;
      this.#wake?.();
    });
    this.#closed = new Promise((resolve) => {
      this.#child.on('close', resolve);
    });
  }

  send(keys: string): void {
    this.#child.stdin.write(keys);
  }

  /** What was shown up to and with the pattern; it is forgotten then. */
  async until(pattern: RegExp): Promise<string> {
    const deadline = Date.now() + PATIENCE;
    for (;;) {
      const match = pattern.exec(this.#text);
      if (match !== null) {
        const end = match.index + match[0].length;
        const shown = this.#text.slice(0, end);
        this.#text = this.#text.slice(end);
        return shown;
      }
      if (Date.now() > deadline)
        throw new Error(`${String(pattern)} was not shown; the end of what was: ${this.#text.slice(-500)}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, 200);
      });
    }
  }

  /** A line, and what it shows up to the next prompt. */
  async line(text: string): Promise<string> {
    this.send(`${text}\r`);
    await this.until(/\n/);
    return (await this.until(/kwhy> /)).replaceAll('\r', '');
  }

  /** The status of the program. */
  ended(): Promise<number | null> {
    return this.#closed;
  }
}
