/** The program with this process around it. The entry of dist/program.cjs. */
import type { ExitStatus } from './exit-status.ts';
import { processIo } from './process-io.ts';
import { runCli } from './run-cli.ts';

/** Never rejects. */
export function start(argv: readonly string[]): Promise<ExitStatus> {
  return runCli(argv, processIo());
}
