/**
 * The command line of the lab: `list`, `make`, `score`, `waits`, `ledger`, `next-victim`, `damage`, `commands`, `matrix`.
 */
import { parseArgs } from 'node:util';
import { commands, printCommands } from './commands/run.ts';
import { damage } from './damage/run.ts';
import { examples } from './examples.ts';
import { chooseIncidents, readIncidents } from './incidents.ts';
import { fetchKernel, kernelNames } from './kernels.ts';
import { ledgers } from './ledger.ts';
import { makeVariant } from './make.ts';
import { nextVictims } from './next-victim.ts';
import { matrix, printMatrix } from './matrix.ts';
import { LabError } from './run.ts';
import { score } from './score.ts';
import { ensureTools } from './tools.ts';
import { waits } from './waits.ts';

const USAGE = `usage: npm run lab -- list
       npm run lab -- make [incident...] [--kernel ${kernelNames.join('|')}] [--variant N]
       npm run lab -- score
       npm run lab -- waits
       npm run lab -- ledger [incident...]
       npm run lab -- examples
       npm run lab -- next-victim
       npm run lab -- damage
       npm run lab -- commands [incident[/kernel]...] [--print]
       npm run lab -- matrix [--kernel NAME] [--guest NAME] [--keep] [--print]`;

async function make(wanted: readonly string[], kernels: readonly string[], variants: readonly number[]): Promise<void> {
  ensureTools();
  for (const incident of chooseIncidents(wanted)) {
    for (const name of kernels.length > 0 ? kernels : incident.kernels) {
      const kernel = fetchKernel(name);
      for (const variant of variants) {
        try {
          const { manifest, made, folder } = await makeVariant(incident, kernel, variant);
          const how = made ? `made in ${manifest.seconds} s` : 'is there';
          console.log(`${incident.name} ${kernel.release} variant ${variant}: ${how}: ${folder}`);
        } catch (error) {
          if (!(error instanceof LabError)) throw error;
          console.error(`${incident.name} ${kernel.release} variant ${variant}: ${error.message}`);
          process.exitCode = 1;
        }
      }
    }
  }
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      kernel: { type: 'string', multiple: true },
      variant: { type: 'string', multiple: true },
      guest: { type: 'string', multiple: true },
      keep: { type: 'boolean', default: false },
      print: { type: 'boolean', default: false },
    },
  });
  const [command, ...rest] = positionals;
  if (command === 'list') {
    for (const { name, title } of readIncidents()) console.log(`${name}: ${title}`);
  } else if (command === 'make') {
    await make(rest, values.kernel ?? [], (values.variant ?? ['1']).map(Number));
  } else if (command === 'score') {
    console.log(score());
  } else if (command === 'waits') {
    console.log(waits());
  } else if (command === 'ledger') {
    console.log(ledgers(rest));
  } else if (command === 'examples') {
    console.log(examples());
  } else if (command === 'damage') {
    console.log(damage());
  } else if (command === 'commands' && values.print) {
    console.log(printCommands());
  } else if (command === 'commands') {
    console.log(commands(rest));
  } else if (command === 'matrix' && values.print) {
    console.log(printMatrix());
  } else if (command === 'matrix') {
    await matrix({ kernels: values.kernel ?? [], guests: values.guest ?? [], keep: values.keep });
  } else if (command === 'next-victim') {
    console.log(nextVictims());
  } else {
    throw new LabError(USAGE);
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof LabError ? error.message : error);
  process.exitCode = 1;
});
