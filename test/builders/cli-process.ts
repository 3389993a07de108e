/**
 * A program of its own for tests of signals and pipes: the command line with the real process around it and a fake core.
 * `endless` never ends its second step and never asks its budget; `long` has a report that no pipe holds.
 */
import { processIo } from '../../src/cli/process-io.ts';
import type { Core } from '../../src/cli/report-run.ts';
import { runCli } from '../../src/cli/run-cli.ts';
import { fakeCore } from './cli.ts';
import { report } from './report.ts';

const endless: Core = {
  open: () => ({
    *diagnose() {
      yield { step: 'first', partial: (stopped) => report({ stopped, complete: false }) };
      process.stderr.write('endless\n');
      for (;;);
    },
    close: () => {},
  }),
};

const long = fakeCore(report({ problems: Array.from({ length: 20_000 }, (_, i) => `problem ${i} of many`) }));

const [kind = '', ...argv] = process.argv.slice(2);
const core = kind === 'endless' ? endless : long;
process.exitCode = await runCli(argv, { ...processIo(), loadCore: () => Promise.resolve(core) });
