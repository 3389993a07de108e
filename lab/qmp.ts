/**
 * Talks to QEMU's monitor (QMP): one JSON object a line over a unix socket.
 */
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { LabError } from './run.ts';

interface Answer {
  readonly return?: unknown;
  readonly error?: { readonly desc?: string };
}

/** A connection to one QEMU. */
export class Qmp {
  readonly #socket: Socket;
  readonly #waiting: ((answer: Answer) => void)[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    createInterface({ input: socket }).on('line', (line) => {
      const message = JSON.parse(line) as Answer;
      if ('return' in message || 'error' in message) this.#waiting.shift()?.(message);
    });
  }

  /** Connects and leaves the negotiation mode. */
  static async connect(path: string): Promise<Qmp> {
    const socket = connect(path);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    const qmp = new Qmp(socket);
    await qmp.execute('qmp_capabilities');
    return qmp;
  }

  /** @throws LabError when QEMU refuses */
  async execute(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const answer = await new Promise<Answer>((resolve) => {
      this.#waiting.push(resolve);
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    });
    if (answer.error !== undefined) throw new LabError(`QEMU: ${command}: ${answer.error.desc ?? 'refused'}`);
    return answer.return;
  }

  close(): void {
    this.#socket.destroy();
  }
}
