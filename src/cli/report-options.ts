/** The options of `kwhy VMCORE`. */
import { type Arguments, ArgumentsError, type OptionSpecs, parseArguments } from './arguments.ts';
import type { OpenOptions } from '../program/open.ts';
import type { ColourChoice } from './terminal.ts';
import { withoutOf } from './without-option.ts';

const specs: OptionSpecs = {
  json: { takesValue: false },
  output: { takesValue: true, short: 'o' },
  'time-limit': { takesValue: true },
  // The same.
  timeout: { takesValue: true },
  width: { takesValue: true },
  color: { takesValue: true },
  'no-progress': { takesValue: false },
  debuginfo: { takesValue: true },
  without: { takesValue: true },
  plugin: { takesValue: true },
  help: { takesValue: false, short: 'h' },
  version: { takesValue: false, short: 'V' },
};

export interface ReportOptions {
  /** The dump, or the files of a split dump; at least one. */
  readonly paths: readonly string[];
  /** Where debug information is: see debuginfo-option.ts. */
  readonly debuginfo: string | undefined;
  readonly json: boolean;
  /** `-` is stdout, as is undefined. */
  readonly output: string | undefined;
  readonly timeLimitSeconds: number | undefined;
  readonly width: number | undefined;
  readonly colour: ColourChoice;
  readonly progress: boolean;
  /** Tables of the dump that are left aside. */
  readonly without: NonNullable<OpenOptions['without']>;
  /** Files with detectors of the user's own. */
  readonly plugins: readonly string[];
}

const NARROWEST = 20;
const WIDEST = 10_000;
/** node:vm takes no longer timeouts. */
const LONGEST_SECONDS = 2_000_000;

function width(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < NARROWEST || value > WIDEST) {
    throw new ArgumentsError(`--width ${text}: must be a number of columns from ${NARROWEST} to ${WIDEST}`);
  }
  return value;
}

/** @param option - as it was given, for the message */
function seconds(option: string, text: string): number {
  const value = Number(text);
  if (!/^(?:\d+\.?\d*|\.\d+)$/.test(text) || !(value > 0) || value > LONGEST_SECONDS) {
    throw new ArgumentsError(`--${option} ${text}: must be a number of seconds, such as 30 or 0.5`);
  }
  return value;
}

function colour(text: string): ColourChoice {
  if (text === 'auto' || text === 'always' || text === 'never') return text;
  throw new ArgumentsError(`--color ${text}: must be auto, always or never`);
}

/**
 * Seconds of `--time-limit` or `--timeout`, the shorter one of both.
 * @throws ArgumentsError
 */
export function timeLimitOf(options: Arguments['options']): number | undefined {
  const given = ['time-limit', 'timeout'].flatMap((option) => {
    const value = options.get(option);
    return typeof value === 'string' ? [seconds(option, value)] : [];
  });
  return given.length === 0 ? undefined : Math.min(...given);
}

/**
 * `--width` and `--color`.
 * @throws ArgumentsError
 */
export function displayOf(options: Arguments['options']): Pick<ReportOptions, 'width' | 'colour'> {
  const given = [options.get('width'), options.get('color')];
  const [columns, when] = given;
  return {
    width: typeof columns === 'string' ? width(columns) : undefined,
    colour: typeof when === 'string' ? colour(when) : 'auto',
  };
}

/** @throws ArgumentsError */
export function parseReportOptions(argv: readonly string[]): ReportOptions | 'help' | 'version' {
  const { options, given, positionals } = parseArguments(argv, specs);
  if (options.has('help')) return 'help';
  if (options.has('version')) return 'version';
  const text = <T>(name: string, read: (value: string) => T): T | undefined => {
    const value = options.get(name);
    return typeof value === 'string' ? read(value) : undefined;
  };
  const parsed = {
    json: options.has('json'),
    output: text('output', (value) => value),
    debuginfo: text('debuginfo', (value) => value),
    timeLimitSeconds: timeLimitOf(options),
    ...displayOf(options),
    progress: !options.has('no-progress'),
    without: withoutOf(options.get('without')),
    plugins: given.flatMap(({ name, value }) => (name === 'plugin' && typeof value === 'string' ? [value] : [])),
  };
  if (positionals.length === 0 || positionals.includes('')) {
    throw new ArgumentsError('which dump? usage: kwhy VMCORE');
  }
  return { ...parsed, paths: positionals };
}
