/** The command line of `npm run fuzz`. */
import { parseArgs } from 'node:util';
import type { Target } from './target.ts';
import { findTarget, targets } from './targets/index.ts';

export const HELP = `npm run fuzz -- [options]

  --minutes N       for so long in all, shared among the targets (1)
  --executions N    instead: so many for each target, whatever time that takes
  --target NAME     only this one; may be given again
  --seed S          does the same again; without it the time is the seed
  --hang SECONDS    an execution that takes longer is a finding (10)
  --corpus FOLDER   keeps the cases with outcomes of their own there, and begins with those that it holds
  --json FILE       the figures as JSON
  --replay FILE     runs one case, as a finding shows it: {"target", "case"}
  --first           a target is done with its first finding, which is not made smaller
  --dry             writes no regression tests
  --list            names the targets
`;

export interface Arguments {
  readonly minutes: number;
  readonly executions: number | undefined;
  readonly targets: readonly Target[];
  readonly seed: string;
  readonly hang: number;
  readonly corpus: string | undefined;
  readonly json: string | undefined;
  readonly replay: string | undefined;
  readonly first: boolean;
  readonly dry: boolean;
  readonly list: boolean;
  readonly help: boolean;
}

/** @throws RangeError or TypeError for what makes no sense */
export function parseArguments(argv: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      minutes: { type: 'string' },
      executions: { type: 'string' },
      target: { type: 'string', multiple: true },
      seed: { type: 'string' },
      hang: { type: 'string' },
      corpus: { type: 'string' },
      json: { type: 'string' },
      replay: { type: 'string' },
      first: { type: 'boolean' },
      dry: { type: 'boolean' },
      list: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  return {
    minutes: positive('minutes', values.minutes) ?? 1,
    executions: positive('executions', values.executions),
    targets: values.target === undefined ? targets : values.target.map(findTarget),
    seed: values.seed ?? String(Date.now()),
    hang: (positive('hang', values.hang) ?? 10) * 1000,
    corpus: values.corpus,
    json: values.json,
    replay: values.replay,
    first: values.first ?? false,
    dry: values.dry ?? false,
    list: values.list ?? false,
    help: values.help ?? false,
  };
}

function positive(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!(value > 0) || value === Infinity) throw new RangeError(`--${name} wants a number above 0, not '${text}'`);
  return value;
}
