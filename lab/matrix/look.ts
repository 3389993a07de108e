/**
 * node look.ts LIBRARY FILE...: opens a dump with a build of kwhy and prints its report, the layouts that were chosen for
 * its kernel, and what tells machines apart, as one JSON object. A process of its own, as users have it.
 */
import { pathToFileURL } from 'node:url';
import type * as Kwhy from '../../src/index.ts';
import type { LayoutChoice } from '../../src/program/layouts.ts';
import type { JudgedReport } from '../judge.ts';

/** What is looked at in a report besides what is judged. */
export interface SeenReport extends JudgedReport {
  readonly complete?: boolean;
  readonly findings?: readonly (NonNullable<JudgedReport['findings']>[number] & { readonly confidence?: string })[];
  readonly unproven?: readonly string[];
  readonly problems?: readonly string[];
  readonly system?: {
    readonly dump?: { readonly description?: string; readonly foundBy?: string };
    readonly tasks?: { readonly total?: number };
  };
}

/** What `look.ts` prints. */
export interface Look {
  readonly report: SeenReport;
  readonly layouts: readonly LayoutChoice[];
  readonly modules: number;
  readonly possibleCpus: number;
  readonly onlineCpus: number;
}

type Library = typeof Kwhy;

async function main([library = '', ...files]: readonly string[]): Promise<Look> {
  const kwhy = (await import(pathToFileURL(library).href)) as Library;
  const program = kwhy.openProgram(files);
  try {
    const steps = kwhy.diagnose(program, kwhy.unlimited);
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    return {
      report: JSON.parse(kwhy.reportJson(step.value)) as SeenReport,
      layouts: program.layouts.all,
      modules: program.modules.modules.length,
      possibleCpus: kwhy.cpus(program, 'possible').length,
      onlineCpus: kwhy.cpus(program, 'online').length,
    };
  } finally {
    program.close();
  }
}

if (import.meta.main) process.stdout.write(JSON.stringify(await main(process.argv.slice(2))));
