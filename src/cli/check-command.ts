/** `kwhy check VMCORE`: what the file is, how sound and complete it is, and what is missing costs a diagnosis. */
import type { DumpCheck } from '../model/dump-check.ts';
import { ArgumentsError, type OptionSpecs, parseArguments } from './arguments.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import type { Io } from './io.ts';
import { displayOf } from './report-options.ts';
import { named } from './system-error.ts';
import { wantsColour, widthOf } from './terminal.ts';

const specs: OptionSpecs = {
  json: { takesValue: false },
  width: { takesValue: true },
  color: { takesValue: true },
  help: { takesValue: false, short: 'h' },
};

export async function checkCommand(argv: readonly string[], io: Io): Promise<ExitStatus> {
  const { options, positionals } = parseArguments(argv, specs);
  if (options.has('help')) {
    const { checkHelpText } = await import('./help.ts');
    await io.stdout.write(checkHelpText);
    return EXIT.complete;
  }
  const { width, colour } = displayOf(options);
  if (positionals.length === 0 || positionals.includes('')) {
    throw new ArgumentsError('which dump? usage: kwhy check VMCORE');
  }
  const { checkDump } = await import('../check/check-dump.ts');
  let check: DumpCheck;
  try {
    check = io.guard(() => checkDump(positionals, { now: io.now }), undefined);
  } catch (error) {
    throw named(positionals, error);
  }
  if (options.has('json')) {
    const { checkJson } = await import('../render/check-json.ts');
    await io.stdout.write(checkJson(check));
  } else {
    const { checkText } = await import('../render/check-text.ts');
    const text = { width: widthOf(width, io.stdout), colour: wantsColour(colour, io.env, io.stdout) };
    await io.stdout.write(checkText(check, text));
  }
  return check.verdict === 'sound' ? EXIT.complete : EXIT.partial;
}
