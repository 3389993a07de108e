/**
 * Command lines, strictly: options and file names in any order, `--` ends the options, unknown options and missing
 * values are errors. Which options there are is the caller's.
 */
import { parseArgs } from 'node:util';
import { UsageError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';

/** The command line is wrong; other UsageErrors are about files. */
export class ArgumentsError extends UsageError {
  constructor(message: string) {
    super(message);
    this.name = 'ArgumentsError';
  }
}

export interface OptionSpec {
  /** True when a value follows: `-o FILE`, `--output=FILE`. */
  readonly takesValue: boolean;
  /** One letter. */
  readonly short?: string;
}

export type OptionSpecs = { readonly [name: string]: OptionSpec };

export interface Arguments {
  /** Value of each option that was given; the last one counts. `true` where it takes none. */
  readonly options: ReadonlyMap<string, string | true>;
  /** Every option as it was given, in order: for those that may be repeated. */
  readonly given: readonly { readonly name: string; readonly value: string | true }[];
  readonly positionals: readonly string[];
}

function unknownOption(raw: string, specs: OptionSpecs): ArgumentsError {
  const known = Object.keys(specs).map((name) => `--${name}`);
  const guess = nearest(raw, known);
  return new ArgumentsError(`unknown option ${raw}${guess === undefined ? '' : `; did you mean ${guess}?`}`);
}

/** @throws ArgumentsError */
export function parseArguments(argv: readonly string[], specs: OptionSpecs): Arguments {
  const { tokens } = parseArgs({
    args: [...argv],
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: Object.fromEntries(
      Object.entries(specs).map(([name, { takesValue, short }]) => [
        name,
        { type: takesValue ? ('string' as const) : ('boolean' as const), ...(short === undefined ? {} : { short }) },
      ]),
    ),
  });
  const options = new Map<string, string | true>();
  const given: { readonly name: string; readonly value: string | true }[] = [];
  const positionals: string[] = [];
  const note = (name: string, value: string | true): void => {
    options.set(name, value);
    given.push({ name, value });
  };
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const { name, rawName, value, inlineValue } = token;
    const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
    if (spec === undefined) throw unknownOption(rawName, specs);
    if (!spec.takesValue) {
      if (value !== undefined) throw new ArgumentsError(`${rawName} takes no value`);
      note(name, true);
    } else {
      // `-o --json` has forgotten the file; `-o -` and `--output=--json` mean what they say.
      const missing = value === undefined || value === '' || (inlineValue === false && /^-./.test(value));
      if (missing) throw new ArgumentsError(`${rawName} needs a value`);
      note(name, value);
    }
  }
  return { options, given, positionals };
}
