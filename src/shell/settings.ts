/**
 * The settings of a session in crash's words, `set -v`. Some have a meaning here: radix, scroll, print_max. Those that are
 * about crash's own way of working are taken as they come and change nothing; those that would change answers can only be
 * what they are.
 */
import { UsageError } from '../base/errors.ts';
import type { CommandContext } from '../model/command.ts';
import { name, type Value } from '../model/value.ts';
import { parseCount } from './arguments.ts';

interface Setting {
  readonly label: string;
  /** What it is. */
  readonly show: (context: CommandContext) => string;
  /** Takes a value; @throws UsageError for one that it cannot be. */
  readonly change?: (context: CommandContext, value: string) => void;
}

/** What can only be as it is. */
const fixed = (label: string, value: string): Setting => ({
  label,
  show: () => value,
  change: (_, wanted) => {
    if (wanted !== value) throw new UsageError(`${label} ${wanted}: is always ${value} here`);
  },
});

/** What changes nothing here, whatever its value. */
const idle = (label: string, value: string): Setting => ({ label, show: () => value, change: () => undefined });

const SETTINGS: readonly Setting[] = [
  {
    label: 'scroll',
    show: ({ session }) => (session.scroll ? 'on ($PAGER)' : 'off (none)'),
    change: ({ session }, value) => {
      if (!['on', 'off', 'less', 'more', 'CRASHPAGER'].includes(value))
        throw new UsageError(`scroll ${value}: must be on or off`);
      session.scroll = value !== 'off';
    },
  },
  {
    label: 'radix',
    show: ({ session }) => `${session.radix} (${session.radix === 10 ? 'decimal' : 'hex'})`,
    change: ({ session }, value) => {
      const radix = { '10': 10, '16': 16, dec: 10, hex: 16 } as const;
      const chosen = Object.entries(radix).find(([word]) => word === value)?.[1];
      if (chosen === undefined) throw new UsageError(`radix ${value}: must be 10 or 16`);
      session.radix = chosen;
    },
  },
  idle('refresh', 'on'),
  {
    label: 'print_max',
    show: ({ session }) => String(session.printMax),
    change: ({ session }, value) => {
      session.printMax = parseCount(value, 'print_max', 1, 1 << 20);
    },
  },
  fixed('print_array', 'off'),
  idle('console', '(not assigned)'),
  idle('debug', '0'),
  idle('core', 'off'),
  idle('hash', 'on'),
  idle('silent', 'on'),
  idle('edit', 'emacs'),
  { label: 'namelist', show: ({ program }) => program.debugFile?.path ?? '(symbols and types in the dump)' },
  { label: 'dumpfile', show: ({ session }) => session.dumpPaths.join(' ') },
  idle('unwind', 'on'),
  fixed('zero_excluded', 'off'),
  fixed('null-stop', 'off'),
  fixed('gdb', 'off'),
  idle('scope', '0 (not set)'),
  fixed('offline', 'show'),
  fixed('redzone', 'on'),
  fixed('error', 'default'),
];

/** Words that stand behind `set`. */
export const SETTING_NAMES: readonly string[] = SETTINGS.map(({ label }) => label);

/** All of them: `set -v`. */
export function settingRows(
  context: CommandContext,
): readonly { readonly key: string; readonly label: string; readonly value: Value }[] {
  const width = Math.max(...SETTING_NAMES.map((label) => label.length)) + 1;
  return SETTINGS.map(({ label, show }) => ({ key: label, label: label.padStart(width), value: name(show(context)) }));
}

/**
 * Shows a setting, or changes it.
 * @returns its line
 * @throws UsageError for a value that it cannot have
 */
export function setting(context: CommandContext, label: string, value: string | undefined): string {
  const found = SETTINGS.find((each) => each.label === label);
  if (found === undefined) throw new UsageError(`'${label}' is no setting`);
  if (value !== undefined) {
    if (found.change === undefined) throw new UsageError(`${label} is as the dump was opened`);
    found.change(context, value);
  }
  return `${label === 'radix' ? 'output radix' : label}: ${found.show(context)}`;
}
