/**
 * Which kernel this is: `struct uts_namespace init_uts_ns`, the initial one (containers may have others), and the command
 * line that it was booted with.
 */
import type { Program } from '../program/program.ts';
import { type Known, known } from './known.ts';

/** COMMAND_LINE_SIZE is at most 4096; bootconfig (5.6) may make it longer. */
const MAX_COMMAND_LINE = 1 << 16;

export interface UtsName {
  readonly sysname: string;
  readonly nodename: string;
  /** `uname -r`. */
  readonly release: string;
  /** '#1 SMP Debian ...'. */
  readonly version: string;
  readonly machine: string;
}

/**
 * `init_uts_ns.name`, a `struct new_utsname`.
 * @throws FaultError, LookupError
 */
export function utsName(program: Program): UtsName {
  const at = program.symbol('init_uts_ns').address;
  const text = (name: keyof UtsName): string => program.field('struct uts_namespace', `name.${name}`).text(at);
  return {
    sysname: text('sysname'),
    nodename: text('nodename'),
    release: text('release'),
    version: text('version'),
    machine: text('machine'),
  };
}

/**
 * The kernel's command line, `char *saved_command_line`.
 * @throws nothing for what the dump holds: the result says why it is not known
 */
export function commandLine(program: Program): Known<string> {
  return known('saved_command_line', () => program.global('saved_command_line').text(MAX_COMMAND_LINE));
}
