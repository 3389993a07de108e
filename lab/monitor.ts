/**
 * What a guest asks of its host's hand: each line `{"monitor":"mce 0 3 ..."}` of the second serial port is given to QEMU's
 * monitor, once and in order. By it the hardware itself can fail.
 *
 * Apart from boot.ts, whose text is among the inputs of every dump.
 */
import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Qmp } from './qmp.ts';

/** The monitor's commands that a guest has told so far; a last line that is still being written does not count. */
export function monitorCommands(truth: string): readonly string[] {
  return truth
    .split(/\r?\n/)
    .slice(0, -1)
    .flatMap((line) => {
      const command = /^\{"monitor":"([^"\\]+)"\}$/.exec(line)?.[1];
      return command === undefined ? [] : [command];
    });
}

/**
 * Serves a guest while it runs.
 * @param work - where `boot` puts what the guest tells
 * @param booting - begun already: what an earlier guest told is gone
 */
export async function serveMonitor<T>(work: string, booting: Promise<T>): Promise<T> {
  const truth = join(work, 'truth.log');
  const socket = join(tmpdir(), `kwhy-lab-${process.pid}.qmp`);
  let ended = false;
  const end = (): void => {
    ended = true;
  };
  booting.then(end, end);
  let served = 0;
  while (!ended) {
    await sleep(200);
    const commands = existsSync(truth) ? monitorCommands(readFileSync(truth, 'utf8')) : [];
    for (const command of commands.slice(served)) {
      served++;
      await execute(socket, command);
    }
  }
  return await booting;
}

/** What the monitor says stands on the terminal: the guest then waits in vain, and is given up. */
async function execute(socket: string, command: string): Promise<void> {
  try {
    const qmp = await Qmp.connect(socket);
    const said = await qmp.execute('human-monitor-command', { 'command-line': command });
    qmp.close();
    if (typeof said === 'string' && said.trim() !== '') console.error(`monitor: ${command}: ${said.trim()}`);
  } catch (error) {
    console.error(`monitor: ${command}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
