/** Decides on colour and width from options, environment and terminal; what is decided is passed on as plain values. */
import type { Io, Sink } from './io.ts';

export type ColourChoice = 'auto' | 'always' | 'never';

/** Columns where there is no terminal: pipes and files. */
export const DEFAULT_WIDTH = 100;
/** Prose is hard to read in longer lines. */
const WIDEST = 120;

/**
 * `--color` decides; else FORCE_COLOR (not `0` or `false`), else NO_COLOR (not empty), else whether it is a terminal.
 * As Node does it, FORCE_COLOR goes before NO_COLOR.
 */
export function wantsColour(choice: ColourChoice, env: Io['env'], target: Sink | undefined): boolean {
  if (choice !== 'auto') return choice === 'always';
  if (target === undefined) return false;
  const force = env.FORCE_COLOR;
  if (force !== undefined) return force !== '0' && force !== 'false';
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== '') return false;
  return target.isTTY && env.TERM !== 'dumb';
}

/** @param target - undefined for a file */
export function widthOf(option: number | undefined, target: Sink | undefined): number {
  if (option !== undefined) return option;
  const columns = target?.columns;
  return columns === undefined || columns <= 0 ? DEFAULT_WIDTH : Math.min(columns, WIDEST);
}

/** What the locale says, as the C library reads it: the first of these that is set decides. */
export function speaksUtf8(env: Io['env']): boolean {
  const said = [env.LC_ALL, env.LC_CTYPE, env.LANG].find((each) => each !== undefined && each !== '');
  return said !== undefined && /utf-?8/i.test(said);
}
